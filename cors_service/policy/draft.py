"""One document of a policy set: what can be read of it alone, and what only with the origin sets of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from cors_service.grammar.match import Match, parse_match
from cors_service.grammar.mistakes import PolicyError
from cors_service.policy._report import Place, Report, Source
from cors_service.policy._rules import OriginSet, OriginSets, check_reachable, check_set, read_rule
from cors_service.policy._structure import UNPARSED, Document, check_structure, parse_text
from cors_service.policy.model import Policy, Rule

_RULE_KEYS: Final = frozenset(field.name for field in structs.fields(Rule))
Mistakes = tuple[PolicyError, ...]


class ReadSet(Struct, frozen=True):
    """An origin set of a document.

    Attributes:
        origins: What is good of it.
        is_refused: Whether it is not even a set with a name.
        mistakes: What is wrong with its patterns.
    """

    origins: OriginSet
    is_refused: bool
    mistakes: Mistakes


class ReadPolicy(Struct, frozen=True, gc=False):
    """A policy of a document.

    Attributes:
        policy: What is good of it, or None if nothing can be said of its rules.
        uses: The names of the origin sets that it mentions.
        matches: The place in the list, the text and the meaning of each `match`; what is wrong with one instead.
        mistakes: What is wrong with the rest.
    """

    policy: Policy | None
    uses: frozenset[str]
    matches: tuple[tuple[int, str, Match | PolicyError], ...]
    mistakes: Mistakes


class Draft:
    """A document, read once, and kept for as long as it stays as it is.

    Attributes:
        source: Its text; None for a structure without one.
        is_complete: Whether all of it could be read that may define a name or use one.
        mistakes: What is wrong with it as a text and as a structure.
        sets: Its origin sets by name.
        policies: Its policies by name, once `finish` was called.
    """

    __slots__ = ("_document", "_report", "_sets", "is_complete", "mistakes", "policies", "sets", "source")

    def __init__(self, source: Source | None, document: object = UNPARSED) -> None:
        """Read what can be read without other documents.

        Args:
            source: The text, or None.
            document: The structure, if there is no text.
        """
        self.source = source
        self.policies: dict[str, ReadPolicy] = {}
        self._sets: dict[str, OriginSet | None] | None = None
        self._report: Report | None = None
        self._document: Document = {}
        self._begin(document)

    def finish(self, sets: OriginSets, *, is_complete: bool) -> None:
        """Read the policies; does nothing if that was done and the origin sets that they use are what they were.

        Args:
            sets: The origin sets of all documents, by name.
            is_complete: Whether a set that is not among them does not exist.
        """
        if self._sets is not None and all(used and sets.get(name) == used for name, used in self._sets.items()):
            return
        if self._report is None:
            self._begin(UNPARSED)
        self._place().report.complete = is_complete
        bodies = self._document.get("policies", {})
        self.policies = {
            name: _read_policy(name, body, self._place("policies", name), sets) for name, body in bodies.items()
        }
        self._sets = {name: sets.get(name) for read in self.policies.values() for name in read.uses}
        if self.source is not None:
            # It is made again of the text if need be, which is a tenth of the size.
            self._report, self._document = None, {}

    def _begin(self, document: object) -> None:
        report = self._report = Report()
        if self.source is not None:
            document = parse_text(self.source, self._place())
        if document is not UNPARSED:
            self._document = check_structure(document, self._place())
        self.is_complete = report.complete and document is not UNPARSED
        self.mistakes: Mistakes = tuple(report.found)
        self.sets = {
            name: _read_set(name, body, self._place("origin_sets", name))
            for name, body in self._document.get("origin_sets", {}).items()
        }

    def _place(self, *path: str) -> Place:
        assert self._report is not None
        return Place(self._report, self.source, path)


def _read_set(name: str, body: Any, place: Place) -> ReadSet:
    known = len(place.report.found)
    is_refused = place.is_refused
    origins = check_set(name, body, place)
    return ReadSet(origins, is_refused, tuple(place.report.found[known:]))


def _read_policy(name: str, body: Document, place: Place, sets: OriginSets) -> ReadPolicy:
    known = len(place.report.found)
    policy = _policy(name, body, place, sets)
    return ReadPolicy(policy, _uses(body), _matches(body, place), tuple(place.report.found[known:]))


def _policy(name: str, body: Document, place: Place, sets: OriginSets) -> Policy | None:
    flat = sorted(body.keys() & _RULE_KEYS - {"dangerously_allow"})
    if "rules" in body and flat:
        message = f"The policy has rules, and {', '.join(flat)} beside them."
        error = PolicyError("rules-and-flat-keys", message, hint="Move these keys into a rule.", value=flat[0])
        place.at(flat[0]).refuse(error)
    if place.at("rules").is_refused:
        return None
    # dangerously_allow of a policy holds for all its rules; that of a flat one is the rule's own.
    lifted = [flag for flag in body.get("dangerously_allow", ()) if flag is not None]
    tables: list[tuple[Place, Mapping[str, Any]]] = [(place, body)]
    if "rules" in body:
        tables = [(place.at("rules", index), rule) for index, rule in enumerate(body["rules"]) if rule is not None]
    rules = [(read_rule(table, where, sets, lifted), where) for where, table in tables]
    check_reachable(rules, sets)
    return Policy(
        name=name,
        rules=tuple(rule for rule, _ in rules),
        match=tuple(text for text in body.get("match", ()) if text is not None),
        # The schema takes 204.0 for 204.
        preflight_status=int(body.get("preflight_status", 204)),
    )


def _uses(body: Document) -> frozenset[str]:
    """The names of the origin sets that a policy mentions, be they right or wrong."""
    return frozenset(
        pattern[1:]
        for rule in [body, *body.get("rules", ())]
        for pattern in (rule or {}).get("origins", ())
        if pattern is not None and pattern[:1] == "@"
    )


def _matches(body: Document, place: Place) -> tuple[tuple[int, str, Match | PolicyError], ...]:
    return tuple(
        (index, text, _match(text, place.at("match", index)))
        for index, text in enumerate(body.get("match", ()))
        if text is not None
    )


def _match(text: str, place: Place) -> Match | PolicyError:
    try:
        return parse_match(text)
    except PolicyError as error:
        # Its traceback would keep alive whatever the caller had at hand.
        return place.mark(error.with_traceback(None))

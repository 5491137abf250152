"""One document of a policy set: read by itself, and then checked against the sets of all documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from msgspec import Struct, structs

from cors_service.grammar.match import Match, parse_match
from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.pattern import NULL, OriginPattern
from cors_service.policy._guard import read_guard
from cors_service.policy._report import Found, NotReadError, Place, Report, Source
from cors_service.policy._rules import (
    HEADER_SETS,
    ORIGIN_SETS,
    Bindings,
    HeaderSet,
    OriginSet,
    ReadRule,
    SetKey,
    Sets,
    Uses,
    check_expressions,
    check_reachable,
    read_header_set,
    read_rule,
    read_set,
)
from cors_service.policy.model import Policy, Rule
from cors_service.policy.schema import UNPARSED, Document, check_structure, parse_text

_RULE_KEYS: Final = frozenset(field.name for field in structs.fields(Rule))

MOST_ORIGINS: Final = 3_000_000
"""Origins of all policies, each origin set and list of alternatives written out where it is used."""


class ReadPolicy(Struct, frozen=True, gc=False):
    """A policy of a document.

    Attributes:
        policy: The good parts of it, or None if its rules can't be read.
        matches: Each `match`; None for a malformed one.
        uses: The sets that it uses.
        waiting: Its rules, if they can only be judged with these sets; otherwise nothing.
    """

    policy: Policy | None
    matches: tuple[Match | None, ...]
    uses: tuple[SetKey, ...]
    waiting: tuple[ReadRule, ...]


class Draft:
    """A document, read once.

    Attributes:
        source: Its text; None for a structure without one.
        is_complete: Whether everything that may define or use a name could be read.
        mistakes: Its mistakes, apart from those that depend on other documents.
        sets: Its sets.
        policies: Its policies by name.
        weight: What its policies cost, in origins, without the origin sets that they use.
    """

    __slots__ = ("_checked", "_misuse", "is_complete", "mistakes", "policies", "sets", "source", "weight")

    def __init__(self, source: Source | None, document: object = UNPARSED) -> None:
        """Read it, without other documents.

        Args:
            source: The text, or None.
            document: The structure, if the text is not to be parsed.
        """
        self.source = source
        report = Report(source)
        self.sets: dict[SetKey, OriginSet | HeaderSet] = {}
        self.policies: dict[str, ReadPolicy] = {}
        self.weight = 0
        with suppress(NotReadError):
            self._read(document, Place(report))
        self.is_complete = report.is_complete
        self.mistakes = report.as_found()
        # Mistakes in the use of sets, and the sets that they were found with.
        self._misuse = Found()
        self._checked: dict[SetKey, OriginSet | HeaderSet | None] | None = None

    def says(self, other: Draft | None) -> bool:
        """Whether another document, without mistakes, says the same."""
        return (
            other is not None
            and not self.mistakes
            and self.sets == other.sets
            and self.policies.keys() == other.policies.keys()
            and all(read.policy == other.policies[name].policy for name, read in self.policies.items())
        )

    @property
    def origin_sets(self) -> dict[str, tuple[OriginPattern, ...]]:
        """The patterns of its origin sets, by their names."""
        return {name: one.patterns for (_, name), one in self.sets.items() if isinstance(one, OriginSet)}

    @property
    def header_sets(self) -> dict[str, tuple[str, ...]]:
        """The names of its header sets, by theirs."""
        return {name: one.names for (_, name), one in self.sets.items() if isinstance(one, HeaderSet)}

    def _read(self, document: object, root: Place) -> None:
        if self.source is not None and document is UNPARSED:
            document = parse_text(self.source, root)
        if document is UNPARSED:
            root.report.is_complete = False
            return
        body = check_structure(document, root)
        for table, read_table in ((ORIGIN_SETS, read_set), (HEADER_SETS, read_header_set)):
            for name, texts in body.get(table, {}).items():
                self.sets[table, name] = read_table(name, texts, root.at(table, name))
        self.weight = -root.report.weight
        for name, table in body.get("policies", {}).items():
            read = self.policies[name] = _read_policy(name, table, root.at("policies", name))
            self.weight += sum(len(rule.origins) for rule in read.policy.rules) if read.policy else 0
        self.weight += root.report.weight

    def weight_with(self, sets: Sets) -> int:
        """Say what its policies cost, in origins.

        Args:
            sets: The sets of all documents.
        """
        uses = (key for read in self.policies.values() for rule in read.waiting for key in rule.used)
        return self.weight + sum(sets[key].weight for key in uses if key in sets)

    def misuse(self, sets: Sets, *, is_complete: bool) -> Found:
        """Find mistakes in the use of sets; remembered until the sets change.

        Args:
            sets: The sets of all documents.
            is_complete: Whether every other set is unknown.
        """
        waiting = [read.waiting for read in self.policies.values() if read.waiting]
        if not waiting or (
            self._checked and all(used and sets.get(key) is used for key, used in self._checked.items())
        ):
            return self._misuse
        root = Place(Report(self.source))
        with suppress(NotReadError):
            if self.weight_with(sets) > MOST_ORIGINS:
                # What follows would take as long.
                root.report.stop((), too_many_origins())
            uses = Uses(root, sets, is_complete=is_complete)
            for rules in waiting:
                for rule in rules:
                    uses.check(rule)
                check_expressions(rules, root, sets)
                if any(rule.uses for rule in rules):
                    check_reachable(rules, root, sets)
        self._checked = {key: sets.get(key) for read in self.policies.values() for key in read.uses}
        self._misuse = root.report.as_found()
        return self._misuse


def too_many_origins() -> PolicyError:
    """The mistake that policies cost too much."""
    message = f"With origin sets and alternatives written out, the policies have more than {MOST_ORIGINS} origins."
    hint = "Write wildcards such as https://*.example.com, or one policy for what has the same origins."
    return PolicyError("too-many-origins", message, hint=hint)


def _read_policy(name: str, body: Document, place: Place) -> ReadPolicy:
    matches = tuple(_read_match(text, place.at("match", index)) for index, text in enumerate(body.get("match", ())))
    _check_bound(matches, place.at("match"))
    bindings = Bindings(frozenset(match.binds for match in matches if match is not None), is_known=None not in matches)
    rules = _read_rules(body, place, bindings)
    uses = tuple({used: None for rule in rules for used in rule.used})
    if place.at("rules").is_refused:
        return ReadPolicy(None, matches, uses, ())
    if not any(rule.uses for rule in rules):
        check_expressions(rules, Place(place.report), {})
        check_reachable(rules, Place(place.report), {})
    policy = Policy(
        name=name,
        rules=tuple(read.rule for read in rules),
        match=tuple(match for match in matches if match is not None),
        # The schema takes 204.0 for 204.
        preflight_status=int(body.get("preflight_status", 204)),
        static=body.get("static", False),
        guard=read_guard(body["guard"], matches, place.at("guard")) if "guard" in body else None,
    )
    if policy.static and all(read.is_sound for read in rules):
        _check_static(policy, place.at("static"))
    return ReadPolicy(policy, policy.match if policy.match == matches else matches, uses, rules if uses else ())


def _check_static(policy: Policy, place: Place) -> None:
    """Note a static policy that has no origin to name in every answer."""
    origins = [origin for rule in policy.rules for origin in rule.origins if not rule.refuse]
    if len(policy.rules) > 1 or len(origins) != 1 or not isinstance(origins[0], str) or origins[0] == NULL:
        message = "Every answer of a static policy names its origin, so it has one rule with one exact origin."
        place.refuse("static-needs-one-origin", message, hint="Remove static, or all other origins.", value=True)


def _read_rules(body: Document, place: Place, bindings: Bindings) -> tuple[ReadRule, ...]:
    """Read the rules of a policy; a flat policy is one rule."""
    flat = sorted(body.keys() & _RULE_KEYS - {"dangerously_allow"})
    if "rules" in body and flat:
        message = f"The policy has both rules and {', '.join(flat)}."
        place.at(flat[0]).refuse("rules-and-flat-keys", message, hint="Move these keys into a rule.", value=flat[0])
    if place.at("rules").is_refused:
        return ()
    # A policy's dangerously_allow holds for all its rules; in a flat policy it belongs to the rule.
    lifted = [flag for flag in body.get("dangerously_allow", ()) if flag is not None]
    tables: list[tuple[Place, Mapping[str, Any]]] = [(place, body)]
    if "rules" in body:
        tables = [(place.at("rules", index), rule) for index, rule in enumerate(body["rules"]) if rule is not None]
    return tuple(read_rule(table, where, lifted, bindings) for where, table in tables)


def _read_match(text: str | None, place: Place) -> Match | None:
    if text is None:
        return None  # not a string: the schema has reported it
    try:
        return parse_match(text)
    except PolicyError as error:
        place.note(error)
        return None


def _check_bound(matches: Sequence[Match | None], place: Place) -> None:
    """Note the first match that binds something else than the first one: rules could not count on either."""
    known = [(index, match.binds) for index, match in enumerate(matches) if match is not None]
    for index, name in known:
        if name != known[0][1]:
            one, other = (f"<{each}>" if each else "nothing" for each in (name, known[0][1]))
            message = f"This match binds {one}, the first one {other}."
            hint = "Let all of them bind the same name, or make two policies."
            place.at(index).refuse("match-bound-differently", message, hint=hint)
            return

"""Finds the smallest edit of a document that lets a blocked exchange through, and proves what else it allows."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from cors_service.algebra import Comparison, Difference, compare
from cors_service.decision import BadQuery, Decision, Query
from cors_service.explain import _engines
from cors_service.explain._asking import Asked
from cors_service.explain._edits import Edit, NotEditedError, Take, edited, weight
from cors_service.explain._json import edit_json
from cors_service.explain._patch import patch_of, size_of
from cors_service.explain._plans import Plan, Wanted, Written, own_rule, plans, plans_for_url
from cors_service.explain._toml import edit_toml
from cors_service.explain._why_none import blocked, why_none
from cors_service.explain.documents import Documents
from cors_service.explain.explanation import Allowed, ExchangeStep, Explanation, Mending
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import NULL
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy

_LONGEST_DOCUMENT: Final = 1024 * 1024
"""Characters of a document that is edited; nobody writes a longer one by hand."""
_BARE_LINE_END: Final = re.compile(r"(?<!\r)\n")
_ITSELF: Final = frozenset({"policy"})
"""What a new policy for the exchange alone differs in."""
_DEEPEST: Final = 2
"""How often what an edit leaves blocked is mended further."""
_ABOUT_DANGERS: Final = {
    "null-origin": "`null` is the origin of every sandboxed frame, whoever made it. Better give the page an origin of "
    "its own.",
    "file-origin": "`file://` is the origin of every file that a user opens. Better serve the page by HTTP.",
    "insecure-origins": "anybody on the network can act as the user of a page without TLS. Better serve it by https.",
}


class _Result(Struct, frozen=True):
    """A plan that lets the exchange through.

    Attributes:
        plan: The plan.
        patch: It as a patch.
        also: What else it would allow.
        narrower: What it would take away, in sentences.
        harms: Whether it takes something from other pages.
    """

    plan: Plan
    patch: str
    also: tuple[Allowed, ...]
    narrower: tuple[str, ...]
    harms: bool

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The smaller, the better: no harm, few changes, and little that is allowed besides."""
        # A document in one line has few lines, whatever changes.
        return self.harms, max(size_of(self.patch), sum(map(weight, self.plan.edits))), len(self.also)


def mend(asked: Asked, explanation: Explanation, documents: Documents) -> tuple[Mending | None, ExchangeStep]:
    """Look for the smallest edit that lets a blocked exchange through.

    Args:
        asked: The exchange.
        explanation: What comes of it now.
        documents: The documents.

    Returns:
        The edit, if there is one; and a step that says what it means, or why there is none and what helps.
    """
    why = why_none(asked, explanation.decisions, documents)
    if why:
        return None, ExchangeStep("mending", "note", why)
    search = _Search(asked)
    results = [*search.results(documents)]
    best = min(results, key=lambda one: one.rank, default=None)
    if best is None or best.harms:
        return None, ExchangeStep("mending", "note", search.why(best))
    return Mending(best.patch, best.also), ExchangeStep("mending", "passes", _in_words(best, documents.policy_set))


class _Search:
    """Tries plans."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._wanted = Wanted.of(asked)
        self._failures: list[str] = []

    def why(self, best: _Result | None) -> str:
        """Say why nothing was found."""
        if best is not None:
            return f"No edit lets it through without harm to other pages: {best.narrower[0]}"
        first = self._failures[0] if self._failures else "it can't be listed"
        return f"No edit of the document was found that lets it through: {first}"

    def results(self, documents: Documents) -> Iterator[_Result]:
        """Give all plans that let the exchange through, and what comes of them."""
        for plan, index, text, after in self._tried(documents, Plan(()), documents, _DEEPEST):
            yield self._result(plan, index, text, documents, after)

    def _tried(
        self, before: Documents, done: Plan, documents: Documents, depth: int
    ) -> Iterator[tuple[Plan, int, str, Documents]]:
        """Try plans on documents that some edits have changed already.

        Args:
            before: The documents as they are.
            done: The edits that were made.
            documents: What these have made of them.
            depth: How often a plan that is not enough is gone on with.
        """
        for plan in self._plans(documents):
            whole = Plan((*done.edits, *plan.edits), plan.dangers or done.dangers, plan.overrules or done.overrules)
            try:
                index, text = _applied(before, whole.edits)
                after = before.replaced(index, text)
            except InvalidPolicies as invalid:
                self._failures.append(str(invalid.exceptions[0]))
                continue
            except NotEditedError as error:
                self._failures.append(f"{error}.")
                continue
            if passes(self._asked, after):
                yield whole, index, text, after
            elif depth > 1 and plan.overrules is not None:
                yield from self._tried(before, whole, after, depth - 1)

    def _plans(self, documents: Documents) -> Iterator[Plan]:
        try:
            decisions = tuple(map(documents.active.decide, self._asked.queries))
        except BadQuery:
            yield from plans_for_url(self._asked, documents.policy_set)
            return
        decision = blocked(decisions, self._asked)
        if decision is None:
            return
        written = _written(decision.policy, documents)
        yield from plans(self._wanted, decision, written)

    def _result(self, plan: Plan, index: int, text: str, before: Documents, after: Documents) -> _Result:
        source = before.sources[index]
        patch = patch_of(source.name or f"policies.{source.format}", source.text, text)
        changes = compare(before.policy_set, after.policy_set)
        narrower = [one for one in changes.differences if one.direction == "narrower" and _takes_away(one)]
        others = [one for one in narrower if self._asked.request.origin not in one.witness.origins]
        sentences = tuple(one.sentence for one in (*others, *narrower))
        return _Result(plan, patch, self._also(before, after, changes), sentences, bool(others))

    def _also(self, before: Documents, after: Documents, changes: Comparison) -> tuple[Allowed, ...]:
        """Say what is allowed beyond the exchange."""
        least = self._least(before)
        beyond = changes if least is None else compare(least, after.policy_set)
        own = {_key(query) for query in self._asked.queries}
        also = [
            Allowed.of(one)
            for one in beyond.differences
            if one.direction == "wider"
            and (least is not None or (_key(one.witness) not in own and one.what not in _ITSELF))
        ]
        return (*also, *(Allowed(one.policy, "unknown", one.sentence, None) for one in beyond.unknown))

    def _least(self, documents: Documents) -> PolicySet | None:
        """Make the set that lets the exchange through and nothing else; None if rules can't say that."""
        try:
            decision = blocked(tuple(map(documents.active.decide, self._asked.queries)), self._asked)
        except BadQuery:
            return None
        assert decision is not None
        policy = documents.policy_set.policies[decision.policy]
        if any(match.binds for match in policy.match):
            return None  # an origin of its own would also have the other hosts
        index = len(policy.rules) if decision.rule is None else decision.rule - 1
        covering = policy.rules[index] if decision.rule is not None else None
        own = own_rule(self._wanted, covering, documents.policy_set)
        rules = (*policy.rules[:index], own, *policy.rules[index:])
        return _with_policy(documents.policy_set, structs.replace(policy, rules=rules, static=False))


def passes(asked: Asked, documents: Documents) -> bool:
    """Say whether documents let an exchange through: every engine, and every guard."""
    try:
        decisions = tuple(map(documents.active.decide, asked.queries))
    except BadQuery:
        return False
    if decisions[-1].guard is not None and decisions[-1].guard.stops:
        return False
    answers = _engines.answers_of(decisions)
    if asked.exchange.mode != "cors":
        return asked.exchange.mode != "no-cors" or _engines.embedded(asked, answers) != "blocked"
    return all(one.allowed for one in _engines.verdicts(asked, answers).values())


def _with_policy(policy_set: PolicySet, policy: Policy) -> PolicySet:
    policies = {**policy_set.policies, policy.name: policy}
    return PolicySet.of(policies.values(), policy_set.origin_sets, policy_set.header_sets)


def _takes_away(difference: Difference) -> bool:
    """Whether a browser notices that something is narrower.

    None sends a malformed Origin, or several; and pages of the service's own origin read everything.
    """
    origins, before, after = difference.witness.origins, difference.before, difference.after
    if len(origins) > 1 or any(origin != NULL and read_origin(origin) is None for origin in origins):
        return False
    kinds = {answer.kind for answer in (before, after) if isinstance(answer, Decision)}
    return kinds != {"same-origin"}


def _key(query: Query) -> tuple[object, ...]:
    """What makes a query the same as another; what a comparison leaves open is not part of it."""
    return query.method, query.origins, query.request_methods, query.request_headers, query.url


def _written(name: str, documents: Documents) -> Written:
    source = documents.sources[documents.index_of(name)]
    body = _structure(source.format, source.text)["policies"][name]
    return Written(documents.policy_set.policies[name], body, documents.policy_set)


def _structure(form: str, text: str) -> dict[str, Any]:
    structure: dict[str, Any] = json.loads(text) if form == "json" else tomllib.loads(text)
    return structure


def _applied(documents: Documents, edits: Sequence[Edit]) -> tuple[int, str]:
    """Make edits of the document that they are about.

    Raises:
        NotEditedError: It is too long, or written in a way that is not edited here.
    """
    index = documents.index_of(str(edits[0].path[1]))
    source = documents.sources[index]
    if len(source.text) > _LONGEST_DOCUMENT:
        raise NotEditedError("the document is too long to be edited here")
    before = _structure(source.format, source.text)
    wanted = edited(before if "policies" in before else {**before, "policies": {}}, edits)
    text = edit_json(source.text, wanted) if source.format == "json" else edit_toml(source.text, edits)
    if "\r\n" in source.text and source.text.count("\r\n") == source.text.count("\n"):
        text = _BARE_LINE_END.sub("\r\n", text)
    # Whatever the editor does, nothing else is proposed than what was meant.
    try:
        is_right = _structure(source.format, text) == wanted
    except ValueError:
        is_right = False
    if not is_right:
        raise NotEditedError("the document is written in a way that is not edited here")
    return index, text


def _in_words(best: _Result, policy_set: PolicySet) -> str:
    parts = ["The patch lets it through."]
    parts += (
        f'It takes a dangerous flag, dangerously_allow = ["{danger}"]: {_ABOUT_DANGERS[danger]}'
        for danger in best.plan.dangers
    )
    policy = policy_set.policies.get(str(best.plan.edits[0].path[1]))
    if policy is not None and any(match.binds for match in policy.match):
        parts.append("It then lets the page ask every host that match finds, whatever it binds.")
    if best.plan.overrules is not None:
        parts.append(f"Rule {best.plan.overrules} refuses the page on purpose: ask whoever wrote it first.")
    if any(isinstance(edit, Take) and edit.path[-1] == "static" for edit in best.plan.edits):
        parts.append("Answers then depend on Origin, which a shared cache must look at.")
    if best.narrower:
        parts.append(f"It also takes something away: {best.narrower[0]}")
    return " ".join(parts)

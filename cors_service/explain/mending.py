"""Finds the smallest edit of a document that lets a blocked exchange through, and proves what else it allows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, structs

from cors_service.algebra import compare
from cors_service.decision import BadQuery
from cors_service.explain._asking import Asked
from cors_service.explain._beyond import beyond, is_noticed
from cors_service.explain._edits import NotEditedError, Take
from cors_service.explain._passing import passes
from cors_service.explain._plans import Plan, Wanted, Written, plans, plans_for_url
from cors_service.explain._why_none import blocked, why_none
from cors_service.explain.documents import Documents
from cors_service.explain.explanation import Allowed, ExchangeStep, Explanation, Mending
from cors_service.explain.patch import patch_of
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet

_MOST_COMPARED: Final = 3
"""Plans of the same weight that are compared exactly, the narrowest by estimate first: a comparison takes longest."""
_DEEPEST: Final = 2
"""How often what an edit leaves blocked is mended further."""
_ABOUT_DANGERS: Final = {
    "null-origin": "`null` is the origin of every sandboxed frame, whoever made it. Give the page an origin of its "
    "own instead.",
    "file-origin": "`file://` is the origin of every file that a user opens. Serve the page over HTTP instead.",
    "insecure-origins": "without TLS, anybody on the network can act as the page's user. Serve it over https instead.",
}


class _Result(Struct, frozen=True):
    """A plan that lets the exchange through.

    Attributes:
        plan: The plan.
        dangers: What the rule that lets the page in accepts for that.
        also: What else it would allow.
        narrower: What it would take away, in sentences.
        harms: Whether it takes something from other pages.
    """

    plan: Plan
    dangers: tuple[str, ...]
    also: tuple[Allowed, ...]
    narrower: tuple[str, ...]
    harms: bool

    @property
    def rank(self) -> tuple[tuple[bool, int], int]:
        """The smaller, the better: small plans first, and of these what allows little besides."""
        return self.plan.size, len(self.also)


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
    for result in search.results(documents):
        mending = search.mending(result, documents)
        if mending is not None:
            return mending, ExchangeStep("mending", "passes", _in_words(result, documents.policy_set))
    return None, ExchangeStep("mending", "note", search.why)


class _Search:
    """Tries plans."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._wanted = Wanted.of(asked)
        self._failures: list[str] = []
        self._unedited = ""
        self._harm = ""

    @property
    def why(self) -> str:
        """Why nothing was found."""
        if self._harm and not self._unedited:
            return f"No edit lets it through without harm to other pages: {self._harm}"
        reason = self._unedited or (self._failures[0] if self._failures else "none of its rules can let the page in.")
        return f"No edit of the document was found that lets it through: {reason}"

    def results(self, documents: Documents) -> Iterator[_Result]:
        """Give plans that let the exchange through without harm, and what comes of them, the smallest first."""
        found: list[_Result] = []
        for plan, after in self._tried(documents, Plan(()), documents, _DEEPEST):
            is_enough = len(found) == _MOST_COMPARED or (found and plan.size > found[0].plan.size)
            if is_enough and plan.overrules is None:
                yield from sorted(found, key=lambda one: one.rank)
                found = []
            result = self._result(plan, documents, after)
            if result.harms:
                self._harm = self._harm or result.narrower[0]
            else:
                found.append(result)
        yield from sorted(found, key=lambda one: one.rank)

    def mending(self, result: _Result, documents: Documents) -> Mending | None:
        """Write a plan as a patch, once it was tried with the texts; None if they can't be edited so."""
        try:
            index, after = documents.rewritten(result.plan.edits)
        except NotEditedError as error:
            self._unedited = f"{error}."
            return None
        if not passes(self._asked, after):
            return None
        source, text = documents.sources[index], after.sources[index].text
        patch = patch_of(source.name or f"policies.{source.format}", source.text, text)
        return Mending(patch, result.also, text)

    def _tried(
        self, before: Documents, done: Plan, documents: Documents, depth: int
    ) -> Iterator[tuple[Plan, Documents]]:
        """Try plans on documents that some edits have changed already.

        Args:
            before: The documents as they are.
            done: The edits that were made.
            documents: What these have made of them.
            depth: How often a plan that is not enough is gone on with.

        Yields:
            Each that lets the exchange through, with what it makes of the documents.
        """
        for plan in sorted(self._plans(documents), key=lambda one: one.rank):
            whole = structs.replace(
                plan,
                edits=(*done.edits, *plan.edits),
                overrules=plan.overrules or done.overrules,
            )
            try:
                after = before.edited(whole.edits)
            except InvalidPolicies as invalid:
                self._failures.append(str(invalid.exceptions[0]))
                continue
            if passes(self._asked, after):
                yield whole, after
            elif depth > 1 and plan.overrules is not None:
                yield from self._tried(before, whole, after, depth - 1)

    def _plans(self, documents: Documents) -> Iterator[Plan]:
        try:
            decisions = tuple(map(documents.active.decide, self._asked.queries))
        except BadQuery:
            yield from plans_for_url(self._asked, documents.policy_set, documents.taken)
            return
        decision = blocked(decisions, self._asked)
        if decision is None:
            return
        policy = documents.policy_set.policies[decision.policy]
        written = Written(policy, documents.body(policy.name), documents.policy_set)
        yield from plans(self._wanted, decision, written)

    def _result(self, plan: Plan, before: Documents, after: Documents) -> _Result:
        changes = compare(before.policy_set, after.policy_set)
        narrower = [one for one in changes.differences if one.direction == "narrower" and is_noticed(one)]
        others = [one for one in narrower if self._asked.request.origin not in one.witness.origins]
        sentences = tuple(one.sentence for one in (*others, *narrower))
        return _Result(plan, self._dangers(after), beyond(self._asked, before, after, changes), sentences, bool(others))

    def _dangers(self, documents: Documents) -> tuple[str, ...]:
        """Say what the rule that lets the page in has to accept."""
        decision = documents.active.decide(self._asked.queries[-1])
        if decision.rule is None:
            return ()
        rule = documents.policy_set.policies[decision.policy].rules[decision.rule - 1]
        return self._wanted._replace(credentials=rule.credentials).dangers


def _in_words(best: _Result, policy_set: PolicySet) -> str:
    parts = ["The patch lets it through."]
    parts += (
        f'It needs a dangerous flag, dangerously_allow = ["{danger}"]: {_ABOUT_DANGERS[danger]}'
        for danger in best.dangers
    )
    if best.plan.is_shared and best.plan.overrules is None:
        parts.append("A rule that is for other pages, too, then accepts what is dangerous: see dangerously_allow.")
    policy = policy_set.policies.get(str(best.plan.edits[0].path[1]))
    if policy is not None and any(match.binds for match in policy.match):
        parts.append("It then lets the page ask every host that match finds, whatever it binds.")
    if best.plan.overrules is not None:
        parts.append(f"Rule {best.plan.overrules} refuses the page on purpose: ask whoever wrote it first.")
    if any(isinstance(edit, Take) and edit.path[-1] == "static" for edit in best.plan.edits):
        parts.append("Answers then depend on the Origin, which shared caches must take into account.")
    if best.narrower:
        parts.append(f"It also takes something away: {best.narrower[0]}")
    return " ".join(parts)

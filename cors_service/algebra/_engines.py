"""Two engines beside each other."""

from __future__ import annotations

from msgspec import Struct

from cors_service.algebra._effects import Effect, effects
from cors_service.algebra._values import Answer
from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.policy import PolicySet


class Finding(Struct, frozen=True):
    """A query, and what the answers to it differ in.

    Attributes:
        effect: The difference.
        query: The query.
        before: What the first set answers.
        after: What the second set answers.
    """

    effect: Effect
    query: Query
    before: Answer
    after: Answer


class Engines:
    """What decides by the set before, and what decides by the one after."""

    def __init__(self, before: PolicySet, after: PolicySet) -> None:
        self._both = ActivePolicies(before), ActivePolicies(after)

    def answers(self, query: Query) -> tuple[Answer, Answer]:
        """What both answer to a query."""
        before, after = self._both
        return _answer(before, query), _answer(after, query)

    def findings(self, query: Query) -> list[Finding]:
        """What the answers to a query differ in."""
        before, after = self.answers(query)
        return [Finding(effect, query, before, after) for effect in effects(query, before, after)]


def _answer(policies: ActivePolicies, query: Query) -> Answer:
    try:
        return policies.decide(query)
    except BadQuery as error:
        return error

"""Decides by policies in this process."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Final, Protocol

from cors_service.asking.arguments import not_policies
from cors_service.asking.undecided import undecided
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.decision.memo import Memo
from cors_service.policy import PolicySet

_IS_SMALL: Final = attrgetter("is_small")


class HasActive(Protocol):
    """Holds active policies, as `cors_service.store.LivePolicies` does."""

    @property
    def active(self) -> ActivePolicies | None:
        """The policies that decide now, or None before there are any."""


class LocalDecider:
    """Decides by a fixed policy set, or by the active policies of a holder, and remembers decisions."""

    def __init__(self, policies: PolicySet | HasActive, warn: Callable[[str], object]) -> None:
        """Make a decider.

        Args:
            policies: A policy set, or a holder of one.
            warn: Takes a sentence that says why there is no decision about a query.

        Raises:
            TypeError: `policies` is neither.
        """
        if not isinstance(policies, PolicySet) and not hasattr(policies, "active"):
            expected = "a policy set, a holder of one such as LivePolicies, or a DecisionClient"
            raise not_policies(policies, expected, "DecisionClient")
        self._holder: HasActive = _Fixed(policies) if isinstance(policies, PolicySet) else policies
        self._warn = warn
        self._memo: Memo[Query, Decision] = Memo(_IS_SMALL)

    def decide(self, query: Query) -> Decision:
        """Decide about a request; without a decision, it is refused."""
        active = self._holder.active
        if active is None:
            return undecided(query, "No policies are active yet.")
        if query.circumstances is not None and not active.guards:
            # Nothing depends on them, so queries that differ in nothing else are one.
            query = Query(
                query.method, query.policy, query.url, query.origins, query.request_methods, query.request_headers
            )
        memo = self._memo
        if memo.revision != active.revision:
            memo = self._memo = memo.of(active.revision)
        decision = memo.young.get(query) or memo.get(query)
        if decision is None:
            try:
                decision = active.decide(query)
            except BadQuery as error:
                return refused(query, error, self._warn)
            memo.offer(query, decision)
        return decision


def refused(query: Query, error: BadQuery, warn: Callable[[str], object]) -> Decision:
    """Refuse a query without a decision, and say why."""
    warn(error.message)
    return undecided(query, error.message, guarded=error.guarded)


class _Fixed:
    def __init__(self, policy_set: PolicySet) -> None:
        self.active: ActivePolicies | None = ActivePolicies(policy_set)

"""Decides by policies in this process."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.asking import undecided
from cors_service.client._interfaces import IDecider
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.policy import PolicySet
from cors_service.store import FixedPolicies, IPolicies


@implementer(IDecider)
class Decider:
    """Decides by a policy set that never changes, or by whatever a holder has active."""

    _log: Final = Logger()

    def __init__(self, policies: PolicySet | IPolicies) -> None:
        """Make a decider.

        Args:
            policies: A policy set, or who holds one.
        """
        self._policies: IPolicies = FixedPolicies(policies) if isinstance(policies, PolicySet) else policies

    def decide(self, query: Query) -> Deferred[Decision]:
        """Decide at once."""
        active: ActivePolicies | None = self._policies.active
        if active is None:
            return succeed(undecided(query, "No policies are active yet."))
        try:
            return succeed(active.decide(query))
        except BadQuery as error:
            self._log.warn("Can't decide: {why}", why=error.message)
            return succeed(undecided(query, error.message))

"""Decides by policies in this process."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.asking.local import HasActive, LocalDecider
from cors_service.client._interfaces import IDecider
from cors_service.decision import Decision, Query
from cors_service.policy import PolicySet


@implementer(IDecider)
class Decider:
    """Decides by a fixed policy set, or by the active policies of a holder."""

    _log: Final = Logger()

    def __init__(self, policies: PolicySet | HasActive) -> None:
        """Make a decider.

        Args:
            policies: A policy set, or a holder of one, such as `LivePolicies`.

        Raises:
            TypeError: `policies` is neither.
        """
        self._local = LocalDecider(policies, lambda why: self._log.warn("Can't decide: {why}", why=why))

    def decide(self, query: Query) -> Deferred[Decision]:
        """Decide at once."""
        return succeed(self._local.decide(query))

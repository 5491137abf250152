"""The deciders of applications without Twisted's reactor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from cors_service.asking.local import LocalDecider, refused
from cors_service.decision import BadQuery, Decision, Query
from cors_service.policy import PolicySet


class Decides(Protocol):
    """Decides about requests, perhaps after a while, as `ServiceClient` and `ActivePolicies` do."""

    def decide(self, query: Query) -> Decision:
        """Decide about a request.

        Args:
            query: The request's facts.

        Raises:
            BadQuery: There is no decision.
        """


Policies = PolicySet | Decides
"""What decides for an application: a fixed policy set, or an object that decides."""

_log: Final = logging.getLogger(__name__)


def decider(policies: Policies) -> Callable[[Query], Decision]:
    """Give the function that decides; without a decision, it refuses.

    Args:
        policies: What decides.
    """
    if isinstance(policies, PolicySet):
        return LocalDecider(policies, _warn).decide

    def decide(query: Query) -> Decision:
        try:
            return policies.decide(query)
        except BadQuery as error:
            return refused(query, error, _warn)

    return decide


def _warn(why: str) -> None:
    _log.warning("Can't decide: %s", why)

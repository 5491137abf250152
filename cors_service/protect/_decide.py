"""Who decides for an application that runs without Twisted's reactor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from cors_service.asking.local import LocalDecider, refused
from cors_service.decision import BadQuery, Decision, Query
from cors_service.policy import PolicySet


class Decides(Protocol):
    """Whatever decides about requests, at once or after a while, such as `ServiceClient` and `ActivePolicies`."""

    def decide(self, query: Query) -> Decision:
        """Decide about a request.

        Args:
            query: The request's facts.

        Raises:
            BadQuery: There is no decision about it.
        """


Policies = PolicySet | Decides
"""What an application can be protected by: a policy set that does not change, or whatever decides."""

_log: Final = logging.getLogger(__name__)


def decider(policies: Policies) -> Callable[[Query], Decision]:
    """Give the function that decides; where there is no decision, it refuses.

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

"""Who decides for an application that runs without Twisted's reactor."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, Protocol

from cors_service.asking import undecided
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
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
    decides = ActivePolicies(policies) if isinstance(policies, PolicySet) else policies

    def decide(query: Query) -> Decision:
        try:
            return decides.decide(query)
        except BadQuery as error:
            _log.warning("Can't decide: %s", error.message)
            return undecided(query, error.message)

    return decide

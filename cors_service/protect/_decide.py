"""The deciders of applications without Twisted's reactor."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Final, Protocol

from cors_service.asking.arguments import check_name, check_policy, not_policies
from cors_service.asking.local import LocalDecider, refused
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
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


def decider(policies: Policies, policy: str | None) -> Callable[[Query], Decision]:
    """Give the function that decides; without a decision, it refuses.

    Args:
        policies: What decides.
        policy: The name of the policy that will be asked for; None if the URL finds it.

    Raises:
        TypeError: `policies` can't decide here, or the name is not a string.
        ValueError: There is no policy of this name in a fixed policy set.
    """
    check_name(policy)
    if isinstance(policies, PolicySet):
        check_policy(policy, policies)
        return LocalDecider(policies, _warn).decide
    if isinstance(policies, type) or not callable(getattr(policies, "decide", None)) or _is_for_twisted(policies):
        raise not_policies(policies, "a policy set or a ServiceClient", "ServiceClient")
    if isinstance(policies, ActivePolicies):
        check_policy(policy, policies.policy_set)

    def decide(query: Query) -> Decision:
        try:
            return policies.decide(query)
        except BadQuery as error:
            return refused(query, error, _warn)

    return decide


def may_be_guarded(policies: object) -> bool:
    """Say whether what decides may look at more than CORS does; a fixed policy set without a guard does not."""
    if isinstance(policies, PolicySet):
        return any(policy.guard is not None for policy in policies.policies.values())
    return not isinstance(policies, ActivePolicies) or policies.guards > 0


def _is_for_twisted(policies: object) -> bool:
    """Whether something gives its decisions as Deferreds."""
    # Whoever made one has imported its module; nobody else needs Twisted for this.
    client = sys.modules.get("cors_service.client")
    return client is not None and client.IDecider.providedBy(policies)


def _warn(why: str) -> None:
    _log.warning("Can't decide: %s", why)

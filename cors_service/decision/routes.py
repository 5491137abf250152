"""Which policy a URL finds, without the policies themselves being compiled."""

from __future__ import annotations

from cors_service.decision._router import Router
from cors_service.decision._urls import parse_url
from cors_service.policy import PolicySet


class Routes:
    """The matches of a policy set."""

    def __init__(self, policy_set: PolicySet) -> None:
        self._router = Router((policy.name, policy.match) for policy in policy_set.policies.values())

    def policy_for(self, url: str) -> str:
        """Find the name of the policy for a URL, as `ActivePolicies.policy_for` does.

        Raises:
            BadQuery: There is none, or the URL is not usable.
        """
        return self._router.find(parse_url(url))

"""Which policy a URL finds, and what its host means to a policy, without the policies themselves being compiled."""

from __future__ import annotations

from collections.abc import Collection

from cors_service.decision._bound import Binding
from cors_service.decision._router import Router
from cors_service.decision._urls import candidates, is_own, parse_site, parse_url
from cors_service.decision.places import Places
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy


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

    def authorities_for(self, url: str) -> list[str]:
        """The hosts of the matches that can fit a URL, as keys have them, the most specific first."""
        return [each for each in self._router.fitting(parse_url(url)) if each in self._router.hosts]

    def places(self, authorities: list[str]) -> Places:
        """What follows paths along the matches of some hosts, which `authorities_for` gave."""
        return self._router.places(authorities)


def hosts_for(host: str) -> list[str]:
    """All hosts that a match or a guard which fits a host can have, as keys have them."""
    return candidates(host, with_any=True)


def bound_value(policy: Policy, url: str) -> str | None:
    """What a policy binds of the host of a URL; None for nothing."""
    site = parse_site(url)
    return None if site is None else Binding.of(policy.match).bound(site)


def is_own_site(url: str, authorities: Collection[str]) -> bool:
    """Say whether a URL is on one of these hosts, as the keys of matches have them."""
    site = parse_site(url)
    return site is not None and is_own(site, authorities)

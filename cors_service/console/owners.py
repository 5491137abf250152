"""Who probably answers for an origin that knocked, as far as policies and names say."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from cors_service.grammar.origin import DEFAULT_PORTS, is_loopback, read_origin
from cors_service.grammar.pattern import NULL, SetName, write_pattern
from cors_service.grammar.site import site_of
from cors_service.policy import PolicySet

MOST_LOOKED_AT: Final = 200_000
"""Listed origins among which the neighbours of an origin are looked for."""
_EXTENSIONS: Final = frozenset({"chrome-extension", "moz-extension", "safari-web-extension"})


def likely_owners(origins: Iterable[str], policy_set: PolicySet) -> dict[str, str]:
    """Say for each origin who probably answers for it, for people.

    Args:
        origins: Origins, serialised.
        policy_set: The policies: what they list of the same site names its owner best.
    """
    sites = {origin: _registered(origin) for origin in origins}
    listed = _listed({site for site in sites.values() if site is not None}, policy_set)
    return {origin: _of_site(site, listed) if site else _of_place(origin) for origin, site in sites.items()}


def _registered(origin: str) -> str | None:
    """The registered domain of the page; None if it is of no web site that somebody registered."""
    read = read_origin(origin)
    if read is None or read.scheme not in DEFAULT_PORTS or is_loopback(read.host) or _is_address(read.host):
        return None
    site = site_of(origin)
    return None if site is None or "." not in site[1] else site[1]


def _of_site(site: str, listed: dict[str, str]) -> str:
    return listed.get(site, f"whoever registered {site}; no policy lists anything of theirs")


def _of_place(origin: str) -> str:
    if origin == NULL:
        return "nobody in particular: sandboxed frames, files and some redirects have this origin"
    read = read_origin(origin)
    if read is None:
        return "no browser: none sends such an Origin"
    if is_loopback(read.host):
        return "a developer, on their own machine"
    if read.scheme in _EXTENSIONS:
        return "the maker of a browser extension"
    if read.scheme not in DEFAULT_PORTS:
        return "the maker of an application"
    return "somebody on a local network" if _is_address(read.host) else f"whoever runs {read.host}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _listed(sites: set[str], policy_set: PolicySet) -> dict[str, str]:
    """For each site the first listed origin of it, and where it stands."""
    found: dict[str, str] = {}
    for text, where in islice(_patterns(policy_set), MOST_LOOKED_AT):
        site = next((end for end in _ends(text) if end in sites), None)
        if site is not None:
            found.setdefault(site, f"the owner of {site}: {text} is listed in {where}")
            if len(found) == len(sites):
                break
    return found


def _patterns(policy_set: PolicySet) -> Iterator[tuple[str, str]]:
    for name, patterns in policy_set.origin_sets.items():
        yield from ((write_pattern(pattern), f"the origin set {name}") for pattern in patterns)
    for name, policy in policy_set.policies.items():
        for rule in policy.rules:
            for pattern in rule.origins:
                if not rule.refuse and not isinstance(pattern, SetName):
                    yield write_pattern(pattern), f"the policy {name}"


def _ends(pattern: str) -> Iterator[str]:
    """The ends of the host that a pattern names, label by label."""
    labels = pattern.partition("://")[2].partition(":")[0].split(".")
    yield from (".".join(labels[at:]) for at in range(max(len(labels) - 4, 0), len(labels) - 1))

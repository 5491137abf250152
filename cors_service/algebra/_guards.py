"""Which requests can tell the guards of two policies apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from msgspec import structs

from cors_service.decision import Circumstances, Query
from cors_service.grammar.host import ANY_PORT
from cors_service.grammar.match import ANY_HOST, parse_match
from cors_service.policy.model import Policy

_METHODS: Final = ("GET", "POST")
_SITES: Final[tuple[tuple[str, ...], ...]] = ((), ("same-origin",), ("same-site",), ("none",), ("odd",))
_WEBSOCKET: Final = ((), ("websocket",))
_NAVIGATION: Final = ((), ("navigate",))
_ORIGINS: Final[tuple[tuple[str, ...], ...]] = ((), ("null",), ("https://q9q.invalid",))
_FRESH: Final = "q9q"


def guard_queries(base: Query, policies: Iterable[Policy], covered: Iterable[Query]) -> Iterator[Query]:
    """Give a query of each class of circumstances that guards tell apart.

    Args:
        base: A query with a policy or a URL.
        policies: The policies.
        covered: A query for each class of origins, by the rules that decide about them.
    """
    hosts: list[tuple[str, ...]] = [(), ("a", "b"), *((host,) for host in guarded_hosts(policies))]
    for host, method, sites, upgrades, modes, origins in product(
        hosts, _METHODS, _SITES, _WEBSOCKET, _NAVIGATION, _ORIGINS
    ):
        dests = ("document",) if modes else ()
        known = Circumstances(hosts=host, sites=sites, modes=modes, dests=dests, upgrades=upgrades)
        yield structs.replace(base, method=method, origins=origins, circumstances=known)
    # Of a request with an Origin, the rest says no more of where it comes from.
    for query, host, method, upgrades in product(covered, hosts, _METHODS, _WEBSOCKET):
        known = Circumstances(hosts=host, upgrades=upgrades)
        yield structs.replace(query, method=method, circumstances=known)


def guarded_hosts(policies: Iterable[Policy]) -> list[str]:
    """A host of each class that guards tell apart, as `Host` has it."""
    hosts, ports = {f"{_FRESH}.invalid"}, {"", ":1"}
    for policy in policies:
        listed = policy.guard.hosts if policy.guard else ()
        for authority in listed or [match.authority for match in policy.match if policy.guard]:
            match = parse_match(f"{authority.removesuffix(ANY_PORT)}/")
            ports.update([] if match.port is None else [f":{match.port}"])
            if match.host[:1] in "<*":
                suffix = match.host.partition(".")[2]
                hosts.update((f"{_FRESH}.{suffix}", f"{_FRESH}.{_FRESH}.{suffix}", suffix) if suffix else ())
            elif match.host != ANY_HOST:
                hosts.add(match.host)
    return [host + port for host in sorted(hosts) for port in sorted(ports)]

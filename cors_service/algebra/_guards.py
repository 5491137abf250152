"""Which requests can tell the guards of two policies apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from typing import Final

from msgspec import structs

from cors_service.algebra._authorities import Authorities, guarded_by
from cors_service.algebra._engines import Engines
from cors_service.algebra._values import Answer
from cors_service.decision import Circumstances, Decision, Query
from cors_service.policy.model import Policy

_METHODS: Final = ("GET", "POST")
_SITES: Final[tuple[tuple[str, ...], ...]] = ((), ("same-origin",), ("same-site",), ("none",), ("odd",))
_WEBSOCKET: Final = ((), ("websocket",))
_NAVIGATION: Final = ((), ("navigate",))
_ORIGINS: Final[tuple[tuple[str, ...], ...]] = ((), ("null",), ("https://q9q.invalid",))


def guard_queries(base: Query, hosts_listed: Iterable[str], covered: Iterable[Query]) -> Iterator[Query]:
    """Give a query of each class of circumstances that guards tell apart.

    Args:
        base: A query with a policy or a URL.
        hosts_listed: A host of each class that the guards tell apart, as `Host` has it.
        covered: A query for each class of origins, by the rules that decide about them.
    """
    hosts: list[tuple[str, ...]] = [(), ("a", "b"), *((host,) for host in hosts_listed)]
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


def hosts_of_guards(base: Query, policies: Sequence[Policy], engines: Engines) -> dict[tuple[bool, ...], str]:
    """Give a host, as `Host` has it, by which of the guards of two policies list it."""
    found: dict[tuple[bool, ...], str] = {}
    authorities = Authorities(guarded_by(policies))
    for host in (text for each in authorities.hosts for text in authorities.texts(each)):
        answers = engines.answers(structs.replace(base, method="POST", circumstances=through(host)))
        found.setdefault(tuple(map(lists_host, answers)), host)
    return found


def through(host: str) -> Circumstances:
    """Of a request that all guards are about if its method changes something, since it opens a WebSocket, too."""
    return Circumstances(hosts=(host,), upgrades=("websocket",))


def lists_host(answer: Answer) -> bool:
    """Say whether a guard lists the host of such a request, or there is none."""
    guard = answer.guard if isinstance(answer, Decision) else None
    return guard is None or guard.reason.code != "host-not-allowed"

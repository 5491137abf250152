"""URLs that matter to the origins of a policy that is named: such as bind a name, and such as are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Final

from cors_service.algebra._extents import Extents
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.match import ANY_HOST, Match
from cors_service.grammar.origin import read_origin
from cors_service.policy.model import Policy

_FRESH: Final = "q9q"
UNBOUND: Final = "https://q9q.invalid/"
"""A URL on a host that no policy names."""


def urls_that_bind(extents: Extents, policies: Iterable[Policy | None], origin: str) -> list[str | None]:
    """Give a URL of each class that bound names tell apart, for an origin; None for no URL."""
    if not any(scheme.bound for scheme in extents.schemes.values()):
        return [None]
    rests = {rest for policy in policies if policy for match in policy.match if (rest := _rest(match)) is not None}
    parsed = read_origin(origin)
    of_scheme = extents.schemes.get(parsed.scheme) if parsed else None
    values = {_FRESH, f"{_FRESH}.invalid"}
    for entry in of_scheme.bound if of_scheme and parsed else ():
        pattern = entry.pattern
        if isinstance(pattern, BoundHost) and parsed and (value := _value(pattern, parsed.host)):
            values.add(value)
    # Not the scheme of the origin, to which the URL would be its own.
    scheme = "http" if origin.startswith("https:") else "https"
    urls = [f"{scheme}://{value}{rest}/" for value, rest in product(sorted(values), sorted(rests))]
    return [None, UNBOUND, *urls]


def _rest(match: Match) -> str | None:
    """What stands after the name that a match binds."""
    return match.authority.partition(">")[2] if match.binds else None


def _value(pattern: BoundHost, host: str) -> str:
    """What must be bound for a pattern to cover a host; nothing if it can't."""
    if not (host.startswith(pattern.before) and host.endswith(pattern.behind)):
        return ""
    value = host[len(pattern.before) : len(host) - len(pattern.behind)]
    return "" if "." in value and pattern.name != WHOLE else value


def own_urls(policies: Iterable[Policy]) -> Iterator[str]:
    """Give a URL of each class that policies tell apart when they ask whether a request is of their own origin."""
    hosts, ports = {f"{_FRESH}.invalid"}, {"", ":1"}
    for policy in policies:
        for match in policy.match:
            hosts.update(_hosts(match))
            ports.update([] if match.port is None else [f":{match.port}"])
    yield from (f"https://{host}{'' if port == ':443' else port}/" for host in sorted(hosts) for port in sorted(ports))
    yield from (f"http://{host}/" for host in sorted(hosts) if ":80" in ports)


def _hosts(match: Match) -> Iterator[str]:
    """A host of each class that a match tells apart."""
    host = match.host
    if match.binds == WHOLE or host == ANY_HOST:
        return
    if host[:1] in "<*":
        suffix = host.partition(".")[2]
        yield from (f"{_FRESH}.{suffix}", f"{_FRESH}.{_FRESH}.{suffix}", suffix)
    else:
        yield host

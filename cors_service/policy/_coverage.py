"""Which origins a list of patterns covers: finds rules that can never decide."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final, NamedTuple

from cors_service.grammar.addresses import AddressRange, Network
from cors_service.grammar.bound import WHOLE, BoundHost
from cors_service.grammar.expression import Expression
from cors_service.grammar.origin import DEFAULT_PORTS, ends_in_number, is_label, read_origin
from cors_service.grammar.pattern import ANY, OriginPattern, expanded
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard

_ANY_HOST: Final = "*"
_MOST_INTERVALS: Final = 1000
_MOST_ENDS: Final = 2000


class Coverage:
    """A growing union of origin patterns.

    A range of ports counts as covered if the union of the ports of all patterns for its hosts covers it, and hosts if
    one pattern covers all of them; unless that takes long to find out, in so many pieces as nobody writes by hand. A
    regular expression is covered by an equal one and by `*`, and so is `null`.
    """

    def __init__(self) -> None:
        self._same: set[OriginPattern] = set()
        # Expressions of which the cleartext origins that they match are left out.
        self._encrypted: set[OriginPattern] = set()
        self._ports: dict[_Hosts, _Ports] = {}
        self._globs = _Globs()
        # How long what the addresses of a range have in common can be.
        self._lengths: set[int] = set()

    def add(self, pattern: OriginPattern, *, cleartext: bool = True) -> None:
        """Add a pattern; if it is an expression, with or without the cleartext origins that it matches."""
        for one in expanded([pattern]):
            if not cleartext and isinstance(one, Expression) and one.may_be_cleartext:
                self._encrypted.add(one)
                continue
            self._same.add(one)
            extent = _extent(one)
            if extent is not None:
                self._ports.setdefault(extent.hosts, _Ports()).add(extent.low, extent.high)
            if isinstance(one, Glob):
                self._globs.add(one)
            elif isinstance(one, AddressRange):
                self._lengths.add(one.length)

    def covers(self, pattern: OriginPattern, *, cleartext: bool = True) -> bool:
        """Say whether all origins of a pattern are covered, with or without the cleartext ones as in `add`."""
        if not cleartext and pattern in self._encrypted:
            return True
        return ANY in self._same or all(map(self._covers_one, expanded([pattern])))

    def _covers_one(self, pattern: OriginPattern) -> bool:
        if pattern in self._same:
            return True
        extent = _extent(pattern)
        if extent is None:
            return False
        unions = [self._ports[hosts] for hosts in self._wider(extent.hosts) if hosts in self._ports]
        port = extent.low
        for _ in range(_MOST_INTERVALS):
            reached = max((union.end_of(port) for union in unions), default=port)
            if reached == port:
                return False
            port = reached
            if port > extent.high:
                return True
        return False

    def _wider(self, hosts: _Hosts) -> Iterator[_Hosts]:
        """These hosts, and all that include them."""
        yield hosts
        yield _Hosts(hosts.scheme, _ANY_HOST)
        network = hosts.network if self._lengths else None
        if network is not None:
            for length in self._lengths:
                if length <= network.prefixlen:
                    yield _Hosts(hosts.scheme, str(network.supernet(new_prefix=length)))
            return
        label, dot, parent = hosts.host.partition(".")
        if dot and label not in {"*", "?", f"<{WHOLE}>"} and _is_label(label):
            yield _Hosts(hosts.scheme, f"?.{parent}")
            for glob in self._globs.wider(hosts.scheme, label, parent):
                yield _Hosts(hosts.scheme, f"{glob}.{parent}")
        while dot and _is_label(label):
            yield _Hosts(hosts.scheme, f"*.{parent}")
            label, dot, parent = parent.partition(".")


class _Hosts(NamedTuple):
    """The hosts of a pattern in one scheme.

    Attributes:
        scheme: Lower-case.
        host: As in the pattern, wildcards and all; a range of addresses as Python writes it.
    """

    scheme: str
    host: str

    @property
    def network(self) -> Network | None:
        """The addresses, if it is one or a range of them."""
        if self.scheme not in DEFAULT_PORTS:
            return None
        if self.host[:1] == "[" or "/" in self.host or ends_in_number(self.host.encode("ascii")):
            return ip_network(self.host.strip("[]"))
        return None


class _Extent(NamedTuple):
    """Hosts and a range of ports."""

    hosts: _Hosts
    low: int
    high: int


def _extent(pattern: OriginPattern) -> _Extent | None:
    """The extent of a pattern; None if it is not a matter of hosts and ports."""
    if isinstance(pattern, str):
        origin = read_origin(pattern)
        return None if origin is None else _Extent(_Hosts(origin.scheme, origin.host), origin.port, origin.port)
    if isinstance(pattern, Wildcard):
        host = f"{pattern.subdomains}.{pattern.host}" if pattern.subdomains else pattern.host
    elif isinstance(pattern, Glob):
        host = f"{pattern.before}*{pattern.behind}.{pattern.host}"
    elif isinstance(pattern, AddressRange):
        host = str(pattern.network)
    elif isinstance(pattern, BoundHost):
        host = f"{pattern.before}<{pattern.name}>{pattern.behind}"
    elif isinstance(pattern, AnyHost):
        host = _ANY_HOST
    else:
        return None
    return _Extent(_Hosts(pattern.scheme, host), *pattern.ports)


def _is_label(label: str) -> bool:
    """Whether a wildcard for a label covers this one, which can be a wildcard itself, or what is bound."""
    return label in {"*", "?"} or label[:1] == "<" or is_label(label.replace("*", "").encode("ascii"))


class _Globs:
    """Labels with a free part, by their beginning and ending."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], dict[str, set[str]]] = {}

    def add(self, glob: Glob) -> None:
        self._known.setdefault((glob.scheme, glob.host), {}).setdefault(glob.before, set()).add(glob.behind)

    def wider(self, scheme: str, label: str, parent: str) -> Iterator[str]:
        """The globs that cover a label before a host, which can be a glob itself."""
        known = self._known.get((scheme, parent), {})
        looked_at = 0
        for length in range(len(label) if known else 0):
            ends = known.get(label[:length], ())
            looked_at += len(label) if ends else 0
            if looked_at > _MOST_ENDS:
                return
            for start in range(length + 1, len(label) + 1) if ends else ():
                # The star of a narrower glob is within what is free in the wider one.
                if label[start:] in ends and "_" not in label[length:start]:
                    yield f"{label[:length]}*{label[start:]}"


class _Ports:
    """A union of intervals of ports, which touch nowhere."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        # Each the first port behind the interval.
        self._ends: list[int] = []

    def add(self, low: int, high: int) -> None:
        end = high + 1
        first, behind = bisect_left(self._ends, low), bisect_right(self._starts, end)
        if first < behind:
            low, end = min(low, self._starts[first]), max(end, self._ends[behind - 1])
        self._starts[first:behind] = [low]
        self._ends[first:behind] = [end]

    def end_of(self, port: int) -> int:
        """The first port from this one on that is not in the union."""
        position = bisect_right(self._starts, port) - 1
        return max(port, self._ends[position]) if position >= 0 else port

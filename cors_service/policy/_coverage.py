"""Which origins a list of patterns covers: finds rules that can never decide."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from cors_service.grammar.origin import is_label, read_origin
from cors_service.grammar.pattern import ANY, OriginPattern, expanded
from cors_service.grammar.wildcard import Wildcard


class Coverage:
    """A growing union of origin patterns.

    A range of ports counts as covered if the union of the ports of all patterns for its hosts covers it. A regular
    expression is covered by an equal one and by `*`, and so is `null`.
    """

    def __init__(self) -> None:
        self._same: set[OriginPattern] = set()
        self._ports: dict[_Hosts, _Ports] = {}

    def add(self, pattern: OriginPattern) -> None:
        """Add a pattern."""
        for one in expanded([pattern]):
            self._same.add(one)
            extent = _extent(one)
            if extent is not None:
                self._ports.setdefault(extent.hosts, _Ports()).add(extent.low, extent.high)

    def covers(self, pattern: OriginPattern) -> bool:
        """Say whether all origins of a pattern are covered."""
        return ANY in self._same or all(map(self._covers_one, expanded([pattern])))

    def _covers_one(self, pattern: OriginPattern) -> bool:
        if pattern in self._same:
            return True
        extent = _extent(pattern)
        if extent is None:
            return False
        unions = [self._ports[hosts] for hosts in extent.hosts.wider() if hosts in self._ports]
        port = extent.low
        while port <= extent.high:
            reached = max((union.end_of(port) for union in unions), default=port)
            if reached == port:
                return False
            port = reached
        return True


class _Hosts(NamedTuple):
    """A host, or its sub-domains, in one scheme; as in a `Wildcard`."""

    scheme: str
    subdomains: str
    host: str

    def wider(self) -> list[_Hosts]:
        """These hosts, and all that include them."""
        scheme, subdomains, host = self
        found = [self]
        if subdomains == "?":
            found.append(_Hosts(scheme, "*", host))
        label, dot, parent = host.partition(".")
        if not subdomains and dot and is_label(label.encode("ascii")):
            found.append(_Hosts(scheme, "?", parent))
        while dot and is_label(label.encode("ascii")):
            found.append(_Hosts(scheme, "*", parent))
            label, dot, parent = parent.partition(".")
        return found


class _Extent(NamedTuple):
    """Hosts and a range of ports."""

    hosts: _Hosts
    low: int
    high: int


def _extent(pattern: OriginPattern) -> _Extent | None:
    """The extent of a pattern; None if it is not a matter of hosts and ports."""
    if isinstance(pattern, Wildcard):
        return _Extent(_Hosts(pattern.scheme, pattern.subdomains, pattern.host), *pattern.ports)
    origin = read_origin(pattern) if isinstance(pattern, str) else None
    if origin is None:
        return None
    return _Extent(_Hosts(origin.scheme, "", origin.host), origin.port, origin.port)


class _Ports:
    """A union of intervals of ports."""

    def __init__(self) -> None:
        self._intervals: list[tuple[int, int]] = []
        self._is_merged = True

    def add(self, low: int, high: int) -> None:
        self._intervals.append((low, high + 1))
        self._is_merged = False

    def end_of(self, port: int) -> int:
        """The first port from this one on that is not in the union."""
        if not self._is_merged:
            self._merge()
        position = bisect_right(self._intervals, (port, 1 << 17)) - 1
        return max(port, self._intervals[position][1]) if position >= 0 else port

    def _merge(self) -> None:
        merged: list[tuple[int, int]] = []
        for start, end in sorted(self._intervals):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._intervals = merged
        self._is_merged = True

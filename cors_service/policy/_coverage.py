"""Which origins a list of patterns speaks for already: finds rules that can never decide."""

from __future__ import annotations

from bisect import bisect_right

from cors_service.grammar.origin import is_label
from cors_service.grammar.pattern import ANY, NULL, REGEX, OriginPattern, parse_pattern

_Hosts = tuple[str, str, str]


class Coverage:
    """A growing union of origin patterns.

    A range of ports counts as covered where the union of all patterns whose hosts include its hosts covers it. A
    regular expression is covered by its twin, and by `*`.
    """

    def __init__(self) -> None:
        self._any = False
        self._same: set[str] = set()
        self._ports: dict[_Hosts, _Ports] = {}

    def add(self, pattern: str) -> None:
        """Add one valid pattern, alternatives expanded."""
        self._same.add(pattern)
        if pattern == ANY:
            self._any = True
        elif pattern != NULL and not pattern.startswith(REGEX):
            parsed = parse_pattern(pattern)
            hosts = (parsed.scheme, parsed.subdomains, parsed.host)
            self._ports.setdefault(hosts, _Ports()).add(parsed.low, parsed.high)

    def covers(self, pattern: str) -> bool:
        """Say whether every origin that the pattern covers is covered already."""
        if self._any or pattern in self._same:
            return True
        if pattern in {ANY, NULL} or pattern.startswith(REGEX):
            return False
        parsed = parse_pattern(pattern)
        unions = [self._ports[hosts] for hosts in _wider(parsed) if hosts in self._ports]
        port = parsed.low
        while port <= parsed.high:
            reached = max((union.end_of(port) for union in unions), default=port)
            if reached == port:
                return False
            port = reached
        return True


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


def _wider(pattern: OriginPattern) -> list[_Hosts]:
    """The hosts of every pattern that includes those of this one."""
    host, keys = pattern.host, [(pattern.scheme, pattern.subdomains, pattern.host)]
    if pattern.subdomains == "?":
        keys.append((pattern.scheme, "*", host))
    label, dot, parent = host.partition(".")
    if pattern.subdomains == "" and dot and is_label(label.encode("ascii")):
        keys.append((pattern.scheme, "?", parent))
    while dot and is_label(label.encode("ascii")):
        keys.append((pattern.scheme, "*", parent))
        label, dot, parent = parent.partition(".")
    return keys

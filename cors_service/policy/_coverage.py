"""Which origins a list of patterns speaks for already: finds rules that can never decide."""

from __future__ import annotations

from cors_service.policy._origin import is_label
from cors_service.policy._pattern import ANY, NULL, REGEX, OriginPattern, parse_pattern

Interval = tuple[int, int]


class Coverage:
    """A growing union of origin patterns.

    A wildcard or a range counts as covered where the union of the patterns of one shape covers it; what it
    takes several shapes to cover (`?.a` and `*.b.a`) is not found. A regular expression is covered by its twin.
    """

    def __init__(self) -> None:
        self._any = False
        self._opaque: set[str] = set()
        self._ports: dict[tuple[str, str, str], list[Interval]] = {}

    def add(self, pattern: str) -> None:
        """Add one valid pattern, alternatives expanded."""
        if pattern == ANY:
            self._any = True
        elif pattern == NULL or pattern.startswith(REGEX):
            self._opaque.add(pattern)
        else:
            parsed = parse_pattern(pattern)
            key = (parsed.scheme, parsed.subdomains, parsed.host)
            self._ports.setdefault(key, []).append((parsed.low, parsed.high))

    def covers(self, pattern: str) -> bool:
        """Say whether every origin that the pattern covers is covered already."""
        if self._any or pattern in self._opaque:
            return True
        if pattern in {ANY, NULL} or pattern.startswith(REGEX):
            return False
        parsed = parse_pattern(pattern)
        intervals = [interval for key in _wider(parsed) for interval in self._ports.get(key, ())]
        return _contained((parsed.low, parsed.high), intervals)


def _wider(pattern: OriginPattern) -> list[tuple[str, str, str]]:
    """The keys of every pattern whose hosts include those of this one."""
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


def _contained(wanted: Interval, intervals: list[Interval]) -> bool:
    low, high = wanted
    for start, end in sorted(intervals):
        if start > low:
            return False
        low = max(low, end + 1)
        if low > high:
            return True
    return False

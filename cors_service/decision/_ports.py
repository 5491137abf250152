"""The first rule that covers a port, for one host or one kind of hosts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Final

from cors_service.grammar.origin import NO_PORT

NO_RULE: Final = 1 << 30
"""Greater than the index of any rule."""

Found = tuple[int, int, int]
"""What a pattern covers: the lowest and the highest port, and the index of its rule."""


class Ports:
    """Disjoint intervals of ports, each with the first rule that covers it."""

    __slots__ = ("_rules", "_starts")

    def __init__(self, found: Iterable[Found]) -> None:
        found = list(found)
        self._starts = sorted({NO_PORT, *(low for low, _, _ in found), *(high + 1 for _, high, _ in found)})
        self._rules: list[int] = []
        coming = sorted(found, reverse=True)
        open_rules: list[tuple[int, int]] = []
        for start in self._starts:
            while coming and coming[-1][0] <= start:
                _, high, index = coming.pop()
                heappush(open_rules, (index, high))
            while open_rules and open_rules[0][1] < start:
                heappop(open_rules)
            self._rules.append(open_rules[0][0] if open_rules else NO_RULE)

    def find(self, port: int) -> int:
        """The first rule that covers a port, or NO_RULE."""
        return self._rules[bisect_right(self._starts, port) - 1]

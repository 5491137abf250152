"""The first rule that covers a port, for one host or one kind of hosts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from cors_service.grammar.origin import NO_PORT

NO_RULE: Final = 1 << 30
"""Greater than the index of any rule."""

_HIGHEST: Final = 65535


class Span(NamedTuple):
    """The rules and the ports of several patterns, roughly.

    Attributes:
        rule: The first rule.
        low: The lowest port.
        high: The highest port.
    """

    rule: int
    low: int
    high: int

    def joined(self, other: Span) -> Span:
        """Of these patterns and others."""
        return Span(min(self.rule, other.rule), min(self.low, other.low), max(self.high, other.high))

    def has_before(self, rule: int, port: int) -> bool:
        """Whether there may be a rule for a port before another one."""
        return self.rule < rule and self.low <= port <= self.high


NO_SPAN: Final = Span(NO_RULE, _HIGHEST + 1, NO_PORT - 1)
"""Of no patterns."""


class Ports:
    """Disjoint intervals of ports, each with the first rule that covers it; never more than there are ports."""

    __slots__ = ("_ends", "_found", "_rules", "_starts")

    def __init__(self) -> None:
        # What no rule covers yet; and what one does: the lowest and the highest port, and the rule.
        self._starts, self._ends = [NO_PORT], [_HIGHEST]
        self._found: list[tuple[int, int, int]] = []
        self._rules: list[int] = []

    def add(self, low: int, high: int, rule: int) -> None:
        """Add the ports of a pattern; those of the first rule come first."""
        first, behind = bisect_left(self._ends, low), bisect_right(self._starts, high)
        if first >= behind:
            return
        starts, ends = self._starts[first:behind], self._ends[first:behind]
        self._found += [(max(low, start), min(high, end), rule) for start, end in zip(starts, ends, strict=True)]
        self._starts[first:behind] = [starts[0]] * (starts[0] < low) + [high + 1] * (high < ends[-1])
        self._ends[first:behind] = [low - 1] * (starts[0] < low) + [ends[-1]] * (high < ends[-1])

    def seal(self) -> None:
        """Make the table, once everything was added."""
        free = ((start, end, NO_RULE) for start, end in zip(self._starts, self._ends, strict=True))
        intervals = sorted([*self._found, *free])
        self._starts = [start for start, _, _ in intervals]
        self._rules = [rule for _, _, rule in intervals]
        self._ends, self._found = [], []

    @property
    def content(self) -> object:
        """What the table says: equal ones find the same."""
        return tuple(self._starts), tuple(self._rules)

    @property
    def span(self) -> Span:
        """Of all ports that a rule covers, once the table is made."""
        covered = [place for place, rule in enumerate(self._rules) if rule != NO_RULE]
        ends = [*self._starts[1:], _HIGHEST + 1]
        return Span(min(self._rules), self._starts[covered[0]], ends[covered[-1]] - 1)

    def find(self, port: int) -> int:
        """The first rule that covers a port, or NO_RULE."""
        return self._rules[bisect_right(self._starts, port) - 1]

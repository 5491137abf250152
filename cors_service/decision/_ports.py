"""The first rule that covers a port, for one host or one kind of hosts."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import lru_cache
from typing import Final

from msgspec import Struct

from cors_service.grammar.origin import NO_PORT

NO_RULE: Final = 1 << 30
"""Greater than the index of any rule."""

_HIGHEST: Final = 65535
# Tables of a single pattern that are shared.
_COMMON: Final = 1000


class Span(Struct, frozen=True, gc=False):
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


class Ports(Struct, eq=False, gc=False):
    """Disjoint intervals of ports, each with the first rule that covers it; never more than there are ports.

    There may be a million, so the garbage collector does not track them; nor does it track the tables, of which most
    are the same.
    """

    _starts: tuple[int, ...] = ()
    _rules: tuple[int, ...] = ()
    # Until the table is made: the ports of the only pattern, or of several.
    _first: tuple[int, int, int] | None = None
    _several: _Several | None = None

    def add(self, low: int, high: int, rule: int) -> None:
        """Add the ports of a pattern; those of the first rule come first."""
        if self._first is None:
            self._first = low, high, rule
            return
        if self._several is None:
            self._several = _Several()
            self._several.add(*self._first)
        self._several.add(low, high, rule)

    def seal(self) -> None:
        """Make the table, once everything was added."""
        assert self._first is not None
        table = _table_of_one(*self._first) if self._several is None else self._several.table()
        self._starts, self._rules = table
        self._several = None

    @property
    def content(self) -> object:
        """What the table says: equal ones find the same."""
        return self._starts, self._rules

    @property
    def span(self) -> Span:
        """Of all ports that a rule covers, once the table is made."""
        covered = [place for place, rule in enumerate(self._rules) if rule != NO_RULE]
        ends = [*self._starts[1:], _HIGHEST + 1]
        return Span(min(self._rules), self._starts[covered[0]], ends[covered[-1]] - 1)

    def find(self, port: int) -> int:
        """The first rule that covers a port, or NO_RULE."""
        return self._rules[bisect_right(self._starts, port) - 1]


class _Several:
    """The ports of several patterns."""

    __slots__ = ("_ends", "_found", "_starts")

    def __init__(self) -> None:
        # What no rule covers yet; and what one does: the lowest and the highest port, and the rule.
        self._starts, self._ends = [NO_PORT], [_HIGHEST]
        self._found: list[tuple[int, int, int]] = []

    def add(self, low: int, high: int, rule: int) -> None:
        first, behind = bisect_left(self._ends, low), bisect_right(self._starts, high)
        if first >= behind:
            return
        starts, ends = self._starts[first:behind], self._ends[first:behind]
        self._found += [(max(low, start), min(high, end), rule) for start, end in zip(starts, ends, strict=True)]
        self._starts[first:behind] = [starts[0]] * (starts[0] < low) + [high + 1] * (high < ends[-1])
        self._ends[first:behind] = [low - 1] * (starts[0] < low) + [ends[-1]] * (high < ends[-1])

    def table(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Give where each interval starts, and its rule."""
        free = ((start, end, NO_RULE) for start, end in zip(self._starts, self._ends, strict=True))
        intervals = sorted([*self._found, *free])
        return tuple(start for start, _, _ in intervals), tuple(rule for _, _, rule in intervals)


@lru_cache(_COMMON)
def _table_of_one(low: int, high: int, rule: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    alone = _Several()
    alone.add(low, high, rule)
    return alone.table()

"""Sums up the counts of all processes, of ended ones, too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from msgspec import Struct, msgpack

from cors_service.observe.counted import Counted, Series
from cors_service.observe.table import MOST_ROWS, Table
from cors_service.observe.tally import ALLOWED, ANEW, DECISIONS, MOST_POLICIES, OTHERS

_read_row: Final = msgpack.Decoder(Counted).decode
_read_series: Final = msgpack.Decoder(Series).decode

Labels = tuple[str, str, str, str]
"""A policy, a kind, what is allowed, a reason."""


class Row(Struct):
    """Decisions of an interval that agree in all that is told of them.

    Attributes:
        count: How many there were.
        first: When the first of them was made, at the earliest, in seconds since 1970.
        last: When the last of them was made, at the latest.
    """

    count: int
    first: float
    last: float


class Interval(NamedTuple):
    """What was decided in an interval.

    Attributes:
        begin: When it began, in seconds since 1970.
        end: When it ended.
        rows: What was decided, MOST_ROWS at most.
        others: How many other decisions there were.
    """

    begin: float
    end: float
    rows: dict[Counted, Row]
    others: int


class Totals:
    """Sums up the counts of all processes.

    It reads the tables whenever it is asked for something, or told to `look`. What was decided between two looks has
    the times of both, so looking more often gives finer times.
    """

    def __init__(self, now: float) -> None:
        """Make one without tables. Where tallies have rows, somebody must `take` them time and again.

        Args:
            now: Seconds since 1970.
        """
        self._tables: dict[Table, _Reading] = {}
        self._decisions: Counter[Labels] = Counter()
        self._ended: Counter[Series] = Counter()
        self._policies: set[str] = set()
        self._rows: dict[Counted, Row] = {}
        self._remembered = 0
        # Decisions that found no place among the rows of the interval.
        self._beyond = 0
        # Decisions without a row in their tables, until the interval began.
        self._taken = 0
        self._begin = self._looked = now

    def open(self, table: Table) -> None:
        """Take in a table, which is empty."""
        self._tables[table] = _Reading(table)

    def close(self, table: Table, now: float) -> None:
        """Read a table for the last time, and close it: its process has ended.

        Args:
            table: One that was taken in.
            now: Seconds since 1970.
        """
        self._read(table, now)
        reading = self._tables.pop(table)
        self._ended.update(reading.series())
        table.close()

    def look(self, now: float) -> None:
        """Read what was counted since the last look.

        Args:
            now: Seconds since 1970.
        """
        for table in self._tables:
            self._read(table, now)
        self._looked = now

    def take(self, now: float) -> Interval:
        """Give what was decided since it was taken last.

        Args:
            now: Seconds since 1970.
        """
        self.look(now)
        without_row = self._without_row()
        others = self._beyond + without_row - self._taken
        interval = Interval(self._begin, now, self._rows, others)
        self._begin, self._rows, self._beyond, self._taken = now, {}, 0, without_row
        for reading in self._tables.values():
            reading.let_go()
        return interval

    def series(self) -> Counter[Series]:
        """Give the counts that go on."""
        found = Counter(self._ended)
        for reading in self._tables.values():
            found.update(reading.series())
        return found

    def decisions(self) -> Counter[Labels]:
        """Give the number of decisions that were read until now, with `OTHERS` for the policies that have no name."""
        found = Counter(self._decisions)
        for one, count in self.series().items():
            if one.name == DECISIONS:
                policy, kind, allowed, reason = one.labels
                found[self.named(policy), kind, allowed, reason] += count
        return found

    def remembered(self, decisions: Counter[Labels], series: Counter[Series]) -> int:
        """Give the number of decisions that were remembered; it never falls.

        Args:
            decisions: What `decisions` gave.
            series: What `series` gave after that: what was made between the two must not seem to be remembered.
        """
        self._remembered = max(self._remembered, decisions.total() - series[Series(ANEW)])
        return self._remembered

    def _read(self, table: Table, now: float) -> None:
        for what, count in self._tables[table].rows():
            self._decisions[self.named(what.policy or ""), what.kind, ALLOWED[what.allowed], what.reason] += count
            row = self._rows.get(what)
            if row is None:
                if len(self._rows) >= MOST_ROWS:
                    self._beyond += count
                    continue
                row = self._rows[what] = Row(0, self._looked, now)
            row.count += count
            row.last = now

    def _without_row(self) -> int:
        return sum(count for one, count in self.series().items() if one.name == DECISIONS)

    def named(self, policy: str) -> str:
        """Give the name by which a policy is told: the processes have each their own first MOST_POLICIES."""
        if policy in self._policies or policy in {"", OTHERS}:
            return policy
        if len(self._policies) >= MOST_POLICIES:
            return OTHERS
        self._policies.add(policy)
        return policy


class _Reading:
    """How far a table was read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._series: list[Series] = []
        # Of the epoch that was read last: what its rows are about, and their counts.
        self._epoch = 0
        self._rows: list[Counted] = []
        self._counts: list[int] = []

    def series(self) -> dict[Series, int]:
        part = self._table.series
        counts = part.counts()
        self._series += map(_read_series, part.keys(len(self._series)))
        return dict(zip(self._series, counts, strict=False))

    def rows(self) -> Iterator[tuple[Counted, int]]:
        """Give the rows that were counted since they were given last, each with how often."""
        epoch = self._table.epoch
        if epoch != self._epoch:
            # It is the next, since nobody goes on further before that is read to its end, and said so.
            yield from self._more()
            self._epoch, self._rows, self._counts = epoch, [], []
        yield from self._more()

    def let_go(self) -> None:
        """Say that the epochs before the one that is counted are of no use any more."""
        self._table.has_read(self._epoch)

    def _more(self) -> Iterator[tuple[Counted, int]]:
        part = self._table.rows(self._epoch)
        counts = part.counts()
        if counts == self._counts:
            return
        self._rows += map(_read_row, part.keys(len(self._rows)))
        before, self._counts = self._counts, counts
        for what, (count, known) in zip(self._rows, zip_longest(counts, before, fillvalue=0), strict=False):
            if count != known:
                yield what, count - known

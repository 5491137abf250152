"""Sums up the counts of all processes, of ended ones, too."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Generator, Iterator, Mapping
from itertools import chain, islice, zip_longest
from typing import Final, NamedTuple

from msgspec import Struct, msgpack

from cors_service.decision.steps import batches
from cors_service.observe.counted import Counted, Series
from cors_service.observe.table import MOST_SERIES, Table
from cors_service.observe.tally import (
    ALLOWED,
    ANEW,
    ANEW_PLACE,
    DECISIONS,
    MOST_POLICIES,
    OTHERS,
    REPEATED,
    REPORTED,
    SHADOW,
    STOPPED,
)
from cors_service.observe.words import MOST_ROWS

OTHER: Final = "other"
"""The label of the policies that are not counted by their names; one may really be called that."""

# What is summed up in a step: some microseconds each.
_STEP: Final = 500
# Their first label is the name of a policy.
_OF_POLICIES: Final = frozenset({DECISIONS, REPEATED, REPORTED, SHADOW, STOPPED})
_OF_DECISIONS: Final = frozenset({DECISIONS, REPEATED})
_read_row: Final = msgpack.Decoder(Counted).decode
_read_series: Final = msgpack.Decoder(Series).decode

Labels = tuple[str, ...]
"""What distinguishes counts of a name; of decisions, it is a policy, a kind, what is allowed, a reason."""


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

    @property
    def decisions(self) -> int:
        """How many decisions there were."""
        return self.others + sum(row.count for row in self.rows.values())


Counts = Mapping[str, Counter[Labels]]
"""By names and labels."""


class Sums(NamedTuple):
    """What was counted until a moment.

    Attributes:
        counts: What was counted; of a name that is missing, nothing. DECISIONS are all of them, those that were made
            are ANEW.
        unnamed: How many decisions OTHER stands for.
        remembered: How many decisions were remembered; it never falls.
    """

    counts: Counts
    unnamed: int
    remembered: int


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
        self._see(now)
        self._read(table, now)
        reading = self._tables.pop(table)
        self._ended.update(dict(reading.series()))
        table.close()

    def look(self, now: float) -> None:
        """Read what was counted since the last look.

        Args:
            now: Seconds since 1970.
        """
        self._see(now)
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

    def sums(self, now: float) -> Generator[None, None, Sums]:
        """Sum up what was counted until now, in short steps.

        Args:
            now: Seconds since 1970.
        """
        self.look(now)
        rows = ((Series(REPEATED, labels), count) for labels, count in self._decisions.copy().items())
        parts = [rows, self._ended.copy().items(), *(reading.series() for reading in self._tables.values())]
        # Behind the others: what is made between the two must not seem to be remembered.
        anew = self._ended[Series(ANEW)] + sum(reading.anew() for reading in self._tables.values())
        counts: defaultdict[str, Counter[Labels]] = defaultdict(Counter)
        unnamed = made = 0
        for some in batches(chain.from_iterable(parts), _STEP):
            for one, count in some:
                name, labels = one.name, one.labels
                made += count if name == DECISIONS else 0
                if name in _OF_POLICIES:
                    policy = self.named(labels[0])
                    if policy == OTHERS:
                        policy = OTHER
                        unnamed += count if name in _OF_DECISIONS else 0
                    labels = (policy, *labels[1:])
                counts[DECISIONS if name == REPEATED else name][labels] += count
            yield
        counts[ANEW][()] += made
        self._remembered = max(self._remembered, counts[DECISIONS].total() - made - anew)
        return Sums(counts, unnamed, self._remembered)

    def _see(self, now: float) -> None:
        """If the clock was set back, let nothing that was read be later than now."""
        if now >= self._looked:
            return
        self._looked = now
        self._begin = min(self._begin, now)
        for row in self._rows.values():
            row.first, row.last = min(row.first, now), min(row.last, now)

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
        parts = [self._ended.items(), *(reading.series() for reading in self._tables.values())]
        return sum(count for one, count in chain.from_iterable(parts) if one.name in _OF_DECISIONS)

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

    def series(self) -> Iterator[tuple[Series, int]]:
        """Give the counts of this moment that go on, to be looked at later."""
        counts = self._table.series.counts()
        return ((one, count) for count, one in zip(counts, self._known_series(), strict=False))

    def anew(self) -> int:
        """Give the number of decisions that were made."""
        anew: int = self._table.counts[ANEW_PLACE]
        return anew

    def rows(self) -> Iterator[tuple[Counted, int]]:
        """Give the rows that were counted since they were given last, each with how often."""
        epoch = self._table.epoch
        if epoch != self._epoch:
            # It is the next, since nobody goes on further before that is read to its end, and said so.
            yield from self._more()
            self._epoch, self._rows, self._counts = epoch, [], []
        yield from self._more()

    def _known_series(self) -> Iterator[Series]:
        """Give one series after the other; its key is read when it is asked for."""
        for number in range(MOST_SERIES):
            if number == len(self._series):
                self._series += map(_read_series, islice(self._table.series.keys(number), _STEP))
            yield self._series[number]

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

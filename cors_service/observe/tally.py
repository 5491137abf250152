"""Counts what a process decides and answers, as it does so."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Final

from msgspec import Struct, msgpack
from zope.interface import implementer

from cors_service.decision import BadQuery, Decision, Query
from cors_service.observe.counted import UNDECIDED, Counted, Series
from cors_service.observe.interfaces import Fact, IRequests, ITally
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table

MOST_POLICIES: Final = 1000
"""Policies that are counted by their names; the others are counted together."""
OTHERS: Final = "*"
"""Stands for the names of the others; no policy is called that."""

DECISIONS: Final = "decisions"
ANEW: Final = "anew"
REQUESTS: Final = "requests"
REQUEST_DURATIONS: Final = "request_durations"
RELOADS: Final = "reloads"
RELOAD_DURATIONS: Final = "reload_durations"
CLOSED: Final = "closed"
SHADOW: Final = "shadow"
REPORTED: Final = "reported"

BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
"""The upper bounds of durations that are counted together, in seconds."""
SUM: Final = "sum"
"""Stands in the place of a bucket's number for all durations together, in microseconds."""

ALLOWED: Final = {True: "true", False: "false", None: "none"}

# A prime, so that callers that ask in turns are all measured.
_SAMPLED: Final = 61
_LOOK: Final = 100
_encode: Final = msgpack.Encoder().encode


@implementer(ITally)
class Tally:
    """Counts in a table, each time by an addition in place; decisions only by what metrics tell of them.

    What counts a decision is its place.

    Attributes:
        counts: The counts of the table by their places.
        sights: Keeps nothing here.
    """

    sights = Sights(float)

    def __init__(self, table: Table) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
        """
        self.counts = table.counts
        self._table = table
        self._places: dict[tuple[object, ...], int] = {}
        self._policies: set[str] = set()
        self._anew = self.place(ANEW)

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give what counts a decision."""
        key = (decision.kind, decision.allowed, decision.reason.code, decision.policy)
        place = self._places.get(key)
        return self._decisions(*key) if place is None else place

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give what counts a query without a decision."""
        return self._decisions(UNDECIDED, None, error.code, None)

    def made(self, query: Query, decision: Decision) -> Fact:
        """Count a decision that was made; give what counts it again."""
        fact = self.fact(query, decision)
        counts = self.counts
        counts[self._anew] += 1
        counts[fact] += 1
        return fact

    def anew(self, fact: Fact) -> None:
        """Count what was made otherwise."""
        counts = self.counts
        counts[self._anew] += 1
        counts[fact] += 1

    def again(self, fact: Fact) -> None:
        """Count a decision that was remembered."""
        self.counts[fact] += 1

    def batch(self, facts: Sequence[Fact], anew: int) -> None:
        """Count many decisions."""
        for place, count in Counter(facts).items():
            self.counts[place] += count
        self.counts[self._anew] += anew

    def add(self, name: str, *labels: str) -> None:
        """Count something that is not a decision."""
        self.counts[self.place(name, *labels)] += 1

    def duration(self, name: str, seconds: float, *labels: str) -> None:
        """Count how long something took."""
        self.counts[self.place(name, *labels, str(bisect_left(BUCKETS, seconds)))] += 1
        self.counts[self.place(name, *labels, SUM)] += round(seconds * 1_000_000)

    def place(self, name: str, *labels: str) -> int:
        """Find the place of something that is counted."""
        key = (name, *labels)
        place = self._places.get(key)
        if place is None:
            place = self._table.series.add(_encode(Series(name, labels)))
            assert place is not None, "there are places for all that can come together"
            self._places[key] = place
        return place

    def policy(self, name: str | None) -> str:
        """Give the name by which a policy is counted."""
        if name is None:
            return ""
        if name in self._policies:
            return name
        if len(self._policies) >= MOST_POLICIES:
            return OTHERS
        self._policies.add(name)
        return name

    def requests(self, endpoint: str) -> Requests:
        """Count the requests of an endpoint."""
        return Requests(self, endpoint)

    def _decisions(self, kind: str, allowed: bool | None, reason: str, policy: str | None) -> int:
        """Find the place of the decisions that metrics don't tell apart."""
        key = (kind, allowed, reason, policy)
        place = self._places.get(key)
        if place is None:
            named = self.policy(policy)
            place = self.place(DECISIONS, named, kind, ALLOWED[allowed], reason)
            if named != OTHERS:
                self._places[key] = place
        return place


class Row(Struct, eq=False, gc=False):
    """What counts decisions that agree in all that is told of them.

    Attributes:
        what: What is told.
        place: Where they are counted, in the epoch.
        epoch: The epoch that the place belongs to; None before there is one.
    """

    what: Counted
    place: int = -1
    epoch: object = None


class RowTally(Tally):
    """Counts decisions by all that is told of them, for a log; where there are too many kinds, as `Tally` does."""

    def __init__(self, table: Table, when_new: Callable[[Counted], object] | None = None) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            when_new: Is called with what is about to be counted and has no row in this epoch; also with what finds no
                place for one.
        """
        super().__init__(table)
        self._when_new = when_new
        self._part = table.rows(0)
        # So many that find no place are not worth another look whether the next epoch can begin.
        self._full_for = 0
        # Those of the epoch. Another epoch is another object.
        self._rows: dict[Counted, Row] = {}
        self._epoch = object()

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give what counts a decision."""
        what = Counted.decided(query, decision)
        return self._rows.get(what) or Row(what)

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give what counts a query without a decision."""
        what = Counted.undecided(query, error.code, revision)
        return self._rows.get(what) or Row(what)

    def made(self, query: Query, decision: Decision) -> Fact:
        """Count a decision that was made; give what counts it again."""
        what = Counted.decided(query, decision)
        row = self._rows.get(what)
        if row is None:
            row = Row(what)
            self._put(row)
        counts = self.counts
        counts[self._anew] += 1
        counts[row.place] += 1
        return row

    def anew(self, fact: Fact) -> None:
        """Count what was made otherwise."""
        if fact.epoch is not self._epoch:
            self._settle(fact)
        counts = self.counts
        counts[self._anew] += 1
        counts[fact.place] += 1

    def again(self, fact: Fact) -> None:
        """Count a decision that was remembered."""
        if fact.epoch is not self._epoch:
            self._settle(fact)
        self.counts[fact.place] += 1

    def batch(self, facts: Sequence[Fact], anew: int) -> None:
        """Count many decisions."""
        counts = self.counts
        for fact in facts:
            if fact.epoch is not self._epoch:
                self._settle(fact)
            counts[fact.place] += 1
        counts[self._anew] += anew

    def _settle(self, row: Row) -> None:
        """Find the place of a row that has none in this epoch."""
        known = self._rows.get(row.what)
        if known is None:
            self._put(row)
        else:
            # Another of the same kind was remembered elsewhere.
            row.place, row.epoch = known.place, known.epoch

    def _put(self, row: Row) -> None:
        """Find the place of a row of a kind that has none in this epoch."""
        what = row.what
        if self._when_new is not None:
            self._when_new(what)
        place = None
        if self._full_for:
            self._full_for -= 1
        else:
            place = self._place(_encode(what))
        row.epoch = self._epoch
        if place is None:
            row.place = self._decisions(what.kind, what.allowed, what.reason, what.policy)
        else:
            row.place = place
            self._rows[what] = row

    def _place(self, key: bytes) -> int | None:
        """Find a place in this epoch, or in the next if that can begin; None if there is none."""
        place = self._part.add(key)
        if place is not None:
            return place
        part = self._table.begin_epoch()
        if part is None:
            self._full_for = _LOOK
            return None
        self._part, self._rows, self._epoch = part, {}, object()
        return part.add(key)


@implementer(IRequests)
class Requests:
    """Counts the requests of an endpoint in the table of a tally."""

    def __init__(self, tally: Tally, endpoint: str) -> None:
        """Make one.

        Args:
            tally: Has the table.
            endpoint: What the endpoint is called.
        """
        self._tally = tally
        self._counts = tally.counts
        self._endpoint = endpoint
        self._places: dict[int, int] = {}

    def answered(self, status: int) -> None:
        """Count an answer."""
        place = self._places.get(status)
        if place is None:
            place = self._places[status] = self._tally.place(REQUESTS, self._endpoint, str(status))
        self._counts[place] += 1

    def took(self, seconds: float) -> None:
        """Count how long a request took."""
        self._tally.duration(REQUEST_DURATIONS, seconds, self._endpoint)


@implementer(ITally)
class NoTally:
    """Counts nothing."""

    sights = Sights(float)

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give nothing."""
        return None

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give nothing."""
        return None

    def made(self, query: Query, decision: Decision) -> Fact:
        """Count nothing."""
        return None

    def anew(self, fact: Fact) -> None:
        """Count nothing."""

    def again(self, fact: Fact) -> None:
        """Count nothing."""

    def batch(self, facts: Sequence[Fact], anew: int) -> None:
        """Count nothing."""

    def add(self, name: str, *labels: str) -> None:
        """Count nothing."""

    def duration(self, name: str, seconds: float, *labels: str) -> None:
        """Count nothing."""

    def policy(self, name: str | None) -> str:
        """Give the name of a policy."""
        return name or ""

    def requests(self, endpoint: str) -> NoRequests:
        """Count nothing."""
        return NoRequests()


@implementer(IRequests)
class NoRequests:
    """Counts nothing."""

    def answered(self, status: int) -> None:
        """Count nothing."""

    def took(self, seconds: float) -> None:
        """Count nothing."""


def samples() -> Iterator[bool]:
    """Say of one request after the other whether its duration is measured."""
    return cycle((True, *[False] * (_SAMPLED - 1)))

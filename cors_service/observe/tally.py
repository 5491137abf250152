"""Counts what a process decides and answers, as it does so."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any, Final

from msgspec import Struct, msgpack
from zope.interface import implementer

from cors_service.decision import BadQuery, Decision, Query
from cors_service.observe.counted import UNDECIDED, Counted, Series
from cors_service.observe.interfaces import Fact, IRequests, ITally
from cors_service.observe.sights import NO_SIGHTS, Sights
from cors_service.observe.table import Table
from cors_service.observe.words import MOST_ROWS

MOST_POLICIES: Final = 1000
"""Policies that are counted by their names; the others are counted together."""
OTHERS: Final = "*"
"""Stands for the names of the others; no policy is called that."""

DECISIONS: Final = "decisions"
"""Decisions that were made, one by one."""
REPEATED: Final = "repeated"
"""Other decisions: those that were remembered, and those of batches. Their place is the one after that of DECISIONS
with the same labels."""
ANEW: Final = "anew"
"""How many of the others, and of those that are counted in rows, were made."""
ANEW_PLACE: Final = 0
"""The place of that count; it is the first series of each table."""
REQUESTS: Final = "requests"
REQUEST_DURATIONS: Final = "request_durations"
RELOADS: Final = "reloads"
RELOAD_DURATIONS: Final = "reload_durations"
CLOSED: Final = "closed"
SHADOW: Final = "shadow"
REPORTED: Final = "reported"
STOPPED: Final = "stopped"

BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0)
"""The upper bounds of durations that are counted together, in seconds."""
SUM: Final = "sum"
"""Stands in the place of a bucket's number for all durations together, in microseconds."""

ALLOWED: Final = {True: "true", False: "false", None: "none"}

# A prime, so that callers that ask in turns are all measured.
_SAMPLED: Final = 61
# Rows of an epoch, among which there may be such that nobody asks for again.
_MOST_NEW: Final = 1000
_MOST_WATCHED: Final = 10_000
_encode: Final = msgpack.Encoder().encode
_decode: Final = msgpack.Decoder(Counted).decode
_Labels = tuple[str, bool | None, str, str | None]
"""A kind, what is allowed, a reason, a policy."""


@implementer(ITally)
class Tally:
    """Counts in a table, each time by an addition in place; decisions only by what metrics tell of them.

    What counts a decision is the place of those like it that were made.

    Attributes:
        counts: The counts of the table by their places.
        sights: Keeps what is refused for the first time in a while.
    """

    def __init__(self, table: Table, sights: Sights = NO_SIGHTS) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            sights: Keeps single decisions.
        """
        self.counts = table.counts
        self.sights = sights
        self._behind = table.behind
        self._table = table
        self._places: dict[tuple[object, ...], int] = {}
        self._policies: set[str] = set()
        self._watched: set[int] = set()
        table.series.add(_encode(Series(ANEW)))

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give what counts a decision."""
        if decision.allowed is False and self.sights.has_room:
            self._watch(query, decision)
        return self._labelled(decision)

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give what counts a query without a decision."""
        return self._decisions((UNDECIDED, None, error.code, None))

    def made(self, query: Query, decision: Decision) -> None:
        """Count a decision that was made."""
        self.counts[self.fact(query, decision)] += 1

    def anew(self, fact: Fact) -> None:
        """Count what was made otherwise."""
        self.counts[fact] += 1

    def again(self, fact: Fact) -> None:
        """Count a decision that was remembered."""
        self._behind[fact] += 1

    def batch(self, facts: Sequence[Fact], anew: int) -> None:
        """Count many decisions."""
        for place, count in Counter(facts).items():
            self._behind[place] += count
        self.counts[ANEW_PLACE] += anew

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

    def _watch(self, query: Query, decision: Decision) -> None:
        """Note what is refused, if that is new."""
        known = hash((decision.policy, query.origins, decision.reason.code))
        if known not in self._watched:
            if len(self._watched) >= _MOST_WATCHED:
                self._watched.clear()
            self._watched.add(known)
            self.sights.note(Counted.decided(query, decision))

    def _labelled(self, decision: Decision) -> int:
        """Find the place of a decision with others that metrics don't tell apart."""
        labels = decision.kind, decision.allowed, decision.reason.code, decision.policy
        try:
            return self._places[labels]
        except KeyError:
            return self._decisions(labels)

    def _decisions(self, labels: _Labels) -> int:
        """Find the place of the decisions that metrics don't tell apart."""
        place = self._places.get(labels)
        if place is None:
            kind, allowed, reason, policy = labels
            named = self.policy(policy)
            told = named, kind, ALLOWED[allowed], reason
            place, behind = self.place(DECISIONS, *told), self.place(REPEATED, *told)
            assert behind == place + 1, "nothing is added between the two"
            if named != OTHERS:
                self._places[labels] = place
        return place


class Kind(Struct, eq=False, gc=False):
    """What decisions have in common that only their origins tell apart.

    Attributes:
        key: How rows of it begin, as they are written; their origins follow.
        labels: What metrics tell of it.
    """

    key: bytes
    labels: _Labels

    def about(self, origin: str | None) -> Counted:
        """Give what is told of its decisions about an origin."""
        return _decode(self.key + _encode(origin))


_Row = tuple[Kind, str | None]
"""A kind and an origin."""


class RowFact(Struct, eq=False, gc=False):
    """What counts decisions that agree in all that is told of them.

    Attributes:
        row: Their kind and their origin; None until somebody asks.
        query: A query that led to them, if there is no row yet.
        decision: The decision about it.
        epoch: The number of the epoch in which their place was found.
        place: Their place in that epoch.
    """

    row: _Row | None = None
    query: Query | None = None
    decision: Decision | None = None
    epoch: int = 0
    place: int = 0


class RowTally(Tally):
    """Counts decisions by all that is told of them, for a log; where there are too many kinds, as `Tally` does.

    What has no row in this epoch is noted as new.
    """

    def __init__(self, table: Table, sights: Sights = NO_SIGHTS) -> None:
        """Make one; arguments as for `Tally`."""
        super().__init__(table, sights)
        self._kinds: dict[tuple[object, ...], Kind] = {}
        self._part = table.rows(0)
        # The number of the epoch, and its places.
        self._epoch = 1
        self._rows: dict[_Row, int] = {}

    def fact(self, query: Query, decision: Decision) -> RowFact:
        """Give what counts a decision."""
        return RowFact(None, query, decision)

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> RowFact:
        """Give what counts a query without a decision."""
        return self.fact_of(Counted.undecided(query, error.code, revision))

    def fact_of(self, what: Counted) -> RowFact:
        """Give what counts decisions of which this is told."""
        return RowFact(self._row(what))

    def what(self, fact: RowFact) -> Counted:
        """Give what is told of the decisions that this counts."""
        kind, origin = fact.row or self._find(fact)
        return kind.about(origin)

    def made(self, query: Query, decision: Decision) -> None:
        """Count a decision that was made."""
        # There may be no end of what is asked about once. Now and then, there is room again.
        if len(self._rows) < _MOST_NEW or self.sights.has_room:
            self.counts[ANEW_PLACE] += 1
            self.counts[self._place(self._row(Counted.decided(query, decision)), _MOST_NEW)] += 1
        else:
            self.counts[self._labelled(decision)] += 1

    def anew(self, fact: RowFact) -> None:
        """Count what was made otherwise."""
        self.counts[ANEW_PLACE] += 1
        self.counts[self._place_of(fact)] += 1

    def again(self, fact: RowFact) -> None:
        """Count a decision that was remembered."""
        self.counts[fact.place if fact.epoch == self._epoch else self._place_of(fact)] += 1

    def batch(self, facts: Sequence[RowFact], anew: int) -> None:
        """Count many decisions."""
        for fact, count in Counter(facts).items():
            self.counts[self._place_of(fact)] += count
        self.counts[ANEW_PLACE] += anew

    def _place_of(self, fact: RowFact) -> int:
        """Find the place of a fact in this epoch, and keep it with the fact: it lies nearer than the rows of all."""
        row = fact.row or self._find(fact)
        place = self._place(row)
        if row in self._rows:
            fact.epoch, fact.place = self._epoch, place
        return place

    def _find(self, fact: RowFact) -> _Row:
        """Find the row of what has none yet."""
        assert fact.query is not None
        assert fact.decision is not None
        row = fact.row = self._row(Counted.decided(fact.query, fact.decision))
        fact.query = fact.decision = None
        return row

    def _row(self, what: Counted) -> _Row:
        told = what.kind, what.allowed, what.reason, what.policy, what.rule, what.method, what.revision
        return self._kinds.get(told) or self._kind(told), what.origin

    def _kind(self, told: tuple[Any, ...]) -> Kind:
        """Make a kind of what is told, but for the origin."""
        if len(self._kinds) >= MOST_ROWS:
            self._kinds.clear()
        # The last byte stands for no origin.
        kind = self._kinds[told] = Kind(_encode(Counted(*told))[:-1], told[:4])
        return kind

    def _place(self, row: _Row, most: int = MOST_ROWS) -> int:
        """Find the place of a row in this epoch; the one after that of decisions like it if there are too many."""
        place = self._rows.get(row)
        if place is not None:
            return place
        kind, origin = row
        if self.sights.has_room:
            self.sights.note(kind.about(origin))
        key = kind.key + _encode(origin)
        place = self._part.add(key) if len(self._rows) < most else None
        if place is None:
            part = self._table.begin_epoch()
            if part is not None:
                self._epoch, self._part, self._rows = self._epoch + 1, part, {}
                place = part.add(key)
        if place is None:
            return self._decisions(kind.labels) + 1
        self._rows[row] = place
        return place


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
        try:
            place = self._places[status]
        except KeyError:
            place = self._places[status] = self._tally.place(REQUESTS, self._endpoint, str(status))
        self._counts[place] += 1

    def took(self, seconds: float) -> None:
        """Count how long a request took."""
        self._tally.duration(REQUEST_DURATIONS, seconds, self._endpoint)


@implementer(ITally)
class NoTally:
    """Counts nothing."""

    sights = NO_SIGHTS

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give nothing."""
        return None

    def undecided(self, query: Query, error: BadQuery, revision: str | None) -> Fact:
        """Give nothing."""
        return None

    def made(self, query: Query, decision: Decision) -> None:
        """Count nothing."""

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

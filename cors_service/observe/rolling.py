"""From what was decided in an interval to the lines of the decision log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import nlargest
from itertools import chain, islice
from typing import Any, Final

from msgspec import Struct

from cors_service.observe.counted import Counted
from cors_service.observe.lines import Decisions, Line, Other, Sample, Seen, write_line, written_time
from cors_service.observe.masking import Masking
from cors_service.observe.sights import Sight
from cors_service.observe.totals import Interval, Row
from cors_service.observe.words import MOST_LINES

MOST_SEEN: Final = 100
"""Lines about what is seen first, in an interval. What is beyond is seen first in a later one."""

# Kinds of decisions that are known not to be new.
_KNOWN: Final = 50_000
_FIELDS: Final = ("revision", "policy", "rule", "origin", "kind", "method", "allowed", "reason")
_ORIGIN: Final = _FIELDS.index("origin")
_Said = tuple[Any, ...]


class Roll(Struct, frozen=True):
    """The lines of an interval.

    Attributes:
        lines: As they are written, without line feeds.
        refused: Those about what was refused for the first time.
    """

    lines: list[bytes]
    refused: list[Seen]


class Roller:
    """Writes the lines of one interval after the other, and knows what was seen before."""

    def __init__(self, instance: str, masking: Masking, fraction: float = 0.0, most_lines: int = MOST_LINES) -> None:
        """Make one.

        Args:
            instance: The name of the service.
            masking: Writes what came from outside.
            fraction: The share of decisions that are in the sample.
            most_lines: How many kinds of decisions of an interval have a line.
        """
        self._instance = instance
        self._masking = masking
        self._fraction = fraction
        self._most_lines = most_lines
        # Two generations: what comes again before so many others came stays known.
        self._young: set[int] = set()
        self._old: set[int] = set()

    def roll(self, interval: Interval, sights: Sequence[Sight] = ()) -> Roll:
        """Write the lines of an interval.

        Args:
            interval: What was decided.
            sights: Single decisions of it.
        """
        kept = self._kept(interval.rows)
        others = interval.decisions - sum(row.count for _, row in kept)
        rows = (Sight(what, row.first, None, None) for what, row in interval.rows.items())
        seen = [*islice(self._new(chain((one for one in sights if not one.is_sample), rows)), MOST_SEEN)]
        begin, end = written_time(interval.begin), written_time(interval.end)
        lines: list[Line] = [*seen, *(self._decisions(said, row, begin, end) for said, row in kept)]
        lines += [self._sample(one) for one in sights if one.is_sample]
        if others:
            lines.append(Other(instance=self._instance, begin=begin, end=end, count=others))
        return Roll([*map(write_line, lines)], [line for line in seen if line.allowed is False])

    def only_counted(self, interval: Interval) -> Roll:
        """Write that there were decisions that can't be told apart."""
        count = interval.decisions
        begin, end = written_time(interval.begin), written_time(interval.end)
        line = Other(instance=self._instance, begin=begin, end=end, count=count)
        return Roll([write_line(line)] if count else [], [])

    def _kept(self, rows: Mapping[Counted, Row]) -> list[tuple[_Said, Row]]:
        """Give what has a line: what was seen before, and then what came most often."""
        # What differs in what is masked alone is told together.
        merged: dict[_Said, Row] = {}
        known: set[_Said] = set()
        for what, row in rows.items():
            said = self._said(what)
            before = merged.get(said)
            merged[said] = row if before is None else _sum(before, row)
            if self._knows(self._mark(what, said)):
                known.add(said)
        return nlargest(self._most_lines, merged.items(), key=lambda one: (one[0] in known, one[1].count))

    def _said(self, what: Counted) -> _Said:
        """What all lines about these decisions say of them, in the order of _FIELDS."""
        origin, method = self._masking.origin(what.origin), self._masking.method(what.method)
        return what.revision, what.policy, what.rule, origin, what.kind, method, what.allowed, what.reason

    def _fields(self, said: _Said) -> dict[str, Any]:
        return {"instance": self._instance, "origins": self._masking.named, **dict(zip(_FIELDS, said, strict=True))}

    def _decisions(self, said: _Said, row: Row, begin: str, end: str) -> Decisions:
        first, last = written_time(row.first), written_time(row.last)
        return Decisions(**self._fields(said), begin=begin, end=end, count=row.count, first=first, last=last)

    def _sample(self, sight: Sight) -> Sample:
        at, fields = written_time(sight.at), self._fields(self._said(sight.what))
        return Sample(**fields, at=at, id=sight.id, trace=sight.trace, fraction=self._fraction)

    def _new(self, sights: Iterable[Sight]) -> Iterator[Seen]:
        """Give the lines about what was never seen before."""
        for sight in sights:
            said = self._said(sight.what)
            mark = self._mark(sight.what, said)
            if not self._knows(mark):
                self._know(mark)
                yield Seen(**self._fields(said), at=written_time(sight.at), id=sight.id, trace=sight.trace)

    def _mark(self, what: Counted, said: _Said) -> int:
        """By what decisions are known."""
        # A digest is another one each day, and what it stands for is not new.
        return hash((what.policy, what.origin if self._masking.form == "hashed" else said[_ORIGIN], what.reason))

    def _knows(self, mark: int) -> bool:
        return mark in self._young or mark in self._old

    def _know(self, mark: int) -> None:
        if len(self._young) >= _KNOWN:
            self._old, self._young = self._young, set()
        self._young.add(mark)


def _sum(one: Row, other: Row) -> Row:
    return Row(one.count + other.count, min(one.first, other.first), max(one.last, other.last))

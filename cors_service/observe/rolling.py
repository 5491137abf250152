"""From what was decided in an interval to the lines of the decision log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from cors_service.observe.counted import Counted
from cors_service.observe.lines import Decisions, Line, Other, Sample, Seen, write_line, written_time
from cors_service.observe.masking import Masking
from cors_service.observe.sights import Sight
from cors_service.observe.totals import Interval, Row

MOST_SEEN: Final = 100
"""Lines about what is seen first, in an interval. What is beyond is seen first in a later one."""

# Kinds of decisions that are known not to be new.
_KNOWN: Final = 50_000


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

    def __init__(self, instance: str, masking: Masking, fraction: float = 0.0) -> None:
        """Make one.

        Args:
            instance: The name of the service.
            masking: Writes what came from outside.
            fraction: The share of decisions that are in the sample.
        """
        self._instance = instance
        self._masking = masking
        self._fraction = fraction
        # Two generations: what comes again before so many others came stays known.
        self._young: set[int] = set()
        self._old: set[int] = set()

    def roll(self, interval: Interval, sights: Iterable[Sight] = ()) -> Roll:
        """Write the lines of an interval.

        Args:
            interval: What was decided.
            sights: Single decisions of it.
        """
        samples: list[Line] = []
        first: dict[Counted, Sight] = {}
        for sight in sights:
            if sight.is_sample:
                samples.append(self._sample(sight))
            else:
                first.setdefault(sight.what, sight)
        # What differs in what is masked alone is told together.
        merged: dict[tuple[object, ...], tuple[dict[str, Any], Row]] = {}
        for what, row in interval.rows.items():
            first.setdefault(what, Sight(what, row.first, None, None))
            said = self._said(what)
            key = tuple(said.values())
            _, before = merged.get(key, (said, None))
            merged[key] = said, row if before is None else _sum(before, row)
        seen = [*islice(self._new(first.values()), MOST_SEEN)]
        begin, end = written_time(interval.begin), written_time(interval.end)
        lines: list[Line] = [*seen, *(_decisions(said, row, begin, end) for said, row in merged.values()), *samples]
        if interval.others:
            lines.append(Other(instance=self._instance, begin=begin, end=end, count=interval.others))
        return Roll([*map(write_line, lines)], [line for line in seen if line.allowed is False])

    def only_counted(self, interval: Interval) -> Roll:
        """Write that there were decisions that can't be told apart."""
        count = interval.others + sum(row.count for row in interval.rows.values())
        begin, end = written_time(interval.begin), written_time(interval.end)
        line = Other(instance=self._instance, begin=begin, end=end, count=count)
        return Roll([write_line(line)] if count else [], [])

    def _said(self, what: Counted) -> dict[str, Any]:
        """The fields that all lines about decisions have."""
        return {
            "instance": self._instance,
            "revision": what.revision,
            "policy": what.policy,
            "rule": what.rule,
            "origin": self._masking.origin(what.origin),
            "origins": self._masking.named,
            "kind": what.kind,
            "method": self._masking.method(what.method),
            "allowed": what.allowed,
            "reason": what.reason,
        }

    def _sample(self, sight: Sight) -> Sample:
        at, fraction = written_time(sight.at), self._fraction
        return Sample(**self._said(sight.what), at=at, id=sight.id, trace=sight.trace, fraction=fraction)

    def _new(self, sights: Iterable[Sight]) -> Iterator[Seen]:
        """Give the lines about what was never seen before."""
        for sight in sights:
            what = sight.what
            said = self._said(what)
            # A digest is another one each day, and what it stands for is not new.
            origin = what.origin if self._masking.form == "hashed" else said["origin"]
            if self._is_new(hash((what.policy, origin, what.reason))):
                yield Seen(**said, at=written_time(sight.at), id=sight.id, trace=sight.trace)

    def _is_new(self, known: int) -> bool:
        if known in self._young:
            return False
        if len(self._young) >= _KNOWN:
            self._old, self._young = self._young, set()
        self._young.add(known)
        return known not in self._old


def _decisions(said: dict[str, Any], row: Row, begin: str, end: str) -> Decisions:
    first, last = written_time(row.first), written_time(row.last)
    return Decisions(**said, begin=begin, end=end, count=row.count, first=first, last=last)


def _sum(one: Row, other: Row) -> Row:
    return Row(one.count + other.count, min(one.first, other.first), max(one.last, other.last))

"""Traffic over time, in a bounded number of steps."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

from cors_service.insights.lines import Decisions

STEPS: Final = (60, 300, 900, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600, 28 * 24 * 3600)
"""Seconds of a step."""
_MOST: Final = 1000


class Point(NamedTuple):
    """What happened in a step.

    Attributes:
        at: When it began, in seconds since 1970.
        allowed: Requests other than preflights that were decided and not refused.
        preflights: Preflights that were allowed.
        refused: Requests of both kinds that were refused.
        other: Decisions about which nothing else is known.
        undecided: Questions about which nothing could be decided.
    """

    at: int
    allowed: int = 0
    preflights: int = 0
    refused: int = 0
    other: int = 0
    undecided: int = 0


def outcome_of(line: Decisions) -> str:
    """Say as which part of a `Point` decisions count."""
    if line.allowed is False:
        return "refused"
    return _OUTCOMES.get(line.kind, "allowed")


class Timeline:
    """Counts by time. The step grows with the time from the first to the last, so that there are not too many.

    Attributes:
        step: Seconds.
    """

    def __init__(self, most: int = _MOST) -> None:
        """Begin with nothing.

        Args:
            most: How many steps there may be.
        """
        self.step = STEPS[0]
        self._most = most
        self._counts: dict[int, list[int]] = {}
        self._first = self._last = 0

    def add(self, at: float, what: str, count: int) -> None:
        """Count.

        Args:
            at: Seconds since 1970.
            what: `allowed`, `preflights`, `refused`, `other` or `undecided`, as a `Point` has it.
            count: How many.
        """
        number = int(at) // self.step
        counts = self._counts.get(number)
        if counts is None:
            counts = self._begin(number)
        counts[_PLACES[what]] += count

    def points(self) -> list[Point]:
        """The steps in which there was something, in order."""
        return [Point(number * self.step, *counts) for number, counts in sorted(self._counts.items())]

    def _begin(self, number: int) -> list[int]:
        """Add a step, and give its counts."""
        at = number * self.step
        self._first = min(self._first, number) if self._counts else number
        self._last = max(self._last, number) if self._counts else number
        self._counts[number] = [0] * len(_PLACES)
        self._coarsen()
        return self._counts[at // self.step]

    def _coarsen(self) -> None:
        while self._last - self._first >= self._most:
            place = bisect_left(STEPS, self.step) + 1
            step = STEPS[place] if place < len(STEPS) else self.step * 2
            merged: dict[int, list[int]] = {}
            for number, counts in self._counts.items():
                into = merged.setdefault(number * self.step // step, [0] * len(_PLACES))
                into[:] = map(sum, zip(into, counts, strict=True))
            self._first, self._last = min(merged), max(merged)
            self._counts, self.step = merged, step


_OUTCOMES: Final = {"undecided": "undecided", "preflight": "preflights"}
_PLACES: Final = {name: place for place, name in enumerate(Point._fields[1:])}

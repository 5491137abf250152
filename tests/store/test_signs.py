"""Tests of the wait for signs of life of a process."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from cors_service.store._signs import SignsOfLife


class Watched:
    """Signs with a timeout of 8 seconds, and what comes of them.

    Attributes:
        told: What was done, and when.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[str, float]] = []
        self.signs = SignsOfLife(self.clock, 8.0, lambda: self.note("ask"), lambda: self.note("give up"))
        self.signs.begin()

    def note(self, what: str) -> None:
        """Take note of something."""
        self.told.append((what, self.clock.seconds()))


@pytest.fixture
def watched() -> Watched:
    """Give signs that somebody waits for."""
    return Watched()


def test_none(watched: Watched) -> None:
    """A process that answers nothing is given up that long after the first question, once."""
    watched.clock.pump([1.0] * 100)
    assert watched.told == [("ask", 2.0), ("ask", 4.0), ("ask", 6.0), ("ask", 8.0), ("give up", 10.0)]
    assert watched.clock.getDelayedCalls() == []


def test_some(watched: Watched) -> None:
    """One that answers is asked again and again, and kept."""
    for _ in range(50):
        watched.clock.pump([1.0] * 7)
        watched.signs.note()
    assert {what for what, _ in watched.told} == {"ask"}


def test_a_long_turn(watched: Watched) -> None:
    """If this process was held up, so was perhaps the other: that is no reason to give it up."""
    watched.clock.advance(1000)
    assert watched.told == [("ask", 1000.0)]
    watched.signs.note()
    watched.clock.pump([1.0] * 9)
    assert {what for what, _ in watched.told} == {"ask"}


def test_end(watched: Watched) -> None:
    """Nobody is asked when nobody waits; what was asked before counts no longer."""
    watched.clock.pump([2.0] * 4)
    watched.signs.end()
    watched.clock.pump([2.0] * 10)
    assert len(watched.told) == 4
    watched.signs.begin()
    watched.clock.pump([2.0] * 4)
    assert [what for what, _ in watched.told] == ["ask"] * 8
    watched.signs.end()
    watched.signs.end()
    assert watched.clock.getDelayedCalls() == []

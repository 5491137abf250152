"""Tests of timers while somebody sets the clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import Clock, LoopingCall
from twisted.python import runtime

from cors_service.daemon.clock import keep_timers


class Clocks:
    """The clock of the system, which can be set, and one that can't."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.up = 5.0

    def wall(self) -> float:
        """The time of day."""
        return self.now

    def monotonic(self) -> float:
        """The seconds since the system has started."""
        return self.up

    def pass_by(self, seconds: float) -> None:
        """Have time pass."""
        self.now += seconds
        self.up += seconds


@pytest.fixture
def clocks() -> Clocks:
    """The clocks."""
    return Clocks()


@pytest.fixture
def reactor(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> SelectReactor:
    """A reactor with timers that go on."""
    made = SelectReactor()
    made.seconds = clocks.wall
    monkeypatch.setattr(runtime, "seconds", made.seconds)
    keep_timers(made, clocks.monotonic)
    return made


def turns(reactor: SelectReactor, clocks: Clocks, *, seconds: int) -> Callable[[], None]:
    """Give what has seconds pass, with a turn of the reactor in each."""

    def turn() -> None:
        for _ in range(seconds):
            clocks.pass_by(1.0)
            reactor.iterate()

    return turn


def test_set_back(reactor: SelectReactor, clocks: Clocks) -> None:
    """When the clock is set back by an hour, timers fire when they would have, in their order, and so do later ones."""
    fired: list[str] = []
    ends = [reactor.callLater(delay, fired.append, "never") for delay in (0.25, 0.5, 0.75)]
    ten_seconds = turns(reactor, clocks, seconds=10)
    reactor.callLater(9, fired.append, "later")
    reactor.callLater(8, fired.append, "first")
    moved = reactor.callLater(1, fired.append, "delayed")
    moved.delay(25)
    reactor.callLater(15, fired.append, "next")
    looping = LoopingCall(lambda: fired.append("."))
    looping.clock = reactor
    looping.start(5, now=False)
    reactor.iterate()
    for end in ends:
        end.cancel()
    clocks.now -= 3600
    ten_seconds()
    assert fired == [".", "first", "later", "."]
    reactor.callLater(3, fired.append, "new")
    ten_seconds()
    assert fired[4:] == ["new", ".", "next", "."] or fired[4:] == ["new", "next", ".", "."]
    ten_seconds()
    assert fired[8:] == [".", "delayed", "."]
    assert reactor.seconds() == clocks.now
    looping.stop()


def test_set_forward_and_back(reactor: SelectReactor, clocks: Clocks) -> None:
    """When the clock was set forward and is set back, what began meanwhile takes as long as it should."""
    fired: list[str] = []
    clocks.now += 3600
    reactor.iterate()
    reactor.callLater(2, fired.append, "late")
    clocks.now -= 3600
    turns(reactor, clocks, seconds=1)()
    assert fired == []
    turns(reactor, clocks, seconds=1)()
    assert fired == ["late"]


def test_reads_apart(reactor: SelectReactor, clocks: Clocks) -> None:
    """No timer moves because a process was interrupted between its looks at the two clocks."""
    call = reactor.callLater(5, print)
    clocks.up += 0.9
    reactor.iterate()
    assert call.getTime() == clocks.now + 5


def test_clock_of_a_test() -> None:
    """A clock that tests advance is left alone."""
    clock = Clock()
    before = clock.seconds
    keep_timers(clock)
    assert clock.seconds == before

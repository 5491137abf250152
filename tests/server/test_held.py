"""Tests of what is kept in memory for connections: which of them have to go, and when."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.task import Clock

from cors_service.server.channel import DecisionChannel
from cors_service.server.held import Held

MOST = 100_000
SECONDS = 40.0


class Stand:
    """What is known of a connection here: how much is kept for it, and how much of that waits for its client.

    Attributes:
        held: Bytes that are kept.
        unsent: Those of them that are handed over for sending.
        handed: All that were handed over.
    """

    def __init__(self) -> None:
        self.held = self.unsent = self.handed = 0


class World:
    """Connections, and those that had to go."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.gone: list[tuple[Any, str]] = []
        self.counts = Held(MOST, SECONDS, self.clock, lambda channel, why: self.gone.append((channel, why)))

    def answer(self, size: int, stand: Stand | None = None) -> Stand:
        """Hand over an answer for sending."""
        stand = stand or Stand()
        stand.held += size
        stand.unsent += size
        stand.handed += size
        self.counts.weigh(cast(DecisionChannel, stand))
        return stand

    def read(self, stand: Stand, size: int) -> None:
        """Have a client read some of it, which nobody is told."""
        stand.held -= size
        stand.unsent -= size

    def receive(self, size: int) -> Stand:
        """Receive a part of a request."""
        stand = Stand()
        stand.held = size
        self.counts.weigh(cast(DecisionChannel, stand))
        return stand

    def forget(self, stand: Stand) -> None:
        """Close a connection."""
        self.counts.forget(cast(DecisionChannel, stand))


@pytest.fixture
def world() -> World:
    """No connections yet."""
    return World()


def test_little(world: World) -> None:
    """What fits into the bound keeps nobody out."""
    for _ in range(10):
        world.answer(10_000)
    assert (world.gone, world.counts.total) == ([], MOST)


def test_the_one_that_holds_most_goes(world: World) -> None:
    """Beyond the bound, the connection goes for which most is kept."""
    world.answer(30_000)
    large = world.answer(50_000)
    world.answer(30_000)
    assert world.gone == [(large, "held")]
    assert world.counts.total == 60_000


def test_the_one_that_reads_nothing_goes(world: World) -> None:
    """A client that has read nothing for long goes before one that has just been answered, and before a request that
    is being received, even if more is kept for these.
    """
    silent = world.answer(20_000)
    world.clock.advance(10)
    world.receive(30_000)
    world.answer(40_000)
    world.answer(20_000)
    assert world.gone == [(silent, "held")]


def test_who_reads_does_not_go(world: World) -> None:
    """A client that reads, and is given more as it does, is not one that reads nothing."""
    reader = world.answer(40_000)
    silent = world.answer(30_000)
    for _ in range(10):
        world.clock.advance(5)
        world.read(reader, 40_000)
        world.answer(40_000, reader)
    assert world.gone == [(silent, "unread")]
    other = world.answer(30_000)
    world.clock.advance(5)
    world.read(reader, 10_000)
    world.answer(30_000, reader)
    world.answer(20_000)
    assert [why for _, why in world.gone] == ["unread", "held"]
    assert world.gone[1][0] in {other, reader}


def test_what_was_read_counts_no_longer(world: World) -> None:
    """However much was sent over many connections, only what waits counts."""
    for _ in range(100):
        world.read(world.answer(30_000), 30_000)
    assert world.gone == []


def test_unread_for_too_long(world: World) -> None:
    """An answer may wait for its time, give or take a quarter, and then its connection goes."""
    silent = world.answer(10_000)
    world.clock.pump([SECONDS / 10] * 9)
    assert world.gone == []
    world.clock.pump([SECONDS / 10] * 4)
    assert world.gone == [(silent, "unread")]
    assert world.clock.getDelayedCalls() == []


def test_slow_but_reading(world: World) -> None:
    """A client that takes in time what is handed over may take as long as it likes for all of a long answer."""
    slow = world.answer(10_000)
    for _ in range(100):
        world.clock.advance(SECONDS / 20)
        world.read(slow, 1_000)
        world.answer(1_000, slow)
    assert world.gone == []


def test_too_slow(world: World) -> None:
    """A client that takes a byte now and then is as good as one that takes nothing."""
    slow = world.answer(10_000)
    for _ in range(20):
        world.clock.advance(SECONDS / 10)
        world.read(slow, 1)
    assert world.gone == [(slow, "unread")]


def test_closed(world: World) -> None:
    """Of closed connections nothing is left."""
    for stand in [world.answer(10_000), world.answer(20_000)]:
        world.forget(stand)
        world.forget(stand)
    assert (world.counts.total, world.clock.getDelayedCalls()) == (0, [])


def test_small_ones_cost_nothing(world: World) -> None:
    """What is little for one connection is not looked at."""
    world.answer(100)
    assert (world.counts.total, world.clock.getDelayedCalls()) == (0, [])

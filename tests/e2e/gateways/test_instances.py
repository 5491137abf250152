"""Two instances of the decision service behind each gateway: what is lost while one restarts or pauses, or both do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.e2e.gateways.gateway import Gateway, running
from tests.e2e.gateways.instances import CLIENTS, Instance, Load, instances, paused
from tests.e2e.gateways.world import World
from tests.e2e.load.figures import tell

SOME = 100
"""Requests, of several clients."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Instance]]:
    """Two instances."""
    with instances(tmp_path_factory.mktemp("instances"), 2) as started:
        yield started


@pytest.fixture
def load(gateway: Gateway, pair: list[Instance], world: World, tmp_path: Path) -> Iterator[Load]:
    """Requests of pages and their preflights, to a gateway that asks the two."""
    first, second = pair
    with (
        running(gateway, tmp_path, world.application, first.port, gateway.patient, second=second.port) as port,
        Load(port) as started,
    ):
        started.more(SOME)
        yield started


def test_restarted_in_turn(gateway: Gateway, pair: list[Instance], load: Load) -> None:
    """While one is stopped and started again, and then the other, twice, no answer lacks what is decided.

    Nobody waits in between until the gateway has seen that the first one is back.
    """
    for instance in pair * 2:
        instance.restart()
    load.more(SOME)
    tell(f"{gateway.title}, restarted in turn: {load.found}")
    assert load.lost == []


def test_one_pauses(gateway: Gateway, pair: list[Instance], load: Load) -> None:
    """While one does nothing at all, whichever it is, no answer lacks what is decided."""
    for instance in pair:
        with paused(instance):
            # A gateway that prefers the other one notices nothing.
            load.more_slow(CLIENTS, most=5 * SOME)
        load.more(SOME)
    tell(f"{gateway.title}, one paused: {load.found}")
    assert load.lost == []


def test_both_pause(gateway: Gateway, pair: list[Instance], load: Load) -> None:
    """While both do nothing, those lack it that have waited in vain; from the first request behind it on, none does."""
    before = list(load.lost)
    with paused(*pair):
        load.more_lost(CLIENTS)
    resumed = monotonic()
    load.more(SOME)
    tell(f"{gateway.title}, both paused: {load.found}")
    assert (before, [one for one in load.lost if one.begun > resumed]) == ([], [])

"""Tests of what workers know of each other's connections."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.workers.loads import Loads


@pytest.fixture
def two() -> Iterator[tuple[Loads, Loads]]:
    """Give the numbers of three workers as two processes have them open."""
    descriptor = Loads.make(3)
    views = Loads(descriptor, 3), Loads(descriptor, 3)
    os.close(descriptor)
    yield views
    for view in views:
        view.close()


def test_one_sees_what_another_tells(two: tuple[Loads, Loads]) -> None:
    """Nobody is there at first; what one process tells, others see at once."""
    one, other = two
    assert [other.of(worker) for worker in (1, 2, 3)] == [None, None, None]
    one.tell(2, 7)
    assert [other.of(worker) for worker in (1, 2, 3)] == [None, 7, None]
    one.leave(2)
    assert other.of(2) is None


@pytest.mark.parametrize(
    ("numbers", "gives_way"),
    [
        ((1, 0, None), True),
        ((1, 1, 1), False),
        ((0, 5, 5), False),
        ((5, None, None), False),
        ((8, 7, 9), False),
        ((9, 7, 9), True),
        ((100, 88, 88), False),
        ((100, 80, 100), True),
    ],
)
def test_who_gives_way(two: tuple[Loads, Loads], numbers: tuple[int | None, ...], gives_way: bool) -> None:
    """A worker gives way to one that has clearly fewer, and never to one that is not there."""
    for worker, number in enumerate(numbers, start=1):
        if number is not None:
            two[0].tell(worker, number)
    assert two[1].has_more_than_another(1) is gives_way


@given(st.lists(st.integers(0, 10_000), min_size=3, max_size=3))
def test_somebody_takes_it(numbers: list[int]) -> None:
    """Whatever the numbers are, at least one worker gives way to nobody."""
    descriptor = Loads.make(3)
    loads = Loads(descriptor, 3)
    os.close(descriptor)
    for worker, number in enumerate(numbers, start=1):
        loads.tell(worker, number)
    assert not all(loads.has_more_than_another(worker) for worker in (1, 2, 3))
    loads.close()

"""Long work in short steps: between two of them, the service can decide."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final, TypeVar, cast

BATCH: Final = 200
"""Patterns of one step."""
_SORTED: Final = 10 * BATCH

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def at_once(steps: Generator[Any, None, _Result]) -> _Result:
    """Take steps, one after the other, and give what the generator returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(_Result, end.value)


def batches(items: Iterable[_Item], size: int = BATCH) -> Iterator[list[_Item]]:
    """Give items by the batch, a step each."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def sorted_in_steps(items: Iterable[Any]) -> Generator[None, None, list[Any]]:
    """Sort items, however many there are."""
    parts: list[list[Any]] = []
    for some in batches(items, _SORTED):
        some.sort()
        parts.append(some)
        yield
    if len(parts) < 2:
        return parts[0] if parts else []
    found: list[Any] = []
    for some in batches(merge(*parts)):
        found += some
        yield
    return found

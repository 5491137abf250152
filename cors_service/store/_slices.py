"""Work that is done in slices, so that the reactor never waits long for it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Final, TypeVar, cast

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

SLICE_SECONDS: Final = 0.0005
"""How long a slice may take, but for its last step."""
IDLE_SECONDS: Final = 0.0001
"""A turn of the reactor that takes no longer has found nearly nothing to do."""
SHARE: Final = 3
"""How many times as long as the last slice other things have the reactor at most, however many there are."""
_Result = TypeVar("_Result")


Steps = Generator[None, None, _Result]
"""Yields between two short steps."""


async def in_slices(steps: Steps[_Result], clock: IReactorTime) -> _Result:
    """Take steps, and let the reactor do other things now and then.

    Args:
        steps: The steps.
        clock: The reactor.

    Returns:
        What the generator returns.
    """
    begun = clock.seconds()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return cast(_Result, end.value)
        taken = clock.seconds() - begun
        if taken >= SLICE_SECONDS:
            await _leave_the_reactor(clock, SHARE * taken)
            begun = clock.seconds()


async def _leave_the_reactor(clock: IReactorTime, most: float) -> None:
    """Let the reactor do other things, until there are few of them, or they had so many seconds."""
    begun = clock.seconds()
    # The rest of the turn that this is called in, which does not look at what has come meanwhile.
    await deferLater(clock, 0)
    turn = clock.seconds()
    while turn - begun < most:
        before = turn
        await deferLater(clock, 0)
        turn = clock.seconds()
        if turn - before < IDLE_SECONDS:
            return

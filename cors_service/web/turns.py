"""Work that takes long, done a little in each turn of the reactor, so that nobody else waits for it.

All such work shares one slice of each turn: sixteen batches keep other callers waiting no longer than one does.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import CooperativeTask, Cooperator

SLICE_SECONDS: Final = 0.0005
"""How long all of it may take in a turn, but for the last step."""

Waits = Generator[Deferred[None] | None, None, None]
"""Steps that give nothing; one yields a Deferred if there is nothing to do until that fires."""


class Turns:
    """Takes steps of one work after the other, until a slice of the turn is over.

    Attributes:
        clock: The reactor.
        when_stepped: Is called after each step.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """Make one without work.

        Args:
            clock: The reactor.
        """
        self.clock = clock
        self.when_stepped: Callable[[], object] = lambda: None
        self._cooperator = Cooperator(self._until_the_slice_is_over, lambda work: clock.callLater(0, work))

    def take(self, steps: Iterator[Any]) -> CooperativeTask[Iterator[Any]]:
        """Begin work in the next turn.

        Args:
            steps: Short ones; one that yields a Deferred is followed by the next when that fires.
        """
        return self._cooperator.cooperate(steps)

    def _until_the_slice_is_over(self) -> Callable[[], bool]:
        end = self.clock.seconds() + SLICE_SECONDS

        def is_over() -> bool:
            self.when_stepped()
            return self.clock.seconds() >= end

        return is_over


def seated(seats: DeferredSemaphore) -> Waits:
    """Wait for a seat, which whoever waits has to give back; one that stops waiting has none.

    Args:
        seats: How many may do something at the same time.
    """
    ready: Deferred[None] = Deferred()
    seat = seats.acquire()
    seat.addCallbacks(lambda _: ready.callback(None), lambda _: None)
    try:
        yield ready
    except GeneratorExit:
        if ready.called:
            seats.release()
        else:
            seat.cancel()
        raise

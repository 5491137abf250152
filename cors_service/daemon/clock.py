"""Timers that go on when the system's clock is set back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from twisted.python import runtime

from cors_service._twisted import move_timers

# What lies between two looks at two clocks is far less, unless the process was not running.
_LEAST_STEP: Final = 1.0


def keep_timers(reactor: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
    """Have timers of a reactor go on when the clock is set back, which they would otherwise stand still for.

    The reactor's timers have dates, and wait for the system's clock to come to them. Its seconds must stay the time of
    day, which much is dated with.

    Whether it was set back is looked at in each turn of the reactor, not whenever somebody asks what time it is: that
    is twice a request.

    Args:
        reactor: The reactor. One with a clock of its own, such as tests have, is left alone.
        monotonic: Gives seconds that are never set.
    """
    wall: Callable[[], float] = reactor.seconds
    if wall is not runtime.seconds:
        return
    ahead = wall() - monotonic()
    run_due: Callable[[], None] = reactor.runUntilCurrent

    def run_due_by_moved_dates() -> None:
        nonlocal ahead
        step = wall() - monotonic() - ahead
        if step > 0.0 or step < -_LEAST_STEP:
            ahead += step
            if step < 0.0:
                move_timers(reactor, step)
        run_due()

    reactor.runUntilCurrent = run_due_by_moved_dates

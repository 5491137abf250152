"""Asks a store for what is new, in a thread that may block, and passes on what it finds."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from threading import Event as Flag
from threading import Thread
from typing import Final

from cors_service.follow.events import LEDGER_BROKEN, Confirmed, Event, Steps, Unreachable, Whole
from cors_service.grammar.mistakes import without_userinfo
from cors_service.ledger.entry import Head
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import IStoreSource, Step
from cors_service.reader.limits import OUT_OF_MEMORY

LAG_SECONDS: Final = 0.1
"""How long a store has to catch up with its own newest change: reads may come from a standby."""


class Follower:
    """Follows a store, round by round: what is new is read, and then the newest change, linearizably.

    Whether what it finds is good, and is served, it does not know: it goes on from what it has read last.
    """

    def __init__(
        self,
        source: IStoreSource,
        found: Callable[[Event], object],
        head: Head | None,
        interval: float,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Make a follower.

        Args:
            source: The store.
            found: Takes what is found, in the follower's thread.
            head: The change to go on from; None to read everything.
            interval: Seconds between two rounds, unless the store says sooner that there may be something new.
            clock: Gives seconds since 1970.
        """
        self._source = source
        self._found = found
        self._head = head
        self._interval = interval
        self._clock = clock
        self._again = Flag()
        self._woken = Flag()
        # The newest change that could not be had at once.
        self._missed: Head | None = None
        self._fault: str | None = None

    def start(self) -> None:
        """Follow, for ever."""
        Thread(target=self._run, daemon=True).start()

    def again(self) -> None:
        """Read everything in the next round, which begins at once. Any thread may call it."""
        self._again.set()
        self._woken.set()
        self._source.wake()

    @property
    def is_due(self) -> bool:
        """Whether everything is to be read."""
        return self._again.is_set() or self._head is None

    def read(self) -> None:
        """Read what is new.

        Raises:
            StoreUnavailable: The store can't be read.
        """
        if self._again.is_set():
            self._head = None
            self._again.clear()
        steps = None if self._head is None else self._steps_since(self._head)
        if steps is None:
            everything = self._source.everything()
            self._head = everything.head
            self._found(Whole(everything))
        elif steps:
            self._head = steps[-1].signed.head
            self._found(Steps(tuple(steps)))

    def _steps_since(self, head: Head) -> list[Step] | None:
        try:
            return self._source.since(head)
        except StoreUnavailable as error:
            if error.code != LEDGER_BROKEN:
                raise
            # What the changes led to is still there, with its revision.
            self._found(Unreachable(error.code, str(error)))
            return None

    def round(self) -> None:
        """Read what is new, and the newest change; wait until there may be more."""
        try:
            self.read()
            self._wait(self._confirm())
        except StoreUnavailable as error:
            self._found(Unreachable(error.code, str(error)))
            self._rest()
        except MemoryError:
            raise  # another process begins anew
        except Exception as error:  # noqa: BLE001 - whatever is wrong with what speaks to a store, policies stay
            self._found(Unreachable("store-unreachable", self._fault_of(error)))
            self._rest()

    def _run(self) -> None:
        try:
            while True:
                self.round()
        except MemoryError:
            os._exit(OUT_OF_MEMORY)

    def _confirm(self) -> float:
        """Read the newest change; give the seconds to wait."""
        moment = self._clock()
        head = self._source.head()
        self._found(Confirmed(head, moment))
        before, self._missed = self._missed, None
        if head == self._head:
            return self._interval
        self._missed = head
        if self._head is not None and head.seq <= self._head.seq:
            # The store went back, or has another history.
            self._head = None
        return 0 if before is None else min(LAG_SECONDS, self._interval)

    def _wait(self, seconds: float) -> None:
        if seconds > 0 and not self._again.is_set():
            self._source.wait(seconds)

    def _rest(self) -> None:
        """Leave a store that can't be read alone, for a while."""
        self._woken.wait(self._interval / 2)
        self._woken.clear()

    def _fault_of(self, error: Exception) -> str:
        """Write a fault to the log once, and give a sentence without what it may hold."""
        found = ascii(without_userinfo("".join(traceback.format_exception(error))))
        if found != self._fault:
            self._fault = found
            sys.stderr.write(f"{found}\n")
        return f"Reading the store failed ({type(error).__name__}); the log of the service says where."

"""Faults of servers and replicas, one after the other, in an order that a seed gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from queue import SimpleQueue
from random import Random
from threading import Thread
from types import TracebackType
from typing import Self

from tests.fleet.servers import Fault


class Faults:
    """The faults of a run; a thread does them, so that all others go on.

    Attributes:
        counts: How often each was done, by its name.
    """

    def __init__(self, kinds: Mapping[str, Fault], chance: Random) -> None:
        """Prepare them.

        Args:
            kinds: What may be done, by a name for people.
            chance: Gives the order, and how long each takes.
        """
        self.counts: Counter[str] = Counter()
        self._kinds = kinds
        self._chance = chance
        self._deck: list[str] = []
        self._wanted: SimpleQueue[str | None] = SimpleQueue()
        self._is_busy = False
        self._error: BaseException | None = None
        self._thread = Thread(target=self._work)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait until everything is mended."""
        self._wanted.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def strike(self) -> None:
        """Have the next one done, unless one is being done; each kind comes once before one comes again."""
        if self._is_busy or self._error is not None:
            return
        if not self._deck:
            self._deck = self._chance.sample(sorted(self._kinds), len(self._kinds))
        self._is_busy = True
        self._wanted.put(self._deck.pop())

    def _work(self) -> None:
        while (wanted := self._wanted.get()) is not None:
            try:
                self._kinds[wanted](self._chance)
            except BaseException as error:  # noqa: BLE001 - whoever started this raises it
                self._error = error
            self._is_busy = False
            # Whoever sees it counted may have the next one done.
            self.counts[wanted] += 1

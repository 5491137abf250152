"""A bounded cache of decisions, each for as long as the service allows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from cors_service.decision import Decision, Query
from cors_service.wire.received import Received

CACHE_SIZE: Final = 1000
"""Decisions."""


class DecisionCache:
    """Keeps decisions for equal queries. Several threads may use it at once."""

    def __init__(self, clock: Callable[[], float], size: int = CACHE_SIZE) -> None:
        """Make an empty cache.

        Args:
            clock: Gives seconds, from any start.
            size: How many decisions are kept; the oldest go first.
        """
        self._clock = clock
        self._size = size
        # Until when each revision counts as known.
        self._revisions: dict[str, float] = {}
        self._kept: dict[Query, tuple[float, Received]] = {}
        self._lock = threading.Lock()

    def get(self, query: Query) -> Decision | None:
        """Look up the decision about a query, if it still holds."""
        until, decision = self._kept.get(query, _NOTHING)
        return decision if self._clock() < until else None

    def keep(self, query: Query, decision: Received) -> None:
        """Keep a decision for as long as it may be used again.

        A decision of a new revision shows that the policies have changed, so all earlier ones are dropped. Where
        replicas differ for a while, two revisions come in turns, and both are known.
        """
        with self._lock:
            now = self._clock()
            self._revisions = {name: until for name, until in self._revisions.items() if now < until}
            if decision.revision not in self._revisions:
                self._kept = {}
            self._revisions[decision.revision] = now + decision.ttl
            if decision.ttl > 0 and query.is_small and self._size > 0:
                self._kept.pop(query, None)
                if len(self._kept) >= self._size:
                    del self._kept[next(iter(self._kept))]
                self._kept[query] = (now + decision.ttl, decision)


_NOTHING: Final[tuple[float, Received | None]] = (float("-inf"), None)

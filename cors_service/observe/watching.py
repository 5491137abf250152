"""Counts decisions, and notes single ones for the decision log and for the log of the service."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

from cors_service.decision import Decision, Query
from cors_service.observe.counted import Counted
from cors_service.observe.interfaces import Fact
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally, Tally

_KNOWN: Final = 10_000


class WatchedTally(Tally):
    """Counts as `Tally` does, and notes what is refused for the first time in a while."""

    def __init__(self, table: Table, sights: Sights) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            sights: Keeps what is refused.
        """
        super().__init__(table)
        self.sights = sights
        self._known: set[int] = set()

    def fact(self, query: Query, decision: Decision) -> Fact:
        """Give what counts a decision."""
        if decision.allowed is False and self.sights.has_room:
            self._watch(query, decision)
        # As in `Tally`, written out: every new decision passes here.
        key = (decision.kind, decision.allowed, decision.reason.code, decision.policy)
        place = self._places.get(key)
        return self._decisions(*key) if place is None else place

    def _watch(self, query: Query, decision: Decision) -> None:
        known = hash((decision.policy, query.origins, decision.reason.code))
        if known not in self._known:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known.add(known)
            self.sights.note(Counted.decided(query, decision))


class LoggedTally(RowTally):
    """Counts as `RowTally` does, and notes what is new."""

    def __init__(self, table: Table, sights: Sights) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            sights: Keeps what is new.
        """
        super().__init__(table, sights.note)
        self.sights = sights


class SampledTally(LoggedTally):
    """Counts as `LoggedTally` does, and notes a sample."""

    def __init__(self, table: Table, sights: Sights, fraction: float) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            sights: Keeps what is new, and the sample.
            fraction: The share of decisions that are in it.
        """
        super().__init__(table, sights)
        self._fraction = fraction

    def made(self, query: Query, decision: Decision) -> Fact:
        """Count a decision that was made; give what counts it again."""
        fact = super().made(query, decision)
        self._sample(fact)
        return fact

    def anew(self, fact: Fact) -> None:
        """Count what was made otherwise."""
        super().anew(fact)
        self._sample(fact)

    def again(self, fact: Fact) -> None:
        """Count a decision that was remembered."""
        super().again(fact)
        self._sample(fact)

    def batch(self, facts: Sequence[Fact], anew: int) -> None:
        """Count many decisions."""
        super().batch(facts, anew)
        for fact in facts:
            self._sample(fact)

    def _sample(self, fact: Fact) -> None:
        if random.random() < self._fraction:  # noqa: S311 - nobody gains by foreseeing it
            self.sights.sample(fact.what)

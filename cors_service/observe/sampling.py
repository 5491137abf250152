"""Counts decisions for a log that also tells of a sample of single ones."""

from __future__ import annotations

import random
from collections.abc import Sequence

from cors_service.decision import Decision, Query
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import RowFact, RowTally


class SampledTally(RowTally):
    """Counts as `RowTally` does, and notes a sample of all decisions."""

    def __init__(self, table: Table, sights: Sights, fraction: float) -> None:
        """Make one.

        Args:
            table: Where to count; nobody else counts there.
            sights: Keeps what is new, and the sample.
            fraction: The share of decisions that are in the sample.
        """
        super().__init__(table, sights)
        self._fraction = fraction

    def made(self, query: Query, decision: Decision) -> None:
        """Count a decision that was made."""
        super().made(query, decision)
        self._sample(self.fact(query, decision))

    def anew(self, fact: RowFact) -> None:
        """Count what was made otherwise."""
        super().anew(fact)
        self._sample(fact)

    def again(self, fact: RowFact) -> None:
        """Count a decision that was remembered."""
        super().again(fact)
        self._sample(fact)

    def batch(self, facts: Sequence[RowFact], anew: int) -> None:
        """Count many decisions."""
        super().batch(facts, anew)
        for fact in facts:
            self._sample(fact)

    def _sample(self, fact: RowFact) -> None:
        if random.random() < self._fraction:  # noqa: S311 - nobody gains by foreseeing it
            self.sights.sample(self.what(fact))

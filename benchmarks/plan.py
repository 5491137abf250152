"""How much is measured."""

from __future__ import annotations

from typing import Final, NamedTuple


class Plan(NamedTuple):
    """How much is measured.

    Attributes:
        rounds: How many to take medians of.
        seconds: Of a round, for each contender.
        short: Seconds of a point of a plot.
        warming: Seconds before the first that counts.
        steady: Seconds at one rate, for latencies.
        policies: Of a large set.
        quick: Whether it only shows that it works.
    """

    rounds: int
    seconds: int
    short: int
    warming: int
    steady: int
    policies: int
    quick: bool


FULL: Final = Plan(rounds=5, seconds=2, short=1, warming=1, steady=10, policies=100_000, quick=False)
QUICK: Final = Plan(rounds=1, seconds=1, short=1, warming=1, steady=2, policies=2_000, quick=True)

"""Figures that tests measure: how they are summed up and told. `pytest -rP` shows them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import quantiles
from typing import NamedTuple


class Latency(NamedTuple):
    """How long answers took, in seconds: half of them no longer than `p50`, 99 of 100 no longer than `p99`."""

    p50: float
    p99: float

    def __str__(self) -> str:
        return f"p50 {1000 * self.p50:.2f} ms, p99 {1000 * self.p99:.2f} ms"


def latency(seconds: Sequence[float]) -> Latency:
    """Sum up how long answers took."""
    cuts = quantiles(seconds, n=100)
    return Latency(cuts[49], cuts[98])


def tell(what: str) -> None:
    """Tell a figure to whoever asks for the output of tests."""
    sys.stdout.write(f"{what}\n")

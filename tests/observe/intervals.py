"""Intervals of decisions, made by hand."""

from __future__ import annotations

from msgspec import structs

from cors_service.observe.counted import Counted
from cors_service.observe.totals import Interval, Row

BEGIN, END = 1_795_000_000.0, 1_795_000_010.0

ALLOWED = Counted(
    kind="actual",
    allowed=True,
    reason="allowed",
    policy="shop",
    rule=1,
    origin="https://shop.example.com",
    method="GET",
    revision="sha256:12",
)
"""A decision that allows."""

REFUSED = structs.replace(
    ALLOWED, allowed=False, reason="origin-not-allowed", rule=None, origin="https://evil.example", kind="preflight"
)
"""A decision that refuses."""


def interval(*whats: Counted, count: int = 1, others: int = 0) -> Interval:
    """An interval in which each of some decisions was made so many times."""
    rows = {what: Row(count, BEGIN + 1, BEGIN + 2) for what in whats}
    return Interval(BEGIN, END, rows, others)

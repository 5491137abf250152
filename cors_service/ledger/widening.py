"""What the entry of a change says of its effect."""

from __future__ import annotations

import msgspec

from cors_service.algebra import Comparison
from cors_service.ledger.entry import Witness
from cors_service.wire.queries import write_query


def narrows(comparison: Comparison) -> bool:
    """Whether something is kept back that was let through."""
    return any(one.direction == "narrower" for one in comparison.differences)


def witness_of(comparison: Comparison) -> Witness | None:
    """Give a request that a change lets through; if there is none, one that it keeps back."""
    for direction in ("wider", "narrower"):
        for one in comparison.differences:
            if one.direction == direction:
                return Witness(one.sentence, msgspec.Raw(write_query(one.witness)))
    return None

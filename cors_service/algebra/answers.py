"""What two sets answer to one query, apart from a comparison of all queries."""

from __future__ import annotations

from cors_service.algebra._effects import effects
from cors_service.algebra._values import Answer, Direction
from cors_service.decision import Query


def kinds_of_difference(query: Query, before: Answer, after: Answer) -> list[tuple[Direction, str]]:
    """Say in what two answers to a query differ, as differences have it: directions, and what each is about."""
    return list(dict.fromkeys((effect.direction, effect.what) for effect in effects(query, before, after)))

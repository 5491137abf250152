"""Makes a visit: asks what is planned, one request after another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from cors_service.doctor.connection import Connector, UnreachableError
from cors_service.doctor.exchanges import Exchange, Role
from cors_service.doctor.visit import MOST, Visit

SECONDS: Final = 60.0
"""For a visit; what is not asked by then is not asked."""


def make_visit(visit: Visit, connector: Connector, progress: Callable[[int, int], object]) -> list[Exchange]:
    """Ask.

    Args:
        visit: What to ask.
        connector: Sends the requests.
        progress: Takes how many requests are done, and how many there are at most.

    Returns:
        What came of it. If nobody answers the page's own request, no more is asked.
    """
    done: list[Exchange] = []
    until = time.monotonic() + SECONDS
    question = next(visit)
    while True:
        progress(len(done), MOST)
        try:
            exchange = Exchange(question, connector.ask(question))
        except UnreachableError as error:
            exchange = Exchange(question, None, str(error))
        done.append(exchange)
        is_lost = exchange.answer is None and question.role is Role.ACTUAL
        if is_lost or len(done) == MOST or time.monotonic() > until:
            return done
        try:
            question = visit.send(exchange)
        except StopIteration:
            return done

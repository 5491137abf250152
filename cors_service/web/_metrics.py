"""`/metrics`, which Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Final

from twisted.internet.defer import Deferred

from cors_service.observe.exposition import Written
from cors_service.web.answer import NO_STORE, Answer
from cors_service.web.endpoint import Endpoint
from cors_service.web.later import Later, Steps
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest
from cors_service.web.turns import Turns

METRICS: Final = b"/metrics"
"""Its path."""

Measure = Callable[[str], Generator[Deferred[None] | None, None, Written]]
"""Writes metrics, in steps, in a format that an Accept header takes."""


class MetricsEndpoint(Endpoint):
    """`/metrics`: what was counted, over all processes.

    Attributes:
        measure: Writes it; None where nothing is counted.
    """

    def __init__(self, ids: Iterator[bytes], turns: Turns) -> None:
        super().__init__(ids)
        self.measure: Measure | None = None
        self._turns = turns

    def answer_GET(self, request: AnyRequest) -> Later:
        """Give the metrics."""
        if self.measure is None:
            raise Problem(404, "not-found", "Nothing is measured here.")
        accept = b",".join(request.requestHeaders.getRawHeaders(b"accept") or ()).decode("latin-1")
        return Later(self._turns, _steps(self.measure(accept)))


def _steps(measuring: Generator[Deferred[None] | None, None, Written]) -> Steps:
    written = yield from measuring
    return Answer(200, written.media_type, written.text, {"Cache-Control": NO_STORE})

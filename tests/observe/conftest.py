"""What the tests of this directory share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent

from tests.observing import observed_by


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the decision log tells in the log of the service."""
    events: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("cors_service.observe"):
            events.append(formatEvent(event))

    with observed_by(observe):
        yield events

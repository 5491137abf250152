"""What tests of stores have in common: the lines that go to the log."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, LogLevel, formatEvent

from tests.observing import observed_by


@pytest.fixture
def logged() -> Iterator[list[tuple[str, str]]]:
    """Give the level and the text of each event that the project logs, as they come."""
    lines: list[tuple[str, str]] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace", "").startswith("cors_service."):
            lines.append((event.get("log_level", LogLevel.info).name, formatEvent(event)))

    with observed_by(observe):
        yield lines

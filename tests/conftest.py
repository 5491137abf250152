"""What holds for every test: no failure of a Deferred goes unheard, nothing is left in the reactor."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.logger import LogEvent, globalLogPublisher


def pytest_collection_finish() -> None:
    """Leave what was imported out of the collections that follow each test: it is most of what there is."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[list[LogEvent]]:
    """Fail a test behind which a failure was logged, or a delayed call or a reader is left in the reactor.

    A test that provokes a failure takes it out of the list that this fixture gives.
    """
    failures: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            failures.append(event)

    before = _in_reactor()
    globalLogPublisher.addObserver(observe)
    try:
        yield failures
        # A Deferred tells of its unhandled failure when it is collected.
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observe)
    assert [event["log_failure"].getTraceback() for event in failures] == []
    left = _in_reactor() - before
    assert left == set()


def _in_reactor() -> set[Any]:
    core: Any = reactor
    # The waker of the reactor and the thread pool's business are not a test's.
    return {call for call in core.getDelayedCalls() if call.active()} | {
        reader for reader in core.getReaders() if type(reader).__name__ not in {"_UnixWaker", "_SIGCHLDWaker"}
    }

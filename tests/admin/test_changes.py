"""Who reads the store keeps nobody waiting who writes, and no look takes all threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from cors_service.admin.changes import MOST_ASIDE, Changes
from cors_service.ledger.directory import DirectoryStore
from tests.admin.trees import TEXTS


class Threads:
    """Threads that do nothing before they are told to.

    Attributes:
        busy: What each of them does, the oldest first.
    """

    def __init__(self) -> None:
        self.busy: list[Callable[[], None]] = []

    def run(self, call: Callable[..., Any], *given: Any) -> Deferred[Any]:
        """Have one of them do something."""
        done: Deferred[Any] = Deferred()
        self.busy.append(lambda: done.callback(call(*given)))
        return done

    def end(self) -> None:
        """Let the oldest come to its end."""
        self.busy.pop(0)()


@pytest.fixture
def threads() -> Threads:
    """Give threads."""
    return Threads()


@pytest.fixture
def changes(tmp_path: Path, threads: Threads) -> Changes:
    """Give what uses a store by these threads."""
    for name, text in TEXTS.items():
        (tmp_path / name).write_text(text)
    return Changes(DirectoryStore(tmp_path), Clock(), in_thread=threads.run)


def test_writers_first(changes: Changes, threads: Threads) -> None:
    """Who writes waits for the one who reads now, and not for all who want to."""
    done: list[str] = []
    for _ in range(5):
        changes.ask(lambda _: done.append("read"))
    changes.work(lambda _: done.append("written"))
    for _ in range(6):
        assert len(threads.busy) == 1
        threads.end()
    assert done == ["read", "written", *["read"] * 4]


def test_threads_left(changes: Changes, threads: Threads) -> None:
    """However much there is to be looked at, there are threads left for the store."""
    done: list[str] = []
    for _ in range(10 * MOST_ASIDE):
        changes.aside(lambda: done.append("looked"))
    assert len(threads.busy) == MOST_ASIDE
    changes.work(lambda _: done.append("written"))
    assert len(threads.busy) == MOST_ASIDE + 1
    while threads.busy:
        threads.end()
    assert len(done) == 10 * MOST_ASIDE + 1

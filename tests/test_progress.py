"""Tests of the bar that shows how far something is."""

from __future__ import annotations

from io import StringIO
from itertools import count
from threading import Event
from types import SimpleNamespace

import pytest

from cors_service.cli._progress import Progress


class Terminal(StringIO):
    """A terminal that says when something was drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = Event()

    def isatty(self) -> bool:
        """It is one."""
        return True

    def flush(self) -> None:
        """Say so."""
        self.drawn.set()


def test_bar() -> None:
    """On a terminal it shows how much is done, and in the end nothing stays."""
    terminal = Terminal()
    with Progress("Reading", terminal, delay=0) as progress:
        progress(3, 12)
        while "Reading [#######                       ] 3 of 12" not in terminal.getvalue():
            terminal.drawn.clear()
            assert terminal.drawn.wait(60)
    assert terminal.getvalue().endswith("\r\033[K")


def test_one_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one thing it shows for how long it takes."""
    # Each look at the clock takes seven seconds.
    clock = SimpleNamespace(monotonic=count(100.0, 7.0).__next__)
    monkeypatch.setattr("cors_service.cli._progress.time", clock)
    terminal = Terminal()
    with Progress("Reading", terminal, delay=0):
        assert terminal.drawn.wait(60)
    assert terminal.getvalue().startswith("\r\033[KReading ... 7 s")


def test_quick() -> None:
    """What is done before the delay is over draws nothing."""
    terminal = Terminal()
    with Progress("Reading", terminal, delay=3600):
        pass
    assert terminal.getvalue() == ""


def test_no_terminal() -> None:
    """In a pipeline, nothing is drawn, and no thread begins."""
    with Progress("Reading", stream := StringIO(), delay=0) as progress:
        progress(1, 2)
    assert stream.getvalue() == ""

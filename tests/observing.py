"""What is logged while a test runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class _Observer:
    def __init__(self, note: Callable[[LogEvent], object]) -> None:
        self._note = note

    def __call__(self, event: LogEvent) -> None:
        self._note(event)


@contextmanager
def observed_by(note: Callable[[LogEvent], object]) -> Iterator[None]:
    """Call a function with each event that is logged, until the block ends."""
    observer = _Observer(note)
    globalLogPublisher.addObserver(observer)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observer)

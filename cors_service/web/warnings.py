"""What callers do wrong, as lines in the log that no caller can fill."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

_SILENCE_SECONDS: Final = 60.0
_MAX_WARNINGS: Final = 256


class Warnings:
    """Lines in the log about what callers do wrong: each once a minute at most, and not too many of them."""

    _log: Final = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._last: dict[str, float] = {}

    def warn(self, subject: str, what: str) -> None:
        """Log what is wrong, unless there was a warning on that subject within the last minute."""
        now = self._clock.seconds()
        if len(self._last) >= _MAX_WARNINGS:
            self._last = {one: when for one, when in self._last.items() if now - when < _SILENCE_SECONDS}
        if now - self._last.get(subject, -_SILENCE_SECONDS) >= _SILENCE_SECONDS and len(self._last) < _MAX_WARNINGS:
            self._last[subject] = now
            self._log.warn("{what}", what=what)

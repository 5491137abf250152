"""A bar on a terminal for what takes longer than a second."""

from __future__ import annotations

import sys
import time
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self, TextIO

_DELAY: Final = 1.0
_PAUSE: Final = 0.1
_WIDTH: Final = 30
_ERASE: Final = "\r\033[K"


class Progress:
    """Shows how far something is, from a second after its begin until its end. It shows nothing but on a terminal."""

    def __init__(self, what: str, stream: TextIO | None = None, delay: float = _DELAY) -> None:
        """Make a bar.

        Args:
            what: What is done, such as "Reading".
            stream: Where it is shown; standard error by default.
            delay: Seconds before it is shown.
        """
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._delay = delay
        self._done, self._total = 0, 0
        self._ended = Event()
        self._thread: Thread | None = None

    def __call__(self, done: int, total: int) -> None:
        """Take note of how much is done; any thread may call it."""
        self._done, self._total = done, total

    def __enter__(self) -> Self:
        """Begin."""
        if self._stream.isatty():
            self._thread = Thread(target=self._draw, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, and leave nothing on the terminal."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _draw(self) -> None:
        begun = time.monotonic()
        if self._ended.wait(self._delay):
            return
        while True:
            self._stream.write(f"{_ERASE}{self._what} {self._shown(time.monotonic() - begun)}")
            self._stream.flush()
            if self._ended.wait(_PAUSE):
                break
        self._stream.write(_ERASE)
        self._stream.flush()

    def _shown(self, seconds: float) -> str:
        # One document alone says nothing until it is read.
        if self._total < 2:
            return f"... {seconds:.0f} s"
        full = _WIDTH * self._done // self._total
        return f"[{'#' * full}{' ' * (_WIDTH - full)}] {self._done} of {self._total}"

"""What a supervisor and its workers say to each other: a line for each message, a word and a value as JSON."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from threading import RLock
from typing import Any, Final

import msgspec

HELD_BACK: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}
"""Signals that a worker does not get before it knows what to do about them."""

LONGEST: Final = 1 << 20
"""Bytes of a line; what comes without an end is given up, so that memory stays bounded."""


class Lines:
    """Makes lines of what comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take a piece; give the lines that are complete with it, without their ends."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            lines.append(self._rest)
            self._rest = b""
        return iter(lines)

    def end(self) -> bytes:
        """Give the last line, which nothing ended."""
        rest, self._rest = self._rest, b""
        return rest


class Pipe:
    """Says things to the supervisor. A line is written as a whole, or waited with, as with the log of one process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = RLock()

    def say(self, word: str, value: object = None) -> None:
        """Say something; to nobody, if the supervisor is gone."""
        self.write(write(word, value))

    def write(self, line: bytes) -> None:
        """Write a line."""
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                return


def write(word: str, value: object) -> bytes:
    """Write a message."""
    return b"%b %b\n" % (word.encode("ascii"), msgspec.json.encode(value))


def read(line: bytes) -> tuple[str, Any]:
    """Read a message.

    Raises:
        ValueError: It is none.
    """
    word, _, value = line.partition(b" ")
    return word.decode("ascii"), msgspec.json.decode(value)

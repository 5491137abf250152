"""The two pipes between a worker and its supervisor, as the worker sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from threading import RLock
from typing import Final

from cors_service.reader.frames import Frames, decoded, framed
from cors_service.reader.messages import Message

_READ_BYTES: Final = 1 << 16


class Channel:
    """Says things to the supervisor, and hears what it says.

    A message is written as a whole, or waited with, as the log of a single process is.

    Attributes:
        hears: The descriptor at which the supervisor says something.
    """

    def __init__(self, hears: int, says: int) -> None:
        """Make a channel.

        Args:
            hears: The descriptor at which the supervisor says something; it ends with the supervisor.
            says: The descriptor on which to say something to it.
        """
        self.hears = hears
        self._says = says
        self._lock = RLock()
        self._frames = Frames()
        self._postponed: list[Message] = []

    def send(self, message: Message) -> None:
        """Say something; to nobody, if the supervisor is gone. Any thread may do so."""
        data = memoryview(framed(message))
        with self._lock:
            try:
                while data:
                    data = data[os.write(self._says, data) :]
            except OSError:
                return

    def receive(self, data: bytes) -> Iterator[Message]:
        """Take what has arrived, and give the messages that are whole."""
        return map(decoded, self._frames.take(data))

    def wait(self) -> Iterator[Message]:
        """Give messages as they arrive, before the reactor runs; no more once the supervisor is gone."""
        while data := os.read(self.hears, _READ_BYTES):
            yield from self.receive(data)

    def postpone(self, message: Message) -> None:
        """Leave a message to whoever asks for those that were left."""
        self._postponed.append(message)

    def postponed(self) -> list[Message]:
        """Give the messages that were left, once."""
        messages, self._postponed = self._postponed, []
        return messages

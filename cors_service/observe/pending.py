"""Lines that wait to be kept somewhere, and the account of all that ever came: it closes at any time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

MOST_BYTES: Final = 16 * 1024 * 1024
"""Bytes of lines that wait in memory while a disk is full."""


class Account(Struct, frozen=True):
    """What became of lines: `emitted = delivered + dropped + queued`.

    Attributes:
        emitted: How many there were.
        delivered: How many are where they should be.
        dropped: How many are lost, since there was no room for them or they were refused.
        queued: How many wait.
    """

    emitted: int = 0
    delivered: int = 0
    dropped: int = 0
    queued: int = 0


class Pending:
    """Lines that wait in memory; the oldest have to go if there are too many.

    Attributes:
        lines: The lines, the oldest first.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.lines: deque[bytes] = deque()
        self._most_bytes = most_bytes
        self._bytes = 0

    def add(self, lines: Sequence[bytes]) -> int:
        """Add lines, and give the number of those that had to go."""
        self.lines.extend(lines)
        self._bytes += sum(map(len, lines))
        dropped = 0
        while self._bytes > self._most_bytes:
            self.take(1)
            dropped += 1
        return dropped

    def first(self, most_bytes: int) -> list[bytes]:
        """Give the oldest, as many as have no more bytes together, line feeds included; one in any case."""
        some: list[bytes] = []
        size = 0
        for line in self.lines:
            size += len(line) + 1
            if some and size > most_bytes:
                break
            some.append(line)
        return some

    def put_back(self, line: bytes) -> None:
        """Have a line that was taken away wait again, as the oldest."""
        self.lines.appendleft(line)
        self._bytes += len(line)

    def take(self, number: int) -> None:
        """Take the oldest away."""
        for _ in range(number):
            self._bytes -= len(self.lines.popleft())


def counted(account: Account, *, emitted: int = 0, delivered: int = 0, dropped: int = 0) -> Account:
    """Give an account with more lines; what is neither delivered nor dropped is queued."""
    return Account(
        account.emitted + emitted,
        account.delivered + delivered,
        account.dropped + dropped,
        account.queued + emitted - delivered - dropped,
    )

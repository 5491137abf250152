"""What a site keeps in memory for its connections, and for how long: requests not answered, and answers not read.

Each connection has its own bounds, a body and an answer; here is the one of all of them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from cors_service.server.channel import DecisionChannel

_LITTLE: Final = 4096
"""Bytes of a connection that are not worth an entry."""
_LOOKS: Final = 4
"""How often it is looked at what waits while it may wait."""


class _Entry:
    """What is kept for a connection.

    Attributes:
        held: Bytes, as when they were counted last.
        mark: The client takes what is sent if it has taken this much of what was handed over.
        since: When that was so last.
    """

    __slots__ = ("held", "mark", "since")

    def __init__(self, mark: int, since: float) -> None:
        self.held = 0
        self.mark = mark
        self.since = since


class Held:
    """Counts what is kept, and says which connections have to go for it.

    Attributes:
        total: Bytes, and perhaps some that are sent already.
    """

    def __init__(
        self, most: int, seconds: float, clock: IReactorTime, close: Callable[[DecisionChannel, str], None]
    ) -> None:
        """Make one.

        Args:
            most: Bytes that may be kept for all connections together.
            seconds: How long a client may leave an answer unread.
            clock: The reactor.
            close: Closes a connection, for the reason `held` or `unread`.
        """
        self.total = 0
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._close = close
        self._entries: dict[DecisionChannel, _Entry] = {}
        self._looking: IDelayedCall | None = None

    def weigh(self, channel: DecisionChannel) -> None:
        """Count what is kept for a connection, since it may have become more."""
        held = channel.held
        entry = self._entries.get(channel)
        if entry is None:
            if held <= _LITTLE:
                return
            entry = self._entries[channel] = _Entry(channel.handed, self._clock.seconds())
            if self._looking is None:
                self._looking = self._clock.callLater(self._seconds / _LOOKS, self._look)
        self.total += held - entry.held
        entry.held = held
        if self.total > self._most:
            self._make_room()

    def forget(self, channel: DecisionChannel) -> None:
        """Count no longer what is kept for a connection: it is closed."""
        entry = self._entries.pop(channel, None)
        if entry is None:
            return
        self.total -= entry.held
        if not self._entries and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _make_room(self) -> None:
        """Close those that hold most for longest, until the rest is little enough."""
        now = self._clock.seconds()
        for channel in list(self._entries):
            self._count_again(channel, now)
        while self.total > self._most:
            worst = max(self._entries, key=lambda channel: self._weight(channel, now))
            self.forget(worst)
            self._close(worst, "held")

    def _weight(self, channel: DecisionChannel, now: float) -> float:
        entry = self._entries[channel]
        # Of those that have just come, the largest.
        return entry.held * (now - entry.since + 0.001)

    def _count_again(self, channel: DecisionChannel, now: float) -> None:
        entry = self._entries[channel]
        held = channel.held
        if held <= _LITTLE:
            self.forget(channel)
            return
        self.total += held - entry.held
        entry.held = held
        if channel.handed - channel.unsent >= entry.mark:
            entry.mark, entry.since = channel.handed, now

    def _look(self) -> None:
        """Close those that leave answers unread."""
        now = self._clock.seconds()
        self._looking = self._clock.callLater(self._seconds / _LOOKS, self._look)
        for channel, entry in list(self._entries.items()):
            self._count_again(channel, now)
            if channel in self._entries and now - entry.since >= self._seconds:
                self.forget(channel)
                self._close(channel, "unread")

"""How a site comes to its end without losing an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from cors_service.grammar.mistakes import plural
from cors_service.server.channel import DecisionChannel

GRACE_SECONDS: Final = 0.5
"""How long stopping waits for requests that are on their way over connections that look idle."""


class Draining(Protocol):
    """What is known of a site while it comes to its end.

    Attributes:
        channels: The open connections.
        received: How many requests came.
    """

    channels: dict[DecisionChannel, None]
    received: int


class Drain:
    """Answers the requests in flight, closes the port, then the connections.

    The port closes last: whoever connects while the service waits for others is answered, too. A service that waited
    behind a closed port would be away for longer whenever it is restarted.
    """

    _log: Final = Logger()

    def __init__(self, site: Draining, clock: IReactorTime) -> None:
        """Make one that does nothing yet.

        Args:
            site: What comes to its end; each answer says by now that it is the last of its connection.
            clock: The reactor.
        """
        self._site = site
        self._clock = clock
        self._late: set[DecisionChannel] = set()
        self._waiting: Deferred[None] | None = None

    def admitted(self, channel: DecisionChannel) -> None:
        """Take note of a connection that came late; its first request may be on its way."""
        self._late.add(channel)

    def forgotten(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""
        self._late.discard(channel)
        if self._waiting is not None and not self._site.channels:
            waiting, self._waiting = self._waiting, None
            waiting.callback(None)

    async def run(self, grace: float, limit: float, stop_listening: Callable[[], Awaitable[object]]) -> None:
        """Come to the end.

        Args:
            grace: Seconds before the port is closed if somebody is connected.
            limit: Seconds after which connections that are still open are cut.
            stop_listening: Closes the port.
        """
        cutting = self._clock.callLater(limit, self._cut)
        try:
            if self._site.channels:
                # Also if the last of them is closed before: its client may be about to connect again.
                await self._turned(grace)
            await stop_listening()
            await self._quiet()
            self._close_idle(self._late)
            await self._emptied(GRACE_SECONDS)
            self._close_idle(())
            await self._emptied()
        finally:
            if cutting.active():
                cutting.cancel()

    def _emptied(self, seconds: float | None = None) -> Deferred[None]:
        """Wait until no connection is open, or so many seconds have passed."""
        if not self._site.channels:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting = waiting
        if seconds is not None:
            call = self._clock.callLater(seconds, self._waited)
            waiting.addCallback(lambda _: call.cancel() if call.active() else None)
        return waiting

    def _waited(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _turned(self, seconds: float = 0) -> Deferred[None]:
        """Wait for the next turn of the reactor, or for so many seconds."""
        turned: Deferred[None] = Deferred()
        self._clock.callLater(seconds, turned.callback, None)
        return turned

    async def _quiet(self) -> None:
        """Wait for a turn of the reactor in which no request came."""
        # Until then the process was busy, and requests on other connections may be unread.
        received = None
        while received != self._site.received:
            received = self._site.received
            await self._turned()

    def _close_idle(self, spared: set[DecisionChannel] | tuple[()]) -> None:
        for channel in list(self._site.channels):
            if channel.is_idle and channel not in spared:
                channel.close_idle()

    def _cut(self) -> None:
        channels = list(self._site.channels)
        connections = plural(len(channels), "connection")
        self._log.warn(f"Cutting {{count}} {connections} that did not end in time", count=len(channels))
        for channel in channels:
            channel.transport.abortConnection()

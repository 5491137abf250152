"""The site of a server that runs a tree alone: what HTTP clients may do to it, and how it stops.

In another site, all of this is that site's business.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Protocol, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.web import http
from twisted.web.server import Site

from cors_service.limits import ServerLimits
from cors_service.observe.interfaces import IRequests, ITally
from cors_service.observe.tally import CLOSED
from cors_service.server.access_log import WholeLines
from cors_service.server.channel import DecisionChannel, DecisionRequest
from cors_service.server.connections import Connections, peer_name
from cors_service.server.drain import GRACE_SECONDS, Drain
from cors_service.server.held import Held
from cors_service.server.plain import PlainRequest
from cors_service.server.quick import QuickChannel
from cors_service.web.turns import Turns
from cors_service.web.warnings import Warnings


class _Ready(Protocol):
    draining: bool


class ServedTree(Protocol):
    """What the site needs of the tree that it serves.

    Attributes:
        ids: The names of its answers.
        tally: Counts what happens to connections.
        requests: Counts answers that no resource gives.
    """

    ids: Iterator[bytes]
    tally: ITally
    requests: IRequests

    @property
    def ready(self) -> _Ready:
        """The resource at `/readyz`."""


_WHY: Final = ("crowded", "peer", "held", "unread")


class DecisionSite(Site):
    """Serves a tree.

    Attributes:
        channels: The open connections, the one with the oldest last request first.
        draining: Whether the service is about to stop.
        limits: What clients can't exceed.
        received: How many requests came.
        turns: Where connections wait over which many requests came at once.
        closed: How many connections were broken off for others, by the reason: `crowded` (too many), `peer` (too many
            of an address), `held` (too much in memory), `unread` (the client read nothing for too long).
    """

    requestFactory = DecisionRequest
    # That it starts and stops is told with where it listens.
    noisy = False

    def __init__(
        self,
        tree: ServedTree,
        clock: IReactorTime,
        *,
        limits: ServerLimits | None = None,
        access_log: str | None = None,
        channel: type[DecisionChannel] = QuickChannel,
    ) -> None:
        """Make a site.

        Args:
            tree: Made by `decision_resource`, split off from one, or that of the admin process.
            clock: The reactor.
            limits: What clients can't exceed.
            access_log: A file for a line on each request, `-` for the log of the process, None for none.
            channel: Reads and answers the requests of a connection.
        """
        self.limits = limits or ServerLimits()
        path = None if access_log in {None, "-"} else access_log
        super().__init__(
            cast(Any, tree),
            timeout=self.limits.idle_timeout,
            reactor=clock,
            logPath=path,
            parsePOSTFormSubmission=False,
        )
        self.displayTracebacks = False
        self.protocol = channel  # type: ignore[assignment, method-assign]
        self._connections = Connections(self.limits.connections, self.limits.peer_connections)
        self.channels = self._connections.open
        self._waiting = self._connections.waiting
        self._held = Held(self.limits.held, self.limits.send_timeout, clock, self._close)
        self._warnings = Warnings(clock)
        self.turns = Turns(clock)
        self.closed = dict.fromkeys(_WHY, 0)
        self.draining = False
        self._tree = tree
        self._date = (-1, b"")
        self._access_log = access_log
        self._clock = clock
        self._drain: Drain | None = None
        self._retired_at = 0.0
        self.received = 0
        self._is_stopped = False

    def acceptableProtocols(self) -> list[bytes]:
        """Offer only HTTP/1.1 over TLS, even where Twisted has HTTP/2."""
        return [b"http/1.1"]

    def log(self, request: http.Request) -> None:
        """Write a line on a request, if there is an access log."""
        if self._access_log is not None:
            self._log(request)

    def log_plain(self, request: PlainRequest, channel: DecisionChannel, status: int, length: int) -> None:
        """Write a line on a plain request, if there is an access log.

        Args:
            request: The request.
            channel: The connection that it came over.
            status: The status of its answer.
            length: Bytes of the body of its answer.
        """
        if self._access_log is not None:
            request.client, request.code, request.sentLength = channel.getPeer(), status, length
            self._log(cast(http.Request, request))

    def _log(self, request: http.Request) -> None:
        """Write a line; a disk that is full costs the line, and neither the answer nor the connection."""
        try:
            super().log(request)
        except OSError as error:
            self._warnings.warn(
                "access log",
                f"The access log can't be written: {error.strerror}. Requests are answered; their lines may be lost.",
            )

    @property
    def date_line(self) -> bytes:
        """The Date header of an answer that is given now (RFC 9110, 6.6.1)."""
        now = int(self._clock.seconds())
        if now != self._date[0]:
            self._date = now, b"Date: %b\r\n" % http.datetimeToString(now)
        return self._date[1]

    def startFactory(self) -> None:
        """Open the access log. Twisted would begin another file whenever it has a megabyte, and remove none."""
        super().startFactory()
        if self.logPath is not None:
            self.logFile.close()
            self.logFile = WholeLines(self.logPath)

    def stopFactory(self) -> None:
        """Keep the access log open until the last connection is closed."""
        if self.channels:
            self._is_stopped = True
        else:
            super().stopFactory()

    def next_id(self) -> bytes:
        """Give a name to an answer that no resource gives."""
        return next(self._tree.ids)

    def count_refusal(self, status: int) -> None:
        """Count an answer that no resource gives."""
        self._tree.requests.answered(status)

    @property
    def held(self) -> int:
        """Bytes that are kept for all connections: of requests that are not answered, and of answers not read."""
        return self._held.total

    def admit(self, channel: DecisionChannel) -> None:
        """Take note of a new connection; make room for it if there are too many."""
        evicted = self._connections.admit(channel, channel.getPeer())
        if evicted is not None:
            # It ends in a later turn of the reactor.
            self._close(*evicted)
        if self._drain is not None:
            self._drain.admitted(channel)

    def begin(self, channel: DecisionChannel) -> None:
        """Take note that a part of a request came over a connection."""
        self._connections.begin(channel)

    def touch(self, channel: DecisionChannel) -> None:
        """Take note that a whole request came over a connection."""
        self.received += 1
        channels = self.channels
        if channel in channels:
            del channels[channel]
            channels[channel] = None
            if channel in self._waiting:
                self._connections.wait_no_longer(channel)

    def weigh(self, channel: DecisionChannel) -> None:
        """Take note that what is kept for a connection may have become more."""
        if channel in self.channels:
            self._held.weigh(channel)

    def forget(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""
        self._connections.forget(channel)
        self._held.forget(channel)
        if self._is_stopped and not self.channels:
            super().stopFactory()
        if self._drain is not None:
            self._drain.forgotten(channel)

    def _close(self, channel: DecisionChannel, why: str) -> None:
        """Break a connection off: it has to go for others."""
        self.closed[why] += 1
        self._tree.tally.add(CLOSED, why)
        peer = peer_name(channel.getPeer()) or "this machine"
        limits = self.limits
        subject, what = {
            "crowded": (why, f"All {limits.connections} connections are taken (--max-connections)"),
            "peer": (peer, f"{peer} has {limits.peer_connections} connections (--max-peer-connections)"),
            "held": (why, f"More than {limits.held} bytes wait to be answered or to be read (--max-held)"),
            "unread": (
                why,
                f"A client of {peer} reads no answers for {limits.send_timeout:g} seconds (--send-timeout)",
            ),
        }[why]
        self._warnings.warn(f"{why} {subject}", f"{what}: connections are closed, {self.closed[why]} so far")
        self._connections.forget(channel)
        self._held.forget(channel)
        channel.is_refused = True
        channel.transport.abortConnection()

    def retire(self) -> None:
        """Go on, but let each answer be the last of its connection, and tell load balancers to go elsewhere."""
        if self.draining:
            return
        self.draining = True
        self._retired_at = self._clock.seconds()
        # From now on it takes note of connections that come late.
        self._drain = Drain(self, self._clock)
        self._tree.ready.draining = True
        for channel in self.channels:
            channel.close_behind_answer()

    def drain(
        self, timeout: float, stop_listening: Callable[[], Awaitable[object]] = lambda: succeed(None)
    ) -> Deferred[None]:
        """Answer the requests in flight, then close the port and all connections.

        Args:
            timeout: Seconds after which connections that are still open are cut.
            stop_listening: Closes the port.

        Returns:
            A Deferred that fires when no connection is open.
        """
        self.retire()
        grace = min(self._retired_at + GRACE_SECONDS - self._clock.seconds(), timeout)
        assert self._drain is not None, "it is retired"
        return Deferred.fromCoroutine(self._drain.run(max(grace, 0), timeout, stop_listening))

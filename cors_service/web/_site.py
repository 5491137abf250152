"""The server around a tree: what HTTP clients may do to it, and how it comes to an end.

`DecisionSite` is for whoever runs the tree alone; in somebody else's site all of this is that site's business.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import Request, Site

from cors_service.web._endpoint import Answer, Problem
from cors_service.web._tree import DecisionTree

LINGER_SECONDS: Final = 2
"""How long a client that was refused may go on sending, so that it reads why before the connection breaks."""


class DecisionRequest(Request):
    """A request whose body is bounded before it is stored."""

    channel: DecisionChannel
    defaultContentType = None

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that says it is too long."""
        self._room = self.channel.site.max_body
        super().gotLength(length)
        if length is not None and length > self._room:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        """Refuse a body that turns out to be too long."""
        self._room -= len(data)
        if self._room < 0:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def process(self) -> None:
        """Answer, unless that was done already."""
        if not self.channel.is_refused:
            super().process()

    def setHeader(self, name: Any, value: Any) -> None:
        """Set a header, but not the one that Twisted sets to tell its version."""
        if name != b"Server":
            super().setHeader(name, value)

    def _refuse(self) -> None:
        detail = f"The body is larger than {self.channel.site.max_body} bytes."
        self.channel.refuse(Problem(413, "body-too-large", detail).answer())


class DecisionChannel(http.HTTPChannel):
    """A client's connection."""

    site: DecisionSite
    transport: ITCPTransport
    is_refused = False
    """Whether the connection got its last answer before its request was read."""

    def connectionMade(self) -> None:
        """Take note of the connection, so that it can be drained."""
        super().connectionMade()
        self.site.channels.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget the connection."""
        super().connectionLost(reason)
        self.site.forget(self)

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless the client was refused."""
        if not self.is_refused:
            super().dataReceived(data)

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Close behind this answer if the service is about to stop."""
        if self.site.draining:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def refuse(self, answer: Answer) -> None:
        """Answer a request that is not read any further, and close."""
        if self.is_refused:
            return
        self.is_refused = True
        status, media_type, body, headers = answer
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            f"Content-Type: {media_type}",
            f"Content-Length: {len(body)}",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in headers.items()),
            "Connection: close",
            "\r\n",
        ]
        self.transport.write("\r\n".join(lines).encode("ascii") + body)
        # A close while the client sends would reset the connection, and the answer might be lost with it.
        self.transport.loseWriteConnection()
        self.abortTimeout = 0
        self.setTimeout(LINGER_SECONDS)

    def drain(self) -> None:
        """Close the connection, at once if nothing is asked, else behind the answer."""
        if not self.requests:
            self.loseConnection()


class DecisionSite(Site):
    """Serves a tree.

    Attributes:
        channels: The open connections.
        draining: Whether the service is about to stop.
        max_body: Bytes that a request's body may have.
    """

    protocol = DecisionChannel  # type: ignore[assignment]
    requestFactory = DecisionRequest
    _log: Final = Logger()

    def __init__(
        self,
        tree: DecisionTree,
        clock: IReactorTime,
        *,
        max_body: int,
        idle_timeout: float = 60.0,
        access_log: str | None = None,
    ) -> None:
        """Make a site.

        Args:
            tree: What `decision_resource` gave.
            clock: The reactor.
            max_body: Bytes that a request's body may have.
            idle_timeout: Seconds after which a silent connection is closed.
            access_log: A file for a line on each request, `-` for the log of the process, None for none.
        """
        path = None if access_log in {None, "-"} else access_log
        super().__init__(tree, timeout=idle_timeout, reactor=clock, logPath=path, parsePOSTFormSubmission=False)
        self.displayTracebacks = False
        self.channels: set[DecisionChannel] = set()
        self.draining = False
        self.max_body = max_body
        self._tree = tree
        self._access_log = access_log
        self._clock = clock
        self._drained: Deferred[None] | None = None

    def acceptableProtocols(self) -> list[bytes]:
        """Speak HTTP/1.1 alone, also where Twisted could speak HTTP/2."""
        return [b"http/1.1"]

    def log(self, request: http.Request) -> None:
        """Write a line on a request, if that was wanted."""
        if self._access_log is not None:
            super().log(request)

    def drain(self, timeout: float) -> Deferred[None]:
        """Answer what was asked, then close all connections.

        Args:
            timeout: Seconds after which those that are still open are cut.

        Returns:
            A Deferred that fires when none is open.
        """
        self.draining = True
        self._tree.ready.draining = True
        for channel in list(self.channels):
            channel.drain()
        if not self.channels:
            return succeed(None)
        self._drained = Deferred()
        cutting = self._clock.callLater(timeout, self._cut)

        def done(result: None) -> None:
            if cutting.active():
                cutting.cancel()

        return self._drained.addCallback(done)

    def forget(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""
        self.channels.discard(channel)
        if self._drained is not None and not self.channels:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def _cut(self) -> None:
        self._log.warn("Cutting {count} connections that did not come to an end", count=len(self.channels))
        for channel in list(self.channels):
            channel.transport.abortConnection()

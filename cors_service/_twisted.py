"""Everything that we use of Twisted although it is private, each with the reason.

No other module touches a private name of Twisted, and `tests/test_twisted_privates.py` says which one is gone when a
version of Twisted drops it.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, cast

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.tcp import Connection
from twisted.logger import textFileLogObserver
from twisted.web.client import HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http import HTTPChannel
from twisted.web.resource import IResource, _IEncodingResource
from twisted.web.server import Request


class OpenChannel(HTTPChannel):
    """A channel that shows what `HTTPChannel` hides.

    Attributes:
        plain_connection: The transport where it is a connection of its own; None for TLS, which is on top of one.
        handed: Bytes that were handed over for sending, but for those that were sent at once.
    """

    transport: ITCPTransport
    plain_connection: Connection | None
    handed = 0
    _connection: Connection | None

    def connectionMade(self) -> None:
        """Find out what the transport is."""
        super().connectionMade()
        self.plain_connection = self.transport if isinstance(self.transport, Connection) else None
        below: Any = self.transport
        while below is not None and not isinstance(below, Connection):
            below = getattr(below, "transport", None)
        self._connection = below

    @property
    def unsent(self) -> int:
        """Bytes that wait to be sent."""
        below = self._connection
        return 0 if below is None else len(below.dataBuffer) - below.offset + below._tempDataLen

    def lose_below(self) -> None:
        """Close the connection beneath TLS once all is sent, without waiting for the client to close TLS."""
        if self._connection is not None:
            self._connection.loseConnection()

    @property
    def is_idle(self) -> bool:
        """Whether nothing was received of a request that is not answered yet."""
        # `_buffer`: what was received and not read. Twisted lets it be taken away, but not be looked at.
        return not self.requests and not self._buffer

    @property
    def unread(self) -> bytes:
        """What was received and not read yet."""
        return self._buffer

    @property
    def trailers(self) -> Sequence[bytes]:
        """The lines after the last chunk of a body, which no request shows."""
        # Only the decoder of chunks, one of two classes, has `_trailerHeaders`.
        return cast(Sequence[bytes], getattr(self._transferDecoder, "_trailerHeaders", ()))

    def refuse_malformed(self) -> None:
        """Refuse a request that Twisted finds malformed; sub-classes say what the answer is."""
        super()._respondToBadRequestAndDisconnect()

    def _respondToBadRequestAndDisconnect(self) -> None:
        # Twisted's own answer has no body that says what is wrong, and no other way to give one.
        self.refuse_malformed()

    def write(self, data: bytes) -> None:
        """Write as requests do; their heads are not counted."""
        super().write(data)
        self.handed += len(data)

    def write_at_once(self, data: bytes) -> bool:
        """Write in this turn of the reactor if nothing else waits to be written; Twisted writes in the next.

        Returns:
            Whether all of it was written.
        """
        connection = self.plain_connection
        # `_tempDataLen`: what was handed over for writing since the last turn, which `dataBuffer` does not have yet.
        if connection and connection.connected and not (connection.dataBuffer or connection._tempDataLen):
            sent = connection.writeSomeData(data)
            # A lost connection gives an exception, and the reactor will find that, too.
            if isinstance(sent, int):
                data = data[sent:]
        if data:
            self.transport.write(data)
            self.handed += len(data)
        return not data


class _QuietFactory(_HTTP11ClientFactory):
    noisy = False


class QuietPool(HTTPConnectionPool):
    """A pool that does not log each connection twice."""

    # The class of what makes connections; there is no public way to another one.
    _factory = _QuietFactory


def render_encoded(request: Request, resource: IResource) -> None:
    """Render a resource that was found beneath another one, through its encoder if it has one.

    `Request.process` does that for the resources of a site (twisted/web/server.py).
    """
    if _IEncodingResource.providedBy(resource):
        encoder = resource.getEncoder(request)
        if encoder is not None:
            request._encoder = encoder
    request.render(resource)


def log_as_text(options: MutableMapping[str, Any], words: Sequence[str]) -> None:
    """Have `twist` write its log as text wherever it goes, unless it was told a format.

    By itself it writes text to a terminal, and all that its events hold, as JSON, to anything else. What it chose is
    in its options (`TwistOptions.selectDefaultLogObserver`), but not whether somebody asked for it.

    Args:
        options: Those of `twist`, or of `twistd`, which always writes text.
        words: Its command line. Options may be abbreviated.
    """
    if options.get("logFormat") == "json" and not any(word.startswith("--log-fo") for word in words):
        options.update(logFormat="text", fileLogObserverFactory=textFileLogObserver)


def endpoint_port(endpoint: Any) -> int | None:
    """The port of a TCP endpoint, which Twisted does not check before it listens; None for other endpoints."""
    port = getattr(endpoint, "_port", None)
    return port if isinstance(port, int) else None


def endpoint_path(endpoint: Any) -> str | None:
    """The path of a UNIX endpoint, which Twisted lets be empty; None for other endpoints."""
    path = getattr(endpoint, "_address", None)
    return path if isinstance(path, str) else None


def endpoint_interface(endpoint: Any) -> str | None:
    """The address at which a TCP endpoint will listen, empty for all of them; None for other endpoints."""
    interface = getattr(endpoint, "_interface", None)
    return interface if isinstance(interface, str) else None


def move_timers(reactor: Any, seconds: float) -> None:
    """Move the dates of all timers of a reactor.

    Args:
        reactor: The reactor.
        seconds: How much later they fire.
    """
    # Cancelled ones, which `getDelayedCalls` leaves out, must move along: all alike, they stay in order.
    for call in [*reactor._pendingTimedCalls, *reactor._newTimedCalls]:
        call.time += seconds

"""One client's connection: reads requests more strictly than Twisted does, and within limits.

Twisted's channel accepts requests without Host or with two of them, `Transfer-Encoding: identity`, header values that
are folded over several lines, and one byte a minute for as long as a client cares to send them. Attackers look for
requests that a proxy reads in one way and a service in another, so all of this is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.internet.task import CooperativeTask
from twisted.python.failure import Failure
from twisted.web import http
from twisted.web.server import Request

from cors_service._twisted import OpenChannel
from cors_service.limits import ServerLimits
from cors_service.web.head import malformed_head
from cors_service.web.later import Reply
from cors_service.web.problem import Problem
from cors_service.web.turns import Turns

LINGER_SECONDS: Final = 2.0
"""How long a refused client may go on sending, so that it can read why before the connection breaks."""

MOST_IN_A_TURN: Final = 8
"""How many requests of a connection are answered before others have their turn: a client can send hundreds at once."""

MOST_PIECES: Final = 250
"""In how many pieces a body may come, beside one for each PIECE bytes: a chunk of a byte costs what a long one does."""
PIECE: Final = 512
# So much of a body is read before it is looked whether the rest is wanted.
_SLICE: Final = 2048

# A line of a trailer: any header, as long as all readers find its end (RFC 9112, 7.1.2).
_TRAILER: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*")


class ChannelSite(Protocol):
    """What a connection needs of its site; `DecisionSite` has it."""

    limits: ServerLimits
    draining: bool
    turns: Turns

    def admit(self, channel: DecisionChannel) -> None:
        """Take note of a new connection."""

    def begin(self, channel: DecisionChannel) -> None:
        """Take note that a part of a request came over a connection."""

    def touch(self, channel: DecisionChannel) -> None:
        """Take note that a whole request came over a connection."""

    def weigh(self, channel: DecisionChannel) -> None:
        """Take note that what is kept for a connection may have become more."""

    def forget(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""

    def next_id(self) -> bytes:
        """Give a name to an answer that no resource gives."""

    def count_refusal(self, status: int) -> None:
        """Count an answer that no resource gives."""

    def log(self, request: http.Request) -> None:
        """Write a line on a request, if there is an access log."""


class DecisionChannel(OpenChannel):
    """A connection of `DecisionSite`.

    Attributes:
        site: What it belongs to.
        is_refused: Whether nothing more is read from it: it has its last answer, or is being closed.
    """

    site: ChannelSite
    requests: list[DecisionRequest]

    def __init__(self) -> None:
        super().__init__()
        self.is_refused = False
        self._head_bytes = 0
        self._head_lines = 0
        # Of the request that is being read, as soon as Twisted has accepted it.
        self._request_line = b""
        self._is_receiving = False
        # Whether a request is complete and its answer is not.
        self._is_answering = False
        self._reply: Reply | None = None
        # Whether the client does not read what it is sent.
        self._is_stalled = False
        # How many requests were answered, and had others after them, since others had their turn.
        self._answered = 0
        self._resting: CooperativeTask[Iterator[object]] | None = None
        self._deadline: IDelayedCall | None = None

    @property
    def held(self) -> int:
        """Bytes that are kept for this connection: of requests that are not answered, and of answers not sent."""
        received = len(self.unread) + sum(request.received for request in self.requests)
        return received + self.unsent + (self._reply.held if self._reply else 0)

    def connectionMade(self) -> None:
        """Take part in the site's count of connections."""
        super().connectionMade()
        # Twisted's own limits differ.
        self.MAX_LENGTH = self.totalHeadersSize = self.site.limits.head
        self.maxHeaders = self.site.limits.head_lines
        self.site.admit(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Cancel what is pending."""
        self._cancel_deadline()
        if self._resting is not None:
            self._resting.stop()
            self._resting = None
        super().connectionLost(reason)
        self.site.forget(self)

    def dataReceived(self, data: bytes) -> None:
        """Read on, unless the client was refused; a request that has begun must be complete in time."""
        if self.is_refused:
            return
        if self._is_receiving:
            # Behind a request with a body, Twisted gives back what follows, and only stores it here.
            super().dataReceived(data)
            return
        self._is_receiving = True
        try:
            super().dataReceived(data)
        finally:
            self._is_receiving = False
        if self.is_idle or self.is_refused:
            return
        self.site.weigh(self)
        # While paused, or behind a request that is being answered, Twisted only stores what comes.
        if self.paused or self._is_answering:
            return
        if self.line_mode and b"\n" in self.unread:
            # Twisted would wait until the deadline for the CR of a line that ends in a bare LF.
            self._refuse(400, "request-malformed", "The lines of a request end in CR LF.")
        elif self._deadline is None:
            # Most requests come in one piece and need no timer.
            self._start_deadline()

    def pauseProducing(self) -> None:
        """Read and answer nothing more, since the client does not read the answers."""
        super().pauseProducing()
        self._is_stalled = True
        # Twisted would go on to read, since the answer that filled the buffer is still under way.
        self._pause()

    def resumeProducing(self) -> None:
        """Go on, in the turn that is to come if there is one."""
        super().resumeProducing()
        self._is_stalled = False
        if self._resting is None:
            self._go_on()

    def answered_one(self) -> None:
        """Leave others their turn if many requests came at once: there is more to read after one that was answered."""
        self._answered += 1
        if self._answered >= MOST_IN_A_TURN and not self.paused:
            self._pause()
            self._resting = self.site.turns.take(self._rest())

    def _rest(self) -> Iterator[object]:
        self._resting = None
        self._answered = 0
        if not self._is_stalled:
            self._go_on()
        yield from ()

    def _pause(self) -> None:
        self.paused = True
        producer = IPushProducer(self.transport, None)
        if producer is not None:
            producer.pauseProducing()

    def _go_on(self) -> None:
        """Read on, beginning with what was received meanwhile."""
        self.paused = False
        producer = IPushProducer(self.transport, None)
        if producer is not None and not self._is_answering:
            producer.resumeProducing()
        self.dataReceived(self.clearLineBuffer())

    def rawDataReceived(self, data: bytes) -> None:
        """Take a part of a body, and nothing more of one that is refused."""
        for start in range(0, len(data), _SLICE):
            if self.is_refused:
                return
            if self.line_mode:
                # The body was complete, and is answered: what is left begins another request.
                self.setLineMode(data[start:])
                return
            super().rawDataReceived(data[start : start + _SLICE])

    def lineReceived(self, line: bytes) -> None:
        """Take a line of a request's head."""
        if self.is_refused:
            return
        self._head_bytes += len(line) + len(self.delimiter)
        if self._head_bytes > self.site.limits.head:
            self._refuse_head()
        elif line[:1] in {b" ", b"\t"}:
            # https://www.rfc-editor.org/rfc/rfc9112#section-5.2: no continuation lines.
            self._refuse(400, "request-malformed", "A line of the request begins with white space.")
        else:
            self._head_lines += 1
            # The request line and the empty line at the end are not headers.
            if self._head_lines > self.site.limits.head_lines + 2:
                self._refuse_head()
                return
            super().lineReceived(line)
            # An empty line may come before it, and one comes after the headers, when it may be forgotten already.
            if not self.is_refused:
                self._request_line = self._request_line or line

    def lineLengthExceeded(self, line: bytes) -> None:
        """Refuse a line that is longer than a whole head may be."""
        self._refuse_head()

    def headerReceived(self, line: bytes) -> bool:
        """Take a header; one that Twisted stumbles over is malformed."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # a Content-Length of more digits than Python reads
            self.refuse_malformed()
            return False

    def allHeadersReceived(self) -> None:
        """Refuse a head that proxies and servers are known to read in different ways, before a body is read."""
        version = self._request_line.rpartition(b" ")[2]
        detail = malformed_head(self.requests[-1].requestHeaders, version)
        if detail is None:
            super().allHeadersReceived()
        else:
            self._refuse(400, "request-malformed", detail)

    def allContentReceived(self) -> None:
        """Answer a request that is complete."""
        if self.is_refused:
            return
        if not all(map(_TRAILER.fullmatch, self.trailers)):
            self._refuse(400, "request-malformed", "A line after the last chunk of the request is malformed.")
            return
        self._head_bytes = self._head_lines = 0
        self._request_line = b""
        self._cancel_deadline()
        self.site.touch(self)
        self._is_answering = True
        super().allContentReceived()
        if self.unread and not self._is_answering:
            self.answered_one()

    def requestDone(self, request: Request) -> None:
        """Read on after an answer."""
        self._is_answering = False
        super().requestDone(request)

    def write(self, data: bytes) -> None:
        """Write a part of an answer."""
        super().write(data)
        self.site.weigh(self)

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Take note of what holds the rest of an answer."""
        super().registerProducer(producer, streaming)
        self._reply = producer if isinstance(producer, Reply) else None

    def unregisterProducer(self) -> None:
        """Take note that all of an answer is written."""
        super().unregisterProducer()
        self._reply = None

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Close after the answer if the client wants that, or the service is about to stop."""
        # Twisted finds `close` only in the first line, and only between spaces; RFC 9110, 7.6.1 has lists.
        options = b",".join(request.requestHeaders.getRawHeaders(b"connection") or ()).lower().split(b",")
        if self.site.draining or b"close" in map(bytes.strip, options):
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def loseConnection(self) -> None:
        """Close once the answers are sent; what comes nevertheless, as it may over TLS, is not read."""
        self.is_refused = True
        super().loseConnection()

    def close_idle(self) -> None:
        """Close a connection over which nothing is under way.

        Over TLS, the client is told so, and not waited for (RFC 8446, 6.1): who keeps a connection for later reads
        nothing now.
        """
        self.loseConnection()
        if self.isSecure():
            self.lose_below()

    def close_behind_answer(self) -> None:
        """Close once the request that is being received is answered."""
        if self.requests:
            self.persistent = False
            self.requests[-1].responseHeaders.setRawHeaders(b"Connection", [b"close"])

    def refuse_malformed(self) -> None:
        """Refuse what Twisted itself does not accept, and say so."""
        self._refuse(400, "request-malformed", "The request is not valid HTTP/1.1.")

    def refuse(self, problem: Problem) -> None:
        """Answer a request without reading the rest of it, and close.

        Args:
            problem: The answer.
        """
        if self.is_refused:
            return
        self.is_refused = True
        self._cancel_deadline()
        self.setTimeout(None)
        self.clearLineBuffer()
        answer = problem.as_answer()
        own = b"Cors-Decision-Id: %b\r\nConnection: close\r\n" % self.site.next_id()
        self.site.count_refusal(answer.status)
        self.transport.write(b"%b%b\r\n%b" % (answer.head(), own, answer.body))
        self._log_refusal(answer.status, len(answer.body))
        # Closing while the client sends would reset the connection, and the answer might be lost.
        if self.isSecure():  # TLS ends with a message of its own, and can't be closed by halves
            self.loseConnection()
            return
        self.transport.loseWriteConnection()
        self._deadline = self.callLater(LINGER_SECONDS, self._abort)

    def _log_refusal(self, status: int, length: int) -> None:
        """Write a request that no resource saw into the access log, if its first line was read."""
        if self.requests and self._request_line:
            request = self.requests[-1]
            request.method, request.uri, request.clientproto = self._request_line.split(b" ")
            request.code, request.sentLength = status, length
            self.site.log(request)

    def _refuse(self, status: int, code: str, detail: str) -> None:
        self.refuse(Problem(status, code, detail))

    def _refuse_head(self) -> None:
        limits = self.site.limits
        detail = f"The head of the request is larger than {limits.head} bytes or {limits.head_lines} headers."
        self._refuse(431, "head-too-large", detail)

    def _late(self) -> None:
        self._deadline = None
        self._refuse(
            408, "request-timeout", f"The request took more than {self.site.limits.request_timeout:g} seconds."
        )

    def _abort(self) -> None:
        self._deadline = None
        self.transport.abortConnection()

    def _start_deadline(self) -> None:
        self.site.begin(self)
        self._deadline = self.callLater(self.site.limits.request_timeout, self._late)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class DecisionRequest(Request):
    """A request of `DecisionSite`; the size of its body is checked before it is stored.

    Attributes:
        received: Bytes of its body.
        pieces: In how many pieces these came, where it comes in chunks.
    """

    channel: DecisionChannel
    defaultContentType = None
    received = 0
    pieces = 0
    _is_chunked = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that says it is too long."""
        # Twisted would put a long one into a file, and there need not be a place for any.
        super().gotLength(0)
        self._is_chunked = length is None
        if length is not None and length > self.channel.site.limits.body:
            self._refuse(self._too_long)
            # Otherwise Twisted would still tell the client to send the body.
            self.requestHeaders.removeHeader(b"expect")

    def handleContentChunk(self, data: bytes) -> None:
        """Refuse a body that turns out to be too long, or comes a few bytes at a time."""
        self.received += len(data)
        self.pieces += self._is_chunked
        if self.received > self.channel.site.limits.body:
            self._refuse(self._too_long)
        elif self.pieces > MOST_PIECES + self.received // PIECE:
            self._refuse("The body comes in very many chunks of a few bytes each.")
        else:
            super().handleContentChunk(data)

    def setHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Set a header, but not the one in which Twisted reports its version."""
        if name != b"Server":
            super().setHeader(name, value)

    @property
    def _too_long(self) -> str:
        return f"The body is larger than {self.channel.site.limits.body} bytes."

    def _refuse(self, detail: str) -> None:
        self.channel.refuse(Problem(413, "body-too-large", detail))

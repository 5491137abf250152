"""Requests on a connection: both channels must answer alike, and read what h11 and Twisted's own channel read.

The first byte of an input says how many bytes a piece has in which the rest arrives, 0 for all in one piece.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import h11
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web import http

from cors_service.policy import Source, read_sources
from cors_service.server import DecisionSite, ServerLimits
from cors_service.server.channel import DecisionChannel
from cors_service.server.plain import PlainHeaders, read_plain
from cors_service.server.quick import QuickChannel
from cors_service.web import Limits, decision_resource

LIMITS = ServerLimits(head=1024, head_lines=16, body=2048)
"""Small, so that small inputs exceed them."""

PAUSE = 0.75
"""Seconds between two pieces."""

# Seconds behind the last piece: the end of lingering, of a request's time, of an idle connection's, of its abortion.
_LOOKS = (3.0, 11.0, 61.0, 77.0)
_POLICIES = Path(__file__).parents[1] / "etc" / "policies.toml"
_HEAD = re.compile(rb"HTTP/1\.[01] ([0-9]{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n")
# What is another in each answer.
_OWN = {b"cors-decision-id", b"date"}


class Read(NamedTuple):
    """A request as somebody read it; the names of headers are in lower case, and their order is that of the names."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Said(NamedTuple):
    """An answer, but for what is another in each."""

    status: bytes
    lines: list[tuple[bytes, bytes]]
    body: bytes


class Exchange(NamedTuple):
    """What became of a connection.

    Attributes:
        answers: What was said on it.
        fates: At several times, how many bytes had been said, and how far the connection was closed.
        log: Lines of the access log.
        quick: How many answers were to requests read in one go.
    """

    answers: list[Said]
    fates: list[tuple[int, str]]
    log: list[str]
    quick: int


class Counting(QuickChannel):
    """A quick channel that counts the requests that it reads in one go."""

    quick = 0

    def write_at_once(self, data: bytes) -> bool:
        """Count, and write."""
        self.quick += 1
        return super().write_at_once(data)


class Wire(StringTransport):
    """A transport in memory that knows how far it was closed."""

    is_half_closed = False

    def __init__(self) -> None:
        super().__init__(lenient=True)

    def loseWriteConnection(self) -> None:
        """Take note."""
        self.is_half_closed = True

    @property
    def fate(self) -> str:
        """How far it was closed."""
        if self.disconnected:
            return "aborted"
        if self.disconnecting:
            return "closed"
        return "half closed" if self.is_half_closed else "open"


POLICY_SET = read_sources([Source(None, "toml", _POLICIES.read_text("utf-8"))])
# Each channel has a tree of its own, so that none finds in a memory what the other has put there.
_TREES = {
    channel: decision_resource(POLICY_SET, limits=Limits(body=LIMITS.body), clock=Clock())
    for channel in (Counting, DecisionChannel)
}


def check(data: bytes) -> None:
    """Hold the two channels against each other, and what is read in one go against other readers."""
    size = data[0] if data else 0
    sent = data[1:]
    compare([sent[at : at + size] for at in range(0, len(sent), size)] if size else [sent])


def compare(pieces: Sequence[bytes]) -> Exchange:
    """Give the same pieces to both channels, and all of them to the readers of plain requests.

    Args:
        pieces: What arrives, piece by piece.

    Returns:
        What became of the quick channel's connection.

    Raises:
        AssertionError: The channels differ, or readers do.
    """
    check_plain(b"".join(pieces))
    quick, slow = exchange(Counting, pieces), exchange(DecisionChannel, pieces)
    assert quick[:-1] == slow[:-1], f"{quick}\n{slow}"
    return quick


def exchange(channel: type[DecisionChannel], pieces: Sequence[bytes]) -> Exchange:
    """Give pieces to a channel, and wait until nothing can happen any more."""
    clock, wire, log = Clock(), Wire(), io.StringIO()
    clock.advance(1e9)
    site = DecisionSite(_TREES[channel], clock, limits=LIMITS, access_log="-", channel=channel)
    site._logFile, site._logDateTime = log, "[]"
    connection: Any = site.buildProtocol(None)
    connection.makeConnection(wire)
    fates: list[tuple[int, str]] = []

    def look() -> None:
        fates.append((sum(len(answer.body) for answer in said(wire.value())), wire.fate))

    for piece in pieces:
        if wire.disconnecting:
            break
        connection.dataReceived(piece)
        look()
        clock.advance(PAUSE)
    for before, now in pairwise((0.0, *_LOOKS)):
        clock.advance(now - before)
        look()
    assert wire.disconnecting, "no connection is open for ever"
    connection.connectionLost(Failure(ConnectionDone()))
    assert clock.getDelayedCalls() == [], "nothing is left behind"
    assert not site.channels
    answers = list(said(wire.value()))
    ids = [value for answer in _answers(wire.value()) for name, value in answer.lines if name == b"cors-decision-id"]
    assert len(ids) == len(set(ids))
    return Exchange(answers, fates, log.getvalue().splitlines(), getattr(connection, "quick", 0))


def said(data: bytes) -> Iterator[Said]:
    """Read answers, but for what is another in each."""
    for answer in _answers(data):
        lines = [(name, b"" if name in _OWN else value) for name, value in answer.lines]
        assert answer.status != b"500"
        assert len({name for name, _ in lines}) == len(lines), "no header stands twice"
        yield Said(answer.status, sorted(lines), answer.body)


def _answers(data: bytes) -> Iterator[Said]:
    """Read answers; one to HEAD has no body, whatever it says."""
    while data:
        head = _HEAD.match(data)
        assert head is not None, data
        lines = [line.split(b": ", 1) for line in head[2].split(b"\r\n")[:-1]]
        named = [(name.lower(), value) for name, value in lines]
        data = data[head.end() :]
        length = int(dict(named).get(b"content-length", b"0"))
        if not data or data.startswith(b"HTTP/1."):
            length = 0
        assert len(data) >= length
        yield Said(head[1], named, data[:length])
        data = data[length:]


def check_plain(data: bytes) -> int:
    """Read as many plain requests as there are, and hold each against what others read.

    Returns:
        How many there are.
    """
    start = count = 0
    while start < len(data):
        request, end = read_plain(data, start, LIMITS)
        if request is None:
            if end:
                _check_begun(data[start:], end - start)
            break
        assert start < end <= len(data)
        ours = Read(request.method, request.uri, _lines(request.requestHeaders), request.content.read())
        assert read_by_h11(data[start:]) == (ours, data[end:])
        assert read_by_twisted(data[start:end]) == [ours]
        # Nothing that follows may change what is read, and nothing that came before.
        assert _ends(data[start:end]) == end - start
        start, count = end, count + 1
    return count


def _check_begun(data: bytes, length: int) -> None:
    """A request that waits for its body is complete, to each reader, when so many bytes are there, and not before."""
    assert len(data) < length <= LIMITS.head + LIMITS.body
    whole = data.ljust(length, b"x")
    assert read_plain(whole[:-1], 0, LIMITS) == (None, length)
    assert check_plain(whole) == 1
    assert _ends(whole) == length
    assert read_by_twisted(whole[:-1]) == []


def _ends(data: bytes) -> int:
    request, end = read_plain(data, 0, LIMITS)
    assert request is not None
    return end


def _lines(headers: PlainHeaders) -> list[tuple[bytes, bytes]]:
    return sorted((name, value) for name, values in headers.items() for value in values)


def read_by_h11(data: bytes) -> tuple[Read, bytes]:
    """Read one request; give what follows it, too.

    Raises:
        h11.RemoteProtocolError: It is none.
        AssertionError: It is not complete.
    """
    reader = h11.Connection(h11.SERVER)
    reader.receive_data(data)
    request, body = reader.next_event(), b""
    assert isinstance(request, h11.Request)
    event = reader.next_event()
    while isinstance(event, h11.Data):
        body += bytes(event.data)
        event = reader.next_event()
    assert isinstance(event, h11.EndOfMessage)
    return Read(request.method, request.target, sorted(request.headers), body), reader.trailing_data[0]


def read_by_twisted(data: bytes) -> list[Read]:
    """Read requests as a channel of Twisted's own does."""
    found: list[Read] = []

    class Taken(http.Request):
        def __init__(self, channel: http.HTTPChannel, *_: object) -> None:
            super().__init__(channel, parsePOSTFormSubmission=False)

        def process(self) -> None:
            lines = [
                (name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values
            ]
            assert self.content is not None
            found.append(Read(self.method, self.uri, sorted(lines), self.content.read()))
            self.finish()

    factory = http.HTTPFactory(reactor=Clock())
    connection: Any = factory.buildProtocol(None)
    # The factory has a channel that asks which version of HTTP it is to be.
    connection._channel.requestFactory = Taken
    connection.makeConnection(Wire())
    connection.dataReceived(data)
    connection.connectionLost(Failure(ConnectionDone()))
    return found

"""Tests of connections whose clients read answers slowly, in parts, or never.

On either channel no byte is lost, doubled or in another order, and what waits to be sent is bounded.
"""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import main, reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import clientFromString, serverFromString
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IProtocolFactory
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from cors_service.server import DecisionSite, ServerLimits
from cors_service.server.channel import MOST_PIECES, DecisionChannel
from cors_service.server.quick import QuickChannel
from fuzz.request import said
from tests.certificates import Authority
from tests.web.traversal import tree

# Twisted gives pyOpenSSL objects of its own kind.
pytestmark = pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")

CHANNELS = [QuickChannel, DecisionChannel]
SECONDS = 30.0
# What a transport of Twisted's takes before it asks its producer to pause.
BUFFER = 2**16
DOCUMENT = {
    "version": 1,
    "policies": {f"policy-{number}": {"origins": [f"https://a{number}.example"]} for number in range(150)},
}
TREE = tree(DOCUMENT)
LARGEST = 40_000
"""Bytes of the largest answer, its head included."""

QUERY = b'{"policy":"policy-7","method":"GET","origin":"https://a7.example"}'


def request(number: int) -> bytes:
    """A request with a number that the answer repeats: of all sizes, most of them plain."""
    end = b"Host: a\r\nX-Request-ID: %d\r\n\r\n" % number
    match number % 7:
        case 0:
            return b"GET /v1/policies HTTP/1.1\r\n" + end
        case 3:
            return b"POST /v1/decision HTTP/1.1\r\nContent-Length: %d\r\n%b%b" % (len(QUERY), end, QUERY)
        case 4:
            chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(QUERY), QUERY)
            return b"POST /v1/decision HTTP/1.1\r\nTransfer-Encoding: chunked\r\n%b%b" % (end, chunks)
        case 5:
            return b"HEAD /v1/policies HTTP/1.1\r\n" + end
        case 6:
            return b"GET /v1/policies HTTP/1.1\r\nIf-None-Match: *\r\n" + end
    return b"GET /livez HTTP/1.1\r\n" + end


def alone(number: int) -> bytes:
    """The answer to that request on a connection of its own, without what differs in each answer."""
    connection, wire = connected(DecisionChannel)[1:]
    connection.dataReceived(request(number))
    connection.connectionLost(Failure(ConnectionDone()))
    return masked(wire.value())


def masked(received: bytes) -> bytes:
    """Answers, without what differs in each."""
    return b"".join(
        b"%b %b\n%b\n" % (answer.status, b"; ".join(b": ".join(line) for line in answer.lines), answer.body)
        for answer in said(received)
    )


def expected(numbers: Iterable[int]) -> bytes:
    """All answers to these requests, in order, without what differs in each."""
    answers = {number % 7: alone(number % 7) for number in numbers}
    return b"".join(
        answers[number % 7].replace(b"x-request-id: %d" % (number % 7), b"x-request-id: %d" % number)
        for number in numbers
    )


class Narrow(StringTransport):
    """A transport in memory whose client reads as much as a test says, and which asks for a pause as real ones do."""

    def __init__(self) -> None:
        super().__init__(lenient=True)
        self.taken = b""
        self._pausing = False

    @property
    def waiting(self) -> int:
        """How many bytes wait to be sent."""
        return len(self.value())

    def write(self, data: bytes) -> None:
        """Ask for a pause if that is too much."""
        super().write(data)
        if self.waiting > BUFFER and self.producer is not None:
            self._pausing = True
            self.producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Ask for a pause if that is too much."""
        self.write(b"".join(data))

    def loseWriteConnection(self) -> None:
        """Send nothing more."""

    def take(self, size: int) -> None:
        """Let the client read some bytes; when it has them all, the pause ends."""
        waiting = self.value()
        self.clear()
        self.io.write(waiting[size:])
        self.taken += waiting[:size]
        if self._pausing and not self.waiting and self.producer is not None:
            self._pausing = False
            self.producer.resumeProducing()


def connected(channel: type[DecisionChannel], **limits: Any) -> tuple[DecisionSite, Any, Narrow]:
    """A connection in memory."""
    clock = Clock()
    clock.advance(1e9)
    site = DecisionSite(TREE, clock, limits=ServerLimits(**limits), channel=channel)
    connection: Any = site.buildProtocol(None)
    wire = Narrow()
    connection.makeConnection(wire)
    return site, connection, wire


@pytest.mark.slow
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("size", [1, 7, 100, 60_000])
def test_client_in_memory(channel: type[DecisionChannel], size: int) -> None:
    """A client that sends many requests, so many in a piece, and reads nothing is not read any more when its answers
    fill a buffer; then it gets the answers to all of them, in order, as it goes on reading.
    """
    numbers = range(420)
    site: Any
    site, connection, wire = connected(channel)
    sent = [request(number) for number in numbers]
    pieces = [b"".join(sent[at : at + size]) for at in range(0, len(sent), size)]
    paused = 0
    while pieces or wire.waiting:
        while pieces and wire.producerState == "producing":
            connection.dataReceived(pieces.pop(0))
            assert wire.waiting <= BUFFER + LARGEST
        paused += wire.producerState == "paused"
        # Others have their turn between a few of many requests.
        site._clock.advance(0)
        wire.take(10_000)
        assert wire.waiting <= BUFFER + LARGEST
    assert paused > 100
    connection.connectionLost(Failure(ConnectionDone()))
    assert masked(wire.taken) == expected(numbers)


@pytest.mark.parametrize("channel", CHANNELS)
def test_body_behind_a_pause(channel: type[DecisionChannel]) -> None:
    """What arrives while nothing is read, such as the rest of a body, is read behind the pause."""
    _, connection, wire = connected(channel)
    sent = b"".join(map(request, [0, 0, 3, 3]))
    connection.dataReceived(sent[:-40])
    connection.dataReceived(sent[-40:-20])
    assert wire.producerState == "paused"
    assert len(list(said(wire.value()))) == 2
    wire.take(wire.waiting)
    assert len(list(said(wire.value()))) == 1
    connection.dataReceived(sent[-20:])
    wire.take(wire.waiting)
    connection.connectionLost(Failure(ConnectionDone()))
    assert masked(wire.taken) == expected([0, 0, 3, 3])


@pytest.mark.parametrize("channel", CHANNELS)
def test_client_that_never_reads(channel: type[DecisionChannel]) -> None:
    """A client that never reads is closed after the idle timeout, then cut, and leaves nothing behind."""
    site, connection, wire = connected(channel, idle_timeout=30.0)
    clock: Any = site._clock
    while wire.producerState == "producing":
        connection.dataReceived(b"".join(map(request, range(7))))
    answered = wire.value()
    clock.advance(29)
    assert not wire.disconnecting
    clock.advance(2)
    assert (wire.disconnecting, wire.disconnected) == (True, False)
    clock.advance(DecisionChannel.abortTimeout)
    assert wire.disconnected
    assert wire.value() == answered
    connection.connectionLost(Failure(ConnectionDone()))
    assert (clock.getDelayedCalls(), list(site.channels)) == ([], [])


@pytest.mark.parametrize("channel", CHANNELS)
def test_drained_while_paused(channel: type[DecisionChannel]) -> None:
    """Requests that were read before the service began to stop are answered when the client reads on."""
    site, connection, wire = connected(channel)
    clock: Any = site._clock
    connection.dataReceived(b"".join(map(request, [0, 0, 1, 2])))
    ended = site.drain(20.0)
    clock.pump([0.5] * 4)
    assert not wire.disconnecting
    wire.take(wire.waiting)
    assert wire.disconnecting
    wire.take(wire.waiting)
    connection.connectionLost(Failure(ConnectionDone()))
    assert ended.called
    answers = list(said(wire.taken))
    assert [dict(answer.lines)[b"x-request-id"] for answer in answers] == [b"0", b"0", b"1"]
    assert dict(answers[-1].lines)[b"connection"] == b"close"


# Over real sockets.


class Client(Protocol):
    """A connection of a client.

    Attributes:
        received: Every byte.
        gone: Fires when the connection is closed.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = bytearray()
        self.gone: Deferred[None] = Deferred()
        self._waiting: tuple[int, Deferred[None]] | None = None

    def dataReceived(self, data: bytes) -> None:
        """Take note."""
        self.received += data
        if self._waiting is not None and self.received.count(b"Cors-Decision-Id: ") >= self._waiting[0]:
            waiting, self._waiting = self._waiting[1], None
            waiting.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note."""
        self.gone.callback(None)

    async def send_and_stop_reading(self, data: bytes) -> None:
        """Send something, and read nothing that is answered to it."""
        # Behind a first answer: TLS needs both directions to begin.
        self.transport.write(request(1))
        await self.answers(1)
        self.received.clear()
        self.transport.pauseProducing()
        self.transport.write(data)

    def answers(self, count: int) -> Deferred[None]:
        """Wait until the heads of that many answers have come; the last one has no body."""
        waiting: Deferred[None] = Deferred()
        self._waiting = count, waiting
        self.dataReceived(b"")
        return waiting.addTimeout(SECONDS, reactor)


class SmallSite(DecisionSite):
    """A site whose connections have the smallest buffers that the system allows.

    Attributes:
        meddle: Called with each new connection.
    """

    meddle: Callable[[Any], None] = staticmethod(lambda _: None)

    def admit(self, channel: DecisionChannel) -> None:
        """Take note of a new connection."""
        super().admit(channel)
        below: Any = channel.transport
        while not hasattr(below, "socket"):
            below = below.transport
        below.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.meddle(below)


class Turning(Clock):
    """A clock that stands still, beneath which the reactor has its turns."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:  # noqa: A002 - as in the base
        """Do something later; in the next turn if no time is to pass."""
        if delay:
            return super().callLater(delay, callable, *args, **kw)
        call: IDelayedCall = reactor.callLater(0, callable, *args, **kw)
        return call


@asynccontextmanager
async def talking(
    channel: type[DecisionChannel], kind: str, path: Path, meddle: Callable[[Any], None] = lambda _: None
) -> AsyncIterator[tuple[SmallSite, Client]]:
    """Connect a client to a service over TCP, TLS or a Unix socket until the block ends."""
    clock = Turning()
    clock.advance(1e9)
    site = SmallSite(TREE, clock, channel=channel)
    site.meddle = meddle
    where = {
        "tcp": "tcp:0:interface=127.0.0.1",
        "unix": f"unix:{path}/socket",
        "tls": f"ssl:0:interface=127.0.0.1:privateKey={path}/pem:certKey={path}/pem",
    }[kind]
    if kind == "tls":
        (path / "pem").write_bytes(Authority("nobody").sign("service").both)
    listening: IListeningPort = await serverFromString(reactor, where).listen(site)
    port = getattr(listening.getHost(), "port", None)
    factory: IProtocolFactory = Factory.forProtocol(Client)
    if kind == "tls":
        factory = TLSMemoryBIOFactory(CertificateOptions(), True, factory)
    there = f"unix:{path}/socket" if kind == "unix" else f"tcp:127.0.0.1:{port}"
    client: Any = await clientFromString(reactor, there).connect(factory)
    try:
        yield site, getattr(client, "wrappedProtocol", client)
    finally:
        client.transport.abortConnection()
        await maybeDeferred(listening.stopListening)
        await until(lambda: not site.channels)


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor run until a condition holds; nothing signals that."""
    end = reactor.seconds() + SECONDS
    while not condition():
        assert reactor.seconds() < end, "it did not happen"
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.001, turn.callback, None)
        await turn


KINDS = ["tcp", "tls", "unix"]
# The last of them has no body.
MANY = range(7 * 60 - 1)


@pytest.mark.slow
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", KINDS)
async def test_client_over_a_socket(channel: type[DecisionChannel], kind: str, tmp_path: Path) -> None:
    """A client over a real socket that sends many requests and reads nothing is not read any more, and little waits to
    be sent to it; when it reads at last it gets the answers to all of them, in order.
    """
    async with talking(channel, kind, tmp_path) as (site, client):
        await client.send_and_stop_reading(b"".join(map(request, MANY)))
        await until(lambda: any(one._is_stalled for one in site.channels))
        [served] = site.channels
        below: Any = served.transport
        while not hasattr(below, "socket"):
            below = below.transport
        assert below not in reactor.getReaders()
        # TLS adds a little to each record.
        assert len(below.dataBuffer) + below._tempDataLen <= 1.1 * (BUFFER + LARGEST)
        client.transport.resumeProducing()
        await client.answers(len(MANY))
        assert masked(bytes(client.received)) == expected(MANY)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_socket_that_takes_a_part(channel: type[DecisionChannel], kind: str, tmp_path: Path) -> None:
    """However little a socket accepts of what is written, even nothing, no byte is lost, doubled or in another
    place.
    """
    chance = random.Random(7)

    def meddle(connection: Any) -> None:
        whole = connection.writeSomeData
        connection.writeSomeData = lambda data: whole(data[: chance.choice([0, 1, 7, 300, 20_000])])

    async with talking(channel, kind, tmp_path, meddle) as (_, client):
        numbers = range(7 * 10 - 1)
        for number in numbers:
            client.transport.write(request(number))
            if number % 3 == 0:
                await client.answers(number)
        await client.answers(len(numbers))
        assert masked(bytes(client.received)) == expected(numbers)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_socket_that_is_broken(channel: type[DecisionChannel], kind: str, tmp_path: Path) -> None:
    """A socket that turns out to be broken when an answer is written is closed, whatever was asked over it besides."""

    def meddle(connection: Any) -> None:
        connection.writeSomeData = lambda _: main.CONNECTION_LOST

    async with talking(channel, kind, tmp_path, meddle) as (site, client):
        client.transport.write(b"".join(map(request, range(14))))
        await client.gone.addTimeout(SECONDS, reactor)
        assert client.received == b""
        await until(lambda: not site.channels)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("kind", KINDS)
async def test_client_that_goes(channel: type[DecisionChannel], kind: str, tmp_path: Path) -> None:
    """A client that goes while answers wait for it leaves nothing behind."""
    async with talking(channel, kind, tmp_path) as (site, client):
        await client.send_and_stop_reading(b"".join(map(request, MANY)))
        await until(lambda: any(one._is_stalled for one in site.channels))
        client.transport.abortConnection()
        await until(lambda: not site.channels)
        clock: Any = site._clock
        assert [call for call in clock.getDelayedCalls() if "LogDateTime" not in repr(call.func)] == []


CHUNKED = b"POST /v1/decision HTTP/1.1\r\nHost: a\r\nX-Request-ID: 4\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("channel", CHANNELS)
def test_very_many_chunks(channel: type[DecisionChannel]) -> None:
    """A body in very many chunks of a byte is refused, and the rest of it is not read."""
    _, connection, wire = connected(channel)
    connection.dataReceived(CHUNKED + b"1\r\n \r\n" * 10_000)
    connection.dataReceived(b"1\r\n \r\n" * 10_000)
    assert [answer.status for answer in said(wire.value())] == [b"413"]
    assert connection.requests[0].pieces < MOST_PIECES * 2
    connection.connectionLost(Failure(ConnectionDone()))


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("blanks", [150, 9000])
def test_behind_many_chunks(channel: type[DecisionChannel], blanks: int) -> None:
    """A body in many chunks is read, and so is what comes behind it in the same piece."""
    _, connection, wire = connected(channel)
    text = QUERY + b" " * blanks
    size = 1 if blanks < 1000 else 512
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in batched(text, size))
    rest = [3, 4, 0, 3]
    connection.dataReceived(CHUNKED + chunks + b"0\r\n\r\n" + b"".join(map(request, rest)))
    wire.take(wire.waiting)
    connection.connectionLost(Failure(ConnectionDone()))
    assert masked(wire.taken) == expected([4, *rest])


def batched(text: bytes, size: int) -> list[bytes]:
    """Cut a text into parts of a size."""
    return [text[at : at + size] for at in range(0, len(text), size)]

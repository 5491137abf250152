"""Tests of the server around the tree, over real sockets: what clients may do to it, and how it comes to an end.

Its clock stands still unless a test advances it, so that no time limit passes by chance.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_twisted import blockon
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import ClientCreator, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.internet.threads import deferToThread
from twisted.logger import formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from cors_service.policy import read_document
from cors_service.server import DecisionServer, DecisionSite, ServerLimits
from cors_service.server.drain import GRACE_SECONDS
from cors_service.web import decision_resource
from tests.observing import observed_by

DEADLINE = 30.0
DRAIN_TIMEOUT = 5.0
POLICIES = read_document(
    {"version": 1, "policies": {name: {"origins": [f"https://{name}.example"]} for name in ("one", "two", "three")}}
)
QUERY = json.dumps({"policy": "one", "method": "GET", "origin": "https://one.example"}).encode()


class Answer(NamedTuple):
    """One answer that a client got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def get(target: str, *headers: str) -> bytes:
    """Write a GET."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: service.example", *headers, "\r\n"]).encode()


def post(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """Write a POST of a query; `length` is its Content-Length."""
    length = len(body) if length is None else length
    lines = ["POST /v1/decision HTTP/1.1", "Host: service.example", f"Content-Length: {length}", *headers, "\r\n"]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    """Write a POST with a body in chunks."""
    head = b"POST /v1/decision HTTP/1.1\r\nHost: service.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return head + body + (b"0\r\n\r\n" if end else b"")


def answers(received: bytes) -> list[Answer]:
    """Read what came over a connection; the last answer may not be complete yet and is left out then."""
    found: list[Answer] = []
    while b"\r\n\r\n" in received:
        head, _, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            break
        found.append(Answer(int(first.split(" ")[1]), headers, rest[:length]))
        received = rest[length:]
    return found


@implementer(IHalfCloseableProtocol)
class Client(Protocol):
    """A connection of a client that takes note of everything.

    Attributes:
        holds: Whether it keeps its side of the connection open when the server closes the other.
        received: Every byte.
        ended: Whether the server will send no more.
        closed: Whether the connection is gone.
    """

    transport: Any

    def __init__(self) -> None:
        self.holds = False
        self.received = b""
        self.ended = False
        self.closed = False
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    @property
    def answers(self) -> list[Answer]:
        """What was answered until now."""
        return answers(self.received)

    def send(self, data: bytes) -> None:
        """Send something."""
        self.transport.write(data)

    async def ask(self, data: bytes) -> Answer:
        """Send a request and wait for its answer."""
        known = len(self.answers)
        self.send(data)
        await self.until(lambda: len(self.answers) > known)
        return self.answers[known]

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Wait for something that is to happen to this connection."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting.addTimeout(DEADLINE, reactor)

    def gone(self) -> Deferred[None]:
        """Wait until it is closed."""
        return self.until(lambda: self.closed)

    def dataReceived(self, data: bytes) -> None:
        """Take note."""
        self.received += data
        self._look()

    def readConnectionLost(self) -> None:
        """Take note, and close the other side of the connection too."""
        self.ended = True
        if not self.holds:
            self.transport.loseConnection()
        self._look()

    def writeConnectionLost(self) -> None:
        """Take no note: the test did it."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Take note."""
        self.ended = self.closed = True
        self._look()

    def _look(self) -> None:
        for waiting in list(self._waiting):
            condition, deferred = waiting
            if condition():
                self._waiting.remove(waiting)
                deferred.callback(None)


class Served:
    """A server that listens on a port of its own.

    Attributes:
        clock: What its time limits go by.
        port: Where it listens.
    """

    def __init__(self, description: str = "tcp:0:interface=127.0.0.1", **options: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1e9)
        self.site = DecisionSite(decision_resource(POLICIES, clock=self.clock), self.clock, **options)
        endpoint = serverFromString(reactor, description)
        self.server = DecisionServer(self.site, [("test", endpoint)], drain_timeout=DRAIN_TIMEOUT)
        self.server.privilegedStartService()
        self.server.startService()
        address: Any = self.server.ports[0].getHost()
        self.port: int = address.port
        self.clients: list[Client] = []
        self._ends: list[object] = []

    async def connect(self) -> Client:
        """Open a connection, and wait until the server knows it."""
        before = len(self.site.channels)
        client: Client = await ClientCreator(reactor, Client).connectTCP("127.0.0.1", self.port)
        self.clients.append(client)
        # An answer to a request is proof that the server knows it; this is less intrusive.
        await until(lambda: len(self.site.channels) > before)
        return client

    async def received(self) -> None:
        """Wait until the server has read what was sent over another connection before."""
        client = await self.connect()
        await client.ask(get("/livez"))
        client.transport.abortConnection()
        await client.until(lambda: client.closed)
        await until(lambda: len(self.site.channels) < len(self.clients))

    async def stop(self) -> None:
        """Tell the server to stop, and wait until it comes to its end; `at_end` waits until it is there."""
        self.server.stopService().addBoth(self._ends.append)
        await until(lambda: self.site.draining)

    @property
    def is_at_end(self) -> bool:
        """Whether the server has come to its end, once it has done what it wants to do in the next turn."""
        self.clock.advance(0)
        return bool(self._ends)

    async def at_end(self) -> None:
        """Wait until the server is at its end."""
        await until(lambda: self.is_at_end)
        assert not isinstance(self._ends[0], Failure), self._ends

    async def close(self) -> None:
        """Leave nothing behind."""
        if self.server.running:
            self.server.stopService().addBoth(self._ends.append)
        for client in self.clients:
            if not client.closed:
                client.transport.abortConnection()
                await client.gone()
        for channel in list(self.site.channels):
            channel.transport.abortConnection()
        await until(lambda: not self.site.channels)
        self.clock.advance(GRACE_SECONDS)
        await self.at_end()


def self_signed(path: Path) -> Path:
    """Make a certificate for localhost, and write it with its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def turn() -> None:
    """Let the reactor run until it has done what it has to do now."""
    done: Deferred[None] = Deferred()
    reactor.callLater(0, done.callback, None)
    await done


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor run until something has happened."""
    end = reactor.seconds() + DEADLINE
    while not condition():
        assert reactor.seconds() < end, "it did not happen"
        await turn()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Give a function that starts a server with options of `DecisionSite`; it ends with the test."""
    started: list[Served] = []

    def start(*description: str, **options: Any) -> Served:
        started.append(Served(*description, **options))
        return started[-1]

    yield start
    for served in started:
        blockon(Deferred.fromCoroutine(served.close()))


Serve = Callable[..., Served]


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give the text of each event that is logged, as they come."""
    texts: list[str] = []
    with observed_by(lambda event: texts.append(formatEvent(event))):
        yield texts


# Answers.


async def test_answer(serve: Serve) -> None:
    """A query is decided, over a connection that stays open."""
    client = await serve().connect()
    answer = await client.ask(post(QUERY))
    assert (answer.status, answer.json["allowed"], answer.headers.get("connection")) == (200, True, None)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("/livez"), 200),
        (post(QUERY), 200),
        (get("/nothing"), 404),
        (b"DELETE /v1/decision HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (post(QUERY, length=10**9), 413),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (get("/livez", f"X-Long: {'x' * 20_000}"), 431),
    ],
    ids=["GET", "POST", "404", "405", "413", "not HTTP", "two Hosts", "431"],
)
async def test_every_answer(serve: Serve, request_bytes: bytes, status: int) -> None:
    """Every answer has an ID and a type and does not name the server; each error is a problem."""
    client = await serve().connect()
    answer = await client.ask(request_bytes)
    assert status == answer.status
    assert re.fullmatch(r"[0-9a-f]{24}", answer.headers["cors-decision-id"])
    assert (answer.headers["x-content-type-options"], "server" in answer.headers) == ("nosniff", False)
    kind = "application/json" if status == 200 else "application/problem+json"
    assert kind == answer.headers["content-type"]
    if status != 200:
        assert status == answer.json["status"]


async def test_keep_alive(serve: Serve) -> None:
    """Requests one behind another go over one connection, in which each has an ID of its own."""
    client = await serve().connect()
    found = [await client.ask(get(f"/v1/decision?policy={name}")) for name in ("one", "two", "three", "one")]
    assert [answer.json["policy"] for answer in found] == ["one", "two", "three", "one"]
    assert len({answer.headers["cors-decision-id"] for answer in found}) == 4


async def test_http_1_0(serve: Serve) -> None:
    """The connection of a client of HTTP/1.0 is closed behind the answer."""
    client = await serve().connect()
    answer = await client.ask(b"GET /livez HTTP/1.0\r\n\r\n")
    await client.until(lambda: client.ended)
    assert (answer.status, len(client.answers)) == (200, 1)


@pytest.mark.parametrize(
    "lines",
    [
        ["Connection: close"],
        ["Connection: Close, TE", "TE: trailers"],
        ["Connection: keep-alive,close"],
        ["Connection: x", "Connection: close"],
    ],
)
async def test_connection_close(lines: list[str], serve: Serve) -> None:
    """Who asks for it has the connection closed behind the answer, wherever in the list it stands."""
    client = await serve().connect()
    answer = await client.ask(get("/livez", *lines))
    await client.until(lambda: client.ended)
    assert (answer.status, answer.headers["connection"]) == (200, "close")


PIPELINE = (
    get("/v1/decision?policy=one")
    + chunked(b'{"policy": "two", ', b'"method": "GET"}')
    + get("/nothing")
    + post(QUERY)
    + b"HEAD /v1/decision?policy=three HTTP/1.1\r\nHost: a\r\n\r\n"
    + get("/livez", "Connection: close")
)
# The status of each, and the policy if there is one in the body.
PIPELINE_ANSWERS = [
    *[(b"200", b""), (b"", b"one"), (b"200", b""), (b"", b"two"), (b"404", b"")],
    *[(b"200", b""), (b"", b"one"), (b"200", b""), (b"200", b"")],
]


async def test_pipelined(serve: Serve) -> None:
    """Requests without bodies that come in one piece are answered in order."""
    names = ("one", "two", "three", "two")
    client = await serve().connect()
    client.send(b"".join(get(f"/v1/decision?policy={name}") for name in names))
    await client.until(lambda: len(client.answers) == len(names))
    assert list(names) == [answer.json["policy"] for answer in client.answers]


async def test_pipelined_bodies(serve: Serve) -> None:
    """Requests of all kinds that come in one piece are answered in order."""
    client = await serve().connect()
    client.send(PIPELINE)
    await client.until(lambda: client.ended)
    assert re.findall(rb'HTTP/1\.1 (\d+) |"policy":"(\w+)"', client.received) == PIPELINE_ANSWERS


async def test_byte_by_byte(serve: Serve) -> None:
    """It does not matter in which pieces requests come."""
    served = serve()
    client = await served.connect()
    [channel] = served.site.channels
    for byte in PIPELINE:
        channel.dataReceived(bytes([byte]))
    await client.until(lambda: client.ended)
    assert re.findall(rb'HTTP/1\.1 (\d+) |"policy":"(\w+)"', client.received) == PIPELINE_ANSWERS


async def test_idle_timeout(serve: Serve) -> None:
    """A connection over which nothing comes is closed after the idle timeout, and not before."""
    served = serve(limits=ServerLimits(idle_timeout=30))
    silent, asking = await served.connect(), await served.connect()
    served.clock.advance(29)
    await asking.ask(get("/livez"))
    served.clock.advance(1)
    await silent.until(lambda: silent.closed)
    assert ((await asking.ask(get("/livez"))).status, asking.closed) == (200, False)


# Bodies that are too long.


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(b"", length=1001), id="said to be too long"),
        pytest.param(post(b"x" * 500, length=1001), id="said to be too long, half sent"),
        pytest.param(post(b"x" * 1001), id="said to be too long, sent"),
        pytest.param(post(b"", "Expect: 100-continue", length=1001), id="waits for leave to send"),
        pytest.param(chunked(b"x" * 1001, end=False), id="one chunk"),
        pytest.param(chunked(b"x" * 600, b"x" * 600, end=False), id="two chunks"),
        pytest.param(chunked(b"x" * 1001), id="one chunk and the end"),
        pytest.param(chunked(*[b"x"] * 1001), id="many chunks and the end"),
        pytest.param(post(b"x" * 1001) + get("/livez"), id="with a request behind it"),
        pytest.param(chunked(b"x" * 1001) + get("/livez"), id="chunks with a request behind them"),
    ],
)
async def test_body_too_large(serve: Serve, request_bytes: bytes) -> None:
    """A body over the limit is answered with 413 and nothing else, and the connection comes to an end."""
    served = serve(limits=ServerLimits(body=1000))
    client = await served.connect()
    client.holds = True
    client.send(request_bytes)
    await client.until(lambda: client.ended)
    [answer] = client.answers
    assert (answer.status, answer.json["code"], answer.headers["connection"]) == (413, "body-too-large", "close")
    assert client.received.endswith(answer.body)
    # Who does not close his side of it is cut, and leaves nothing behind.
    served.clock.pump([1] * 3)
    await until(lambda: not served.site.channels)
    assert [call for call in served.clock.getDelayedCalls() if "LogDateTime" not in str(call)] == []


@pytest.mark.parametrize(
    "request_bytes", [post(b"x" * 1000), chunked(b"x" * 600, b"x" * 400)], ids=["plain", "chunked"]
)
async def test_body_of_the_limit(serve: Serve, request_bytes: bytes) -> None:
    """A body of just the limit is read."""
    client = await serve(limits=ServerLimits(body=1000)).connect()
    answer = await client.ask(request_bytes)
    assert (answer.status, answer.json["code"]) == (400, "body-malformed")


@pytest.mark.parametrize("begin", [post(b"", length=10**8), chunked(end=False)], ids=["plain", "chunked"])
async def test_client_sends_on(serve: Serve, begin: bytes) -> None:
    """A client that sends on without listening, more than all buffers between it and the service hold, can read the
    answer when it listens at last.
    """
    served = serve(limits=ServerLimits(body=1000))
    client = await served.connect()
    client.holds = True
    client.transport.stopReading()
    client.send(begin)
    piece = b"%x\r\n%b\r\n" % (2**16, b"x" * 2**16)
    sent: Deferred[None] = Deferred()

    class Pieces:
        """Sends a piece whenever there is room for it."""

        left = 256

        def resumeProducing(self) -> None:
            self.left -= 1
            client.transport.write(piece)
            if not self.left:
                client.transport.unregisterProducer()
                sent.callback(None)

        def stopProducing(self) -> None:
            sent.errback(ConnectionResetError("The service does not read on"))

    client.transport.registerProducer(Pieces(), streaming=False)
    await sent.addTimeout(DEADLINE, reactor)
    client.transport.startReading()
    await client.until(lambda: client.ended)
    [answer] = client.answers
    assert (answer.status, answer.json["code"]) == (413, "body-too-large")


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest.mark.parametrize("header", ["Expect: 100-continue", "Expect:"], ids=["waits for leave", "sends at once"])
async def test_body_too_large_over_tls(serve: Serve, tmp_path: Path, header: str) -> None:
    """Over TLS too each client gets the answer, and no failure is logged when it closes the connection."""
    pytest.importorskip("OpenSSL", reason="the extra tls is not installed")
    curl = shutil.which("curl") or pytest.skip("there is no curl")
    certificate = self_signed(tmp_path / "certificate.pem")
    body = tmp_path / "body"
    body.write_bytes(b"x" * 2**21)
    served = serve(f"ssl:0:interface=127.0.0.1:privateKey={certificate}", limits=ServerLimits(body=1000))
    command = [
        curl,
        "--silent",
        "--noproxy",
        "*",
        "--cacert",
        str(certificate),
        "--max-time",
        f"{DEADLINE:g}",
        "--header",
        header,
    ]
    command += ["--data-binary", f"@{body}", f"https://localhost:{served.port}/v1/decision"]
    codes = set()
    for _ in range(20):
        done = await deferToThread(lambda: subprocess.run(command, capture_output=True, check=False))
        codes.add((done.returncode, json.loads(done.stdout or b'{"code": "no answer"}')["code"]))
    assert {(0, "body-too-large")} == codes


async def test_answers_before_a_refusal(serve: Serve) -> None:
    """A body that is too long takes nothing from the answers to requests before it."""
    client = await serve(limits=ServerLimits(body=100)).connect()
    client.send(get("/livez") + post(b"x" * 101))
    await client.until(lambda: client.ended)
    assert [answer.status for answer in client.answers] == [200, 413]


# The access log.


async def test_no_access_log(serve: Serve, log: list[str]) -> None:
    """Unless it was wanted nothing is written on a request."""
    client = await serve().connect()
    await client.ask(get("/v1/decision?policy=one"))
    assert [text for text in log if "/v1/decision" in text] == []


async def test_access_log_in_a_file(serve: Serve, log: list[str], tmp_path: Path) -> None:
    """A file gets a line on each request, and the log of the process none."""
    path = tmp_path / "access.log"
    client = await serve(access_log=str(path)).connect()
    await client.ask(get("/v1/decision?policy=one", "User-Agent: test"))
    await client.ask(get("/nothing"))
    first, second = path.read_text().splitlines()
    assert re.fullmatch(r'"127\.0\.0\.1" - - \[.*\] "GET /v1/decision\?policy=one HTTP/1\.1" 200 \d+ "-" "test"', first)
    assert '"GET /nothing HTTP/1.1" 404' in second
    assert [text for text in log if "/v1/decision" in text] == []


async def test_access_log_is_one_file(serve: Serve, tmp_path: Path) -> None:
    """However long the file is, lines are appended to it: whoever wants it parted does that."""
    path = tmp_path / "access.log"
    path.write_text(f"{'x' * 2_000_000}\n")
    client = await serve(access_log=str(path)).connect()
    await client.ask(get("/livez"))
    assert path.read_text().startswith("xxx")
    path.write_text("")
    await client.ask(get("/livez"))
    assert path.read_text().startswith('"127.0.0.1"')


async def test_access_log_in_the_log(serve: Serve, log: list[str]) -> None:
    """`-` is the log of the process."""
    client = await serve(access_log="-").connect()
    await client.ask(get("/v1/decision?policy=one"))
    assert len([text for text in log if '"GET /v1/decision?policy=one HTTP/1.1" 200' in text]) == 1


async def test_access_log_cannot_be_forged(serve: Serve, tmp_path: Path) -> None:
    """Whatever a client sends, its request is one line."""
    path = tmp_path / "access.log"
    client = await serve(access_log=str(path)).connect()
    await client.ask(get("/livez", 'User-Agent: a" 200 "\x1b[2J\x0b\x1c\x85\u2028'))
    text = path.read_text()
    assert len(text.splitlines()) == 1
    assert text[:-1].isprintable()


async def test_access_log_of_a_refusal(serve: Serve, tmp_path: Path) -> None:
    """A request with a body that is too long is in the access log, for whoever looks for the reason of a 413."""
    path = tmp_path / "access.log"
    client = await serve(access_log=str(path)).connect()
    await client.ask(post(b"", length=10**9))
    await client.until(lambda: client.ended)
    assert path.read_text().count('"POST /v1/decision HTTP/1.1" 413') == 1


async def test_access_log_on_a_full_disk(serve: Serve, log: list[str]) -> None:
    """A disk without room for the access log costs no answer and no connection, and the log says so once."""
    served = serve(access_log="/dev/full")
    client = await served.connect()
    answers = [await client.ask(get(path)) for path in ("/v1/decision?policy=one", "/nothing", "/livez", "/nothing")]
    assert [answer.status for answer in answers] == [200, 404, 200, 404]
    await served.stop()
    assert [text for text in log if "access log" in text] == [
        "The access log can't be written: No space left on device. Requests are answered; their lines may be lost."
    ]


async def test_access_log_while_draining(serve: Serve, tmp_path: Path) -> None:
    """A request that is answered while the service comes to its end is in the access log too."""
    path = tmp_path / "access.log"
    served = serve(access_log=str(path))
    client = await served.connect()
    client.send(post(QUERY)[:-5])
    await served.received()
    await served.stop()
    await client.ask(post(QUERY)[-5:])
    assert path.read_text().count('"POST /v1/decision HTTP/1.1" 200') == 1


# The end.


@pytest.mark.parametrize(
    ("whole", "part"),
    [
        (get("/v1/decision?policy=one"), 10),
        (get("/v1/decision?policy=one"), 42),
        (post(QUERY), 60),
        (post(QUERY), len(post(QUERY)) - len(QUERY)),
        (post(QUERY), len(post(QUERY)) - 5),
        (chunked(QUERY), len(chunked(QUERY)) - 30),
        (chunked(QUERY), len(chunked(QUERY)) - 5),
    ],
    ids=["request line", "head", "head of a POST", "no body", "half a body", "half a chunk", "no last chunk"],
)
async def test_half_received(serve: Serve, whole: bytes, part: int) -> None:
    """A request that was half received when the service began to stop is answered; the answer says that the
    connection is closed behind it, and then it is, and the service is at its end.
    """
    served = serve()
    client = await served.connect()
    client.send(whole[:part])
    await served.received()
    await served.stop()
    served.clock.advance(1)
    assert False is served.is_at_end
    answer = await client.ask(whole[part:])
    assert (answer.status, answer.json["policy"], answer.headers.get("connection")) == (200, "one", "close")
    await client.until(lambda: client.closed)
    await served.at_end()
    assert served.clock.seconds() - 1e9 < DRAIN_TIMEOUT


async def test_idle_connections(serve: Serve) -> None:
    """Connections over which nothing is asked are closed when the service stops, and then it is at its end."""
    served = serve()
    never, before = await served.connect(), await served.connect()
    await before.ask(get("/livez"))
    await served.stop()
    served.clock.advance(1)
    await served.at_end()
    await never.until(lambda: never.closed)
    await before.until(lambda: before.closed)
    assert (never.received, len(before.answers)) == (b"", 1)


async def test_nobody_there(serve: Serve) -> None:
    """A service to which nobody is connected is at its end at once."""
    served = serve()
    await served.stop()
    await served.at_end()
    assert served.clock.seconds() == 1e9


async def test_the_port_closes_last(serve: Serve) -> None:
    """While a service that stops waits for requests over idle connections, who connects is answered, once."""
    served = serve()
    await served.connect()
    await served.stop()
    late = await served.connect()
    answer = await late.ask(get("/v1/decision?policy=one"))
    assert (answer.status, answer.json["policy"], answer.headers.get("connection")) == (200, "one", "close")
    await late.until(lambda: late.closed)
    assert False is served.is_at_end
    served.clock.advance(GRACE_SECONDS)
    await served.at_end()


async def test_new_connections_are_refused(serve: Serve) -> None:
    """Nobody can connect any more behind that, also while somebody is still answered."""
    served = serve()
    client = await served.connect()
    client.send(get("/livez")[:-2])
    await served.received()
    await served.stop()
    served.clock.advance(GRACE_SECONDS)
    await until(lambda: not served.server.ports)
    with pytest.raises(Refused):
        await ClientCreator(reactor, Client).connectTCP("127.0.0.1", served.port)
    assert False is served.is_at_end


async def test_late_and_silent(serve: Serve) -> None:
    """A connection that came just before the port was closed has as long for its first request as others had."""
    served = serve()
    before = await served.connect()
    await served.stop()
    served.clock.advance(GRACE_SECONDS - 0.01)
    late, silent = await served.connect(), await served.connect()
    served.clock.advance(0.01)
    await until(lambda: before.closed or served.is_at_end)
    assert (late.ended, silent.ended, served.is_at_end) == (False, False, False)
    assert (await late.ask(get("/livez"))).status == 200
    served.clock.advance(GRACE_SECONDS)
    await served.at_end()
    await silent.until(lambda: silent.closed)
    assert silent.received == b""


async def test_late_for_a_worker(serve: Serve) -> None:
    """The same holds where the site was retired before it drains, as that of a worker is."""
    served = serve()
    served.site.retire()
    served.clock.advance(GRACE_SECONDS)
    late = await served.connect()
    await until(lambda: bool(served.site.channels))
    await served.stop()
    end = served.clock.seconds() + GRACE_SECONDS / 2

    def has_passed() -> bool:
        served.clock.advance(GRACE_SECONDS / 20)
        return served.clock.seconds() >= end

    await until(has_passed)
    assert (await late.ask(get("/livez"))).status == 200
    await served.at_end()


async def test_request_under_way(serve: Serve) -> None:
    """A request that was sent before the service was told to stop is answered, also over a new connection that the
    service has not looked at yet.
    """
    served = serve()
    with socket.create_connection(("127.0.0.1", served.port), timeout=DEADLINE) as client:
        client.sendall(get("/livez"))
        await served.stop()
        received: bytes = await deferToThread(client.recv, 2**16)
    assert [answer.status for answer in answers(received)] == [200]
    await served.at_end()


async def test_pipelined_while_draining(serve: Serve) -> None:
    """Of the requests that come in one piece to a service that stops, the first is answered and told to be the last."""
    served = serve()
    client = await served.connect()
    client.send(get("/livez")[:-2])
    await served.received()
    await served.stop()
    client.send(b"\r\n" + get("/livez"))
    await client.until(lambda: client.ended)
    assert [(answer.status, answer.headers.get("connection")) for answer in client.answers] == [(200, "close")]


async def test_not_ready(serve: Serve) -> None:
    """A service that stops answers that it is not ready, and that it lives."""
    served = serve()
    clients = [await served.connect() for _ in range(3)]
    targets = ("/readyz", "/livez", "/v1/decision?policy=one")
    for client, target in zip(clients, targets, strict=True):
        client.send(get(target)[:-2])
    assert (await (await served.connect()).ask(get("/readyz"))).status == 200
    await served.stop()
    ready, alive, decision = [await client.ask(b"\r\n") for client in clients]
    assert (ready.status, ready.json["code"], alive.status, decision.status) == (503, "draining", 200, 200)


async def test_drain_timeout(serve: Serve, log: list[str]) -> None:
    """A request that does not end is cut after the drain timeout and not before, and the log says so."""
    served = serve()
    client = await served.connect()
    client.send(post(QUERY)[:-5])
    await served.received()
    await served.stop()
    served.clock.advance(DRAIN_TIMEOUT - 0.1)
    await turn()
    assert (client.closed, served.is_at_end) == (False, False)
    served.clock.advance(0.1)
    await served.at_end()
    await client.until(lambda: client.closed)
    assert log.count("Cutting 1 connection that did not end in time") == 1


async def test_nothing_to_cut(serve: Serve, log: list[str]) -> None:
    """Where all requests end in time, the log has no cut, and nothing is left on the clock."""
    served = serve()
    client = await served.connect()
    client.send(get("/livez")[:-2])
    await served.received()
    await served.stop()
    client.send(b"\r\n")
    await client.until(lambda: client.closed)
    served.clock.advance(GRACE_SECONDS)
    await served.at_end()
    assert ([text for text in log if "Cutting" in text], served.clock.getDelayedCalls()) == ([], [])

"""What the guard of a policy refuses reaches no application: over real servers, WebSocket handshakes included."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from typing import Any, NamedTuple

import pytest
import uvicorn
import waitress.server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.websocket import WebSocketResource, WebSocketTransport

from cors_service.asking.local import LocalDecider
from cors_service.client import DecisionClient
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import PolicySet, read_document
from cors_service.protect import asgi, wsgi
from cors_service.protect.site import ProtectedResource
from cors_service.testing.client import MemoryClient
from tests.answering import impostor, real, silent
from tests.observing import observed_by

APP, EVIL = "https://app.example", "https://evil.example"
SAME, CROSS = ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")
LINK = [CROSS, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
EVENTS = ("Accept", "application/json, text/event-stream")
HANDSHAKE = [
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
HELLO = b"\x81\x05hello"
RULE: dict[str, Any] = {"origins": [APP], "methods": ["GET", "POST"]}
Lines = list[tuple[str, str]]


def document(**guard: Any) -> dict[str, Any]:
    """Write a document with a guarded policy."""
    tools = {**RULE, "match": ["tools.example/"], "guard": {"hosts": ["127.0.0.1:*", "localhost:*"], **guard}}
    return {"version": 1, "policies": {"tools": tools, "plain": RULE}}


GUARDED = document()


class Answer(NamedTuple):
    """What came over a connection.

    Attributes:
        status: The status.
        headers: The headers, their names in lower case.
        body: The body, or what a WebSocket said first.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem."""
        assert self.headers["content-type"] == "application/problem+json"
        found: str = json.loads(self.body)["code"]
        return found


def ask(port: int, method: str, lines: Lines, host: str | None = None) -> Answer:
    """Send a request, and read the answer; of a WebSocket, read its first frame."""
    head = [f"{method} / HTTP/1.1", f"Host: {host or f'127.0.0.1:{port}'}", *(f"{n}: {v}" for n, v in lines)]
    if method == "POST":
        head.append("Content-Length: 0")
    with closing(socket.create_connection(("127.0.0.1", port), 20)) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode("latin-1"))
        response = HTTPResponse(connection, method=method)
        response.begin()
        body = response.fp.read(len(HELLO)) if response.status == 101 else response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse("page")


async def _greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.receive()


@contextmanager
def uvicorn_of(policies: Any, ws: Any = "wsproto", **more: Any) -> Iterator[int]:
    """Serve a Starlette application by uvicorn; give the port."""
    routes = [Route("/", _page, methods=["GET", "POST"]), WebSocketRoute("/", _greet)]
    app = asgi.CORSMiddleware(Starlette(routes=routes), policies, **{"policy": "tools", **more})
    listener = socket.create_server(("127.0.0.1", 0))
    # What comes before it serves waits in the socket.
    server = uvicorn.Server(uvicorn.Config(app, ws=ws, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@contextmanager
def waitress_of(policies: Any, **more: Any) -> Iterator[int]:
    """Serve an application of WSGI by waitress; give the port."""

    def page(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"page"]

    app = wsgi.CORSMiddleware(page, policies, **{"policy": "tools", **more})
    server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=1)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        pulled = threading.Event()
        # Closed in its own thread, and not before the pull has been written: closing takes the pipe away.
        server.trigger.pull_trigger(lambda: pulled.wait() and server.close())
        pulled.set()
        thread.join()


class _Greeter:
    """A WebSocket of Twisted that says hello."""

    transport: WebSocketTransport

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        self.transport = transport

    def negotiationFinished(self) -> None:
        self.transport.sendTextMessage("hello")

    def textMessageReceived(self, message: str) -> None:
        pass

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        pass

    def pongReceived(self, payload: bytes) -> None:
        pass

    def connectionLost(self, reason: object) -> None:
        pass


class _Page(Resource):
    """A page."""

    def render_GET(self, request: object) -> bytes:
        return b"page"

    render_POST = render_GET


class _Root(Resource):
    """A page, or a WebSocket where one is asked for."""

    def getChild(self, path: bytes, request: Any) -> Resource:
        return WebSocketResource(self) if request.getHeader(b"upgrade") else _Page()

    def buildProtocol(self, request: object) -> _Greeter:
        return _Greeter()


class _Leaving(WrappingFactory):
    """Tells when all connections of a site are gone."""

    def __init__(self, site: Any) -> None:
        super().__init__(site)
        self.gone: Deferred[None] = Deferred()

    def unregisterProtocol(self, p: Any) -> None:
        """Take note that a connection is closed."""
        super().unregisterProtocol(p)
        if self.is_over and not self.protocols:
            self.gone.callback(None)

    is_over = False

    async def leave(self) -> None:
        """Wait for the last of them."""
        self.is_over = True
        if self.protocols:
            await self.gone


async def ask_site(policies: Any, *asked: tuple[str, Lines, str | None], **more: Any) -> list[Answer]:
    """Ask a site of Twisted."""
    # Twisted's WebSockets don't end the time limit of their channel.
    site: Any = _Leaving(Site(ProtectedResource(_Root(), policies, **{"policy": "tools", **more}), timeout=None))
    listening: Any = reactor.listenTCP(0, site, interface="127.0.0.1")
    try:
        return [await deferToThread(ask, listening.getHost().port, *one) for one in asked]
    finally:
        await maybeDeferred(listening.stopListening)
        await site.leave()


POLICIES = read_document(GUARDED)

PASSING: list[tuple[str, Lines, str | None]] = [
    ("POST", [("Origin", APP)], None),
    ("POST", [("Origin", "null"), SAME], None),
    ("GET", [SAME], None),
    ("GET", LINK, None),
    ("POST", [], None),
]
STOPPED: list[tuple[str, Lines, str | None, str]] = [
    ("POST", [("Origin", EVIL)], None, "origin-not-allowed"),
    ("POST", [("Origin", "null")], None, "origin-not-allowed"),
    ("GET", [CROSS], None, "cross-site"),
    ("POST", LINK, None, "cross-site"),
    ("GET", [SAME], "rebound.example", "host-not-allowed"),
    ("POST", [("Origin", APP)], "rebound.example", "host-not-allowed"),
    ("POST", [("Origin", "http://rebound.example")], "rebound.example", "host-not-allowed"),
]


def check_requests(answers: list[Answer]) -> None:
    """Check the answers to those that pass and to those that are stopped."""
    for answer in answers[: len(PASSING)]:
        assert (answer.status, answer.body) == (200, b"page")
    for answer, (*_, code) in zip(answers[len(PASSING) :], STOPPED, strict=True):
        assert (answer.status, answer.code) == (403, code)
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


SENT = [*PASSING, *(one[:3] for one in STOPPED)]


def test_asgi() -> None:
    """Behind uvicorn, what passes is served, and what is stopped gets a problem with the guard's code."""
    with uvicorn_of(POLICIES) as port:
        check_requests([ask(port, *one) for one in SENT])


def test_wsgi() -> None:
    """So it is behind waitress."""
    with waitress_of(POLICIES) as port:
        check_requests([ask(port, *one) for one in SENT])


async def test_site() -> None:
    """So it is with a resource of Twisted."""
    check_requests(await ask_site(POLICIES, *SENT))


RPC = {
    "jsonrpc": "2.0",
    "error": {"code": -32000, "message": "This origin has no access at all.", "data": {"code": "origin-not-allowed"}},
}


async def test_json_rpc() -> None:
    """A client that takes an event stream gets an error of JSON-RPC without an id, from each of them."""
    sent = ("POST", [("Origin", EVIL), EVENTS], None)
    answers = await ask_site(POLICIES, sent)
    with uvicorn_of(POLICIES) as port:
        answers.append(ask(port, *sent))
    with waitress_of(POLICIES) as port:
        answers.append(ask(port, *sent))
    for answer in answers:
        assert (answer.status, json.loads(answer.body)) == (403, RPC)
        assert answer.headers["content-type"] == "application/json"


HANDSHAKES: list[tuple[Lines, str | None, int]] = [
    ([("Origin", APP)], None, 101),
    ([], None, 101),
    ([("Origin", EVIL)], None, 403),
    ([("Origin", "null")], None, 403),
    ([("Origin", "http://rebound.example")], "rebound.example", 403),
    ([], "rebound.example", 403),
]


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
def test_websockets(ws: str) -> None:
    """A WebSocket is opened by its own pages and by native clients; others get a 403 and a problem."""
    with uvicorn_of(POLICIES, ws) as port:
        own = [("Origin", f"http://127.0.0.1:{port}")]
        for lines, host, status in [*HANDSHAKES, (own, None, 101)]:
            answer = ask(port, "GET", [*lines, *HANDSHAKE], host)
            assert answer.status == status
            assert answer.body == HELLO if status == 101 else answer.code in {"origin-not-allowed", "host-not-allowed"}


def test_websockets_without_origin() -> None:
    """Where only pages come, a native client without an Origin is refused, whatever else it says."""
    with uvicorn_of(read_document(document(without_origin="refuse", requests="websocket"))) as port:
        assert ask(port, "GET", HANDSHAKE).code == "origin-missing"
        assert ask(port, "GET", [*HANDSHAKE, SAME]).code == "origin-missing"
        assert ask(port, "GET", [*HANDSHAKE, ("Origin", APP)]).status == 101
        # The guard is about nothing else.
        assert ask(port, "POST", [("Origin", EVIL)]).body == b"page"


def test_websockets_without_a_guard() -> None:
    """Without a guard, a WebSocket is the application's business, as ever."""
    with uvicorn_of(POLICIES, policy="plain") as port:
        assert ask(port, "GET", [*HANDSHAKE, ("Origin", EVIL)], "rebound.example").body == HELLO


async def test_websockets_of_a_site() -> None:
    """The handshakes that a Twisted site gets are guarded, too."""
    sent = [("GET", [*lines, *HANDSHAKE], host) for lines, host, _ in HANDSHAKES]
    answers = await ask_site(POLICIES, *sent)
    assert [answer.status for answer in answers] == [status for _, _, status in HANDSHAKES]
    assert [answer.body for answer in answers if answer.status == 101] == [HELLO, HELLO]


def test_a_server_that_denies_by_closing() -> None:
    """Where a server offers no answer to a handshake, it is closed before it is accepted, once it was asked for."""

    async def handshake(first: str) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": first}

        async def send(message: Any) -> None:
            sent.append(message)

        async def application(*_: object) -> None:
            raise AssertionError

        scope = {"type": "websocket", "path": "/", "headers": [(b"host", b"127.0.0.1:80"), (b"origin", EVIL.encode())]}
        await asgi.CORSMiddleware(application, POLICIES, policy="tools")(scope, receive, send)
        return sent

    assert asyncio.run(handshake("websocket.connect")) == [{"type": "websocket.close", "code": 1008}]
    assert asyncio.run(handshake("websocket.disconnect")) == []


async def test_report(caplog: pytest.LogCaptureFixture) -> None:
    """A guard that reports lets all pass, and the log says the first of each kind."""
    reporting = read_document(document(mode="report"))
    events: list[LogEvent] = []
    sent = [("POST", [("Origin", EVIL)], None), ("GET", [CROSS], None)] * 3
    with observed_by(events.append):
        answers = await ask_site(reporting, *sent)
    with caplog.at_level(logging.WARNING), uvicorn_of(reporting) as port:
        answers += [ask(port, *one) for one in sent]
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"page")}
    said = [event["what"] for event in events if "what" in event]
    for lines in (said, [record.getMessage() for record in caplog.records if record.name.startswith("cors_service")]):
        assert [line.partition(":")[0] for line in lines] == [
            "The guard of the policy tools would stop requests (origin-not-allowed)",
            "The guard of the policy tools would stop requests (cross-site)",
        ]


class TestUndecided:
    """What becomes of requests about which nothing can be decided."""

    @pytest.mark.parametrize("guarded", [None, True, False])
    def test_local(self, guarded: bool | None) -> None:
        """By its own policies an application knows whether a guard may be meant: a rebound host finds no policy."""
        sent = [("GET", [SAME], "rebound.example"), ("GET", HANDSHAKE, "rebound.example")]
        plain = read_document({"version": 1, "policies": {"a": {**RULE, "match": ["a.example/"]}}})
        reporting = read_document(document(mode="report"))
        for policies, closes in ((POLICIES, guarded is not False), (plain, guarded), (reporting, guarded)):
            with uvicorn_of(policies, policy=None, guarded=guarded) as port:
                page, handshake = (ask(port, *one) for one in sent)
            assert (page.status, handshake.status) == ((503, 503) if closes else (200, 101))
            if closes:
                assert page.code == handshake.code == "undecided"

    def test_a_holder_of_policies(self) -> None:
        """So does a holder of changing ones, without knowing of guards."""

        class Holder:
            active = ActivePolicies(POLICIES)

            def decide(self, query: Query) -> Decision:
                return self.active.decide(query)

        with waitress_of(Holder(), policy=None) as port:
            assert ask(port, "GET", [SAME], "rebound.example").code == "undecided"
            assert ask(port, "GET", [], "tools.example").status == 403

    async def test_a_service_that_is_gone(self) -> None:
        """Who asks a service stops what can't be decided once it has heard of a guard, or at once if told to."""
        sent = ("GET", [SAME], None)

        async def down(serve: Any, **more: Any) -> tuple[int, int]:
            async with real(GUARDED) as there:
                service = asgi.ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20, cache_size=0)
                with serve(service, **more) as port:
                    first = await deferToThread(ask, port, *sent)
                    await there.stop()
                    second = await deferToThread(ask, port, *sent)
                service.close()
            return first.status, second.status

        for serve in (uvicorn_of, waitress_of):
            assert await down(serve) == (200, 503)
            assert await down(serve, policy="plain") == (200, 200)
            assert await down(serve, policy="plain", guarded=True) == (200, 503)
            assert await down(serve, guarded=False) == (200, 200)

    async def test_a_shared_client(self) -> None:
        """A site without a guard goes on while the service is gone, whatever else its client asks about."""
        async with real(GUARDED) as there:
            service = asgi.ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20, cache_size=0)
            with waitress_of(service, policy="tools") as tools, waitress_of(service, policy="plain") as plain:
                statuses = [(await deferToThread(ask, port, "GET", [SAME], None)).status for port in (tools, plain)]
                await there.stop()
                statuses += [(await deferToThread(ask, port, "GET", [SAME], None)).status for port in (tools, plain)]
            service.close()
        assert statuses == [200, 200, 503, 200]

    async def test_a_site_whose_service_is_gone(self) -> None:
        """So does a resource of Twisted."""
        for policy, guarded, expected in (("tools", None, 503), ("plain", None, 200), ("plain", True, 503)):
            async with real(GUARDED) as there:
                client = DecisionClient(f"http://127.0.0.1:{there.port}", timeout=20, cache_size=0)
                [first] = await ask_site(client, ("GET", [SAME], None), policy=policy, guarded=guarded)
                await there.stop()
                [second] = await ask_site(client, ("GET", [SAME], None), policy=policy, guarded=guarded)
                await client.close()
            assert (first.status, second.status) == (200, expected)

    async def test_a_service_that_finds_no_policy(self) -> None:
        """A service says, with its error, that a guard may be meant: the first request by a rebound host is stopped."""
        sent = ("GET", [SAME], "rebound.example")
        for given, status in ((GUARDED, 503), (document(mode="report"), 200)):
            async with real(given) as there:
                service = asgi.ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20)
                with uvicorn_of(service, policy=None) as port:
                    first = await deferToThread(ask, port, *sent)
                service.close()
                client = DecisionClient(f"http://127.0.0.1:{there.port}", timeout=20)
                [second] = await ask_site(client, sent, policy=None)
                await client.close()
            assert (first.status, second.status) == (status, status)

    async def test_a_batch_about_no_policy(self) -> None:
        """In a batch, too, a guard may be meant where nothing is decided, as the client for tests has it."""
        queries = [Query("GET", policy="nothing"), Query("GET", policy="plain")]
        for given, expected in ((GUARDED, [True, False]), (document(mode="report"), [False, False])):
            async with real(given) as there:
                client = DecisionClient(f"http://127.0.0.1:{there.port}", timeout=20)
                decisions = await client.decide_all(queries)
                await client.close()
            doubles: list[list[Decision]] = []
            MemoryClient(given).decide_all(queries).addCallback(doubles.append)
            for found in (decisions, doubles[0]):
                assert [bool(one.guard and one.guard.stops) for one in found] == expected

    async def test_a_slow_service(self) -> None:
        """No answer in time is none, where a guard is meant."""
        async with impostor(silent) as other:
            service = asgi.ServiceClient(f"http://127.0.0.1:{other.port}", timeout=0.05)
            with uvicorn_of(service, guarded=True) as port:
                answer = await deferToThread(ask, port, "GET", [SAME])
                socket_answer = await deferToThread(ask, port, "GET", HANDSHAKE)
            service.close()
        assert (answer.status, socket_answer.status) == (503, 503)

    def test_memory_client(self) -> None:
        """The client for tests stops what a real one would."""
        client = MemoryClient(GUARDED)
        client.is_down = True
        found: list[Decision] = []
        client.decide(Query("GET", policy="tools")).addCallback(found.append)
        assert found[0].guard is not None
        assert found[0].guard.stops


def test_preflights() -> None:
    """An allowed preflight is answered, one by a foreign host is stopped, and a refused one tells nothing."""
    asks = ("Access-Control-Request-Method", "POST")
    with uvicorn_of(POLICIES) as port:
        assert ask(port, "OPTIONS", [("Origin", APP), asks]).status == 204
        stopped = ask(port, "OPTIONS", [("Origin", APP), asks], "rebound.example")
        refused = ask(port, "OPTIONS", [("Origin", EVIL), asks])
    assert (stopped.code, "access-control-allow-origin" in stopped.headers) == ("host-not-allowed", False)
    assert (refused.status, refused.body) == (403, b"")


def remembered(policies: PolicySet) -> int:
    """How many decisions are kept of requests that differ only in what a guard looks at."""
    local = LocalDecider(policies, print)
    for _ in range(3):
        for site in ("same-origin", "same-site", "cross-site", "none"):
            local.decide(Query.received("GET", [("Host", "127.0.0.1"), ("Sec-Fetch-Site", site)], policy="plain"))
    return len(local._memo.young)


def test_what_is_remembered() -> None:
    """Decisions are kept apart by what a guard looks at only where there is a guard."""
    assert remembered(read_document({"version": 1, "policies": {"plain": RULE}})) == 1
    assert remembered(POLICIES) == 4

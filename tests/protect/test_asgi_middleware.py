"""Applications of ASGI, those of Starlette, FastAPI and Django among them, answer with the decided headers alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

import django
import pytest
from django.conf import settings
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from twisted.internet.threads import deferToThread

from cors_service.asking.address import CONNECTIONS
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import read_document
from cors_service.protect.asgi import CORSMiddleware, ServiceClient
from tests.answering import CHANGED, DOCUMENT, Talker, impostor, real, silent
from tests.questions import LIARS, LONG, SOON, STRANGER, A, B

POLICIES = read_document(DOCUMENT)
ALLOWED = {"access-control-allow-origin": A, "access-control-allow-credentials": "true"}
PREFLIGHT = ("Access-Control-Request-Method", "PUT")
VARY_PREFLIGHT = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
OWN = {"access-control-allow-origin": "*", "Access-Control-Max-Age": "1", "Vary": "Cookie"}

Answer = tuple[int, dict[str, str], bytes]


def scope_of(method: str, path: str, lines: list[tuple[str, str]], **more: Any) -> dict[str, Any]:
    """Describe a request, as a server would."""
    if not any(name.lower() == "host" for name, _ in lines):
        lines = [("host", "api.example"), *lines]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    return {name: value for name, value in {**scope, **more}.items() if value is not None}


async def call(
    app: Any, scope: dict[str, Any], *received: dict[str, Any], raises: Sequence[type[Exception]] = ()
) -> list[dict[str, Any]]:
    """Run an application, and give what it sends, also if it raises what it may."""
    sent: list[dict[str, Any]] = []
    left = list(received)

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    with suppress(*raises):
        await app(scope, receive, send)
    return sent


def answer_of(sent: list[dict[str, Any]]) -> Answer:
    """Make an answer of what was sent; its header lines are one to a name, in lower case."""
    start, *parts = sent
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    assert len(headers) == len(start["headers"])
    assert all(name == name.lower() for name in headers)
    assert not parts[-1].get("more_body")
    return start["status"], headers, b"".join(part.get("body", b"") for part in parts)


def ask(app: Any, method: str, path: str, origin: str | None = None, *lines: tuple[str, str], **more: Any) -> Answer:
    """Ask an application, in a loop of its own."""
    scope = scope_of(method, path, [*([("Origin", origin)] if origin else []), *lines], **more)
    return answer_of(asyncio.run(call(app, scope, {"type": "http.request", "body": b"", "more_body": False})))


def cors(answer: Answer) -> dict[str, str]:
    """The headers of CORS of an answer."""
    return {name: value for name, value in answer[1].items() if name.startswith("access-control-")}


async def page(request: Request) -> PlainTextResponse:
    """Answer, and do CORS wrong."""
    return PlainTextResponse(f"{request.method} page", headers=OWN)


async def error(request: Request) -> PlainTextResponse:
    """Fail."""
    raise RuntimeError("on purpose")


async def stream(request: Request) -> StreamingResponse:
    """Answer in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one ", b"two ", b"three"):
            yield piece

    return StreamingResponse(pieces(), headers=OWN)


METHODS = ["GET", "PUT", "OPTIONS"]


def starlette_app() -> Starlette:
    """An application of Starlette."""
    routes = [
        Route("/app/", page, methods=METHODS),
        Route("/app/error", error),
        Route("/app/stream", stream),
    ]
    return Starlette(routes=routes)


def fastapi_app() -> FastAPI:
    """An application of FastAPI."""
    app = FastAPI()
    app.add_api_route("/app/", page, methods=METHODS, response_model=None)
    app.add_api_route("/app/error", error, response_model=None)
    app.add_api_route("/app/stream", stream, response_model=None)
    return app


def added(make: Callable[[], Any]) -> Callable[[], Any]:
    """Add the middleware as the framework's documentation says."""

    def make_with() -> Any:
        app = make()
        app.add_middleware(CORSMiddleware, policies=POLICIES, policy="app")
        return app

    return make_with


def wrapped(make: Callable[[], Any]) -> Callable[[], Any]:
    """Put the middleware around the whole."""
    return lambda: CORSMiddleware(make(), POLICIES, policy="app")


def django_app() -> Any:
    """An application of Django."""
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="tests.protect.django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="no secret", LOGGING_CONFIG=None
        )
        django.setup()
    from django.core.asgi import get_asgi_application

    return get_asgi_application()


APPS = {
    "Starlette": added(starlette_app),
    "Starlette, wrapped": wrapped(starlette_app),
    "FastAPI": added(fastapi_app),
    "FastAPI, wrapped": wrapped(fastapi_app),
    "Django": wrapped(django_app),
}


@pytest.fixture(params=list(APPS.values()), ids=list(APPS))
def app(request: pytest.FixtureRequest) -> Any:
    """An application of each framework."""
    return request.param()


class TestFrameworks:
    """What they answer."""

    def test_allowed_preflight(self, app: Any) -> None:
        """It is answered in the application's place."""
        status, headers, body = ask(app, "OPTIONS", "/app/", A, PREFLIGHT)
        assert (status, body) == (204, b"")
        assert headers == {
            **ALLOWED,
            "access-control-allow-methods": "GET, HEAD, PUT",
            "access-control-max-age": "60",
            "vary": VARY_PREFLIGHT,
        }

    def test_refused_preflight(self, app: Any) -> None:
        """With a 403 that tells nothing."""
        for origin in (STRANGER, B, "null"):
            answer = ask(app, "OPTIONS", "/app/", origin, PREFLIGHT)
            assert answer == (403, {"vary": VARY_PREFLIGHT, "content-length": "0"}, b"")

    def test_an_options_that_is_none(self, app: Any) -> None:
        """It reaches the application."""
        answer = ask(app, "OPTIONS", "/app/", None, PREFLIGHT)
        assert (answer[0], answer[2]) == (200, b"OPTIONS page")

    def test_actual(self, app: Any) -> None:
        """Allowed or refused, by a page or not, it is served, with what is decided and nothing else of CORS."""
        for origin, expected in ((A, ALLOWED), (STRANGER, {}), (None, {})):
            answer = ask(app, "GET", "/app/", origin)
            assert (answer[0], cors(answer), answer[2]) == (200, expected, b"GET page")
            assert answer[1]["vary"] == "Cookie, Origin"

    def test_what_is_not_there(self, app: Any) -> None:
        """The page that the framework makes of it carries the headers."""
        answer = ask(app, "GET", "/app/nothing", A)
        assert (answer[0], cors(answer), answer[1]["vary"]) == (404, ALLOWED, "Origin")
        assert cors(ask(app, "GET", "/app/nothing", STRANGER)) == {}

    def test_streamed(self, app: Any) -> None:
        """An answer in pieces is as it was."""
        answer = ask(app, "GET", "/app/stream", A)
        assert (answer[2], cors(answer)) == (b"one two three", ALLOWED)


def test_exceptions() -> None:
    """The last error page of Starlette and FastAPI is made outside of what is added, and inside of what is wrapped."""
    scope = scope_of("GET", "/app/error", [("Origin", A)])
    body = {"type": "http.request", "body": b"", "more_body": False}
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for name, make in APPS.items():
        # Starlette answers, and lets the server know.
        answer = answer_of(asyncio.run(call(make(), scope, body, raises=[RuntimeError])))
        found[name] = answer[0], cors(answer)
    assert found == {name: (500, {} if name in {"Starlette", "FastAPI"} else ALLOWED) for name in APPS}


class TestMiddleware:
    """What the middleware does with what servers and applications do."""

    def test_what_is_no_http_passes(self) -> None:
        """A websocket and the events of a lifetime reach the application as they are."""

        async def socket(websocket: WebSocket) -> None:
            await websocket.accept(headers=[(b"access-control-allow-origin", b"*")])
            await websocket.close()

        started: list[str] = []

        class Lifetime:
            def __init__(self, app: Any) -> None:
                started.append("made")

            async def __aenter__(self) -> None:
                started.append("begun")

            async def __aexit__(self, *_: object) -> None:
                started.append("over")

        app = CORSMiddleware(Starlette(routes=[WebSocketRoute("/app/", socket)], lifespan=Lifetime), POLICIES)
        scope = {**scope_of("GET", "/app/", [("Origin", STRANGER)]), "type": "websocket", "subprotocols": []}
        accepted, closed = asyncio.run(call(app, scope, {"type": "websocket.connect"}))
        assert (accepted["type"], accepted["headers"]) == (
            "websocket.accept",
            [(b"access-control-allow-origin", b"*")],
        )
        assert closed["type"] == "websocket.close"
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        asyncio.run(call(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, *events))
        assert started == ["made", "begun", "over"]

    @pytest.mark.parametrize(
        ("more", "expected"),
        [
            ({"path": "/app/7"}, ALLOWED),
            ({"path": "/app/7", "raw_path": None}, ALLOWED),
            ({"path": "/app/\u00e4 b", "raw_path": None}, ALLOWED),
            ({"path": "/app/\ud800", "raw_path": None}, ALLOWED),
            ({"path": "/app/../open/", "raw_path": b"/app/%2e%2e/open/"}, {}),
            ({"path": "/app/a/b", "raw_path": b"/app/a%2Fb"}, ALLOWED),
            ({"path": "/app/b", "raw_path": b"/app%2Fb"}, {}),
            ({"path": "/open/", "raw_path": b"/open/?x=/../"}, {"access-control-allow-origin": "*"}),
            ({"path": "/other"}, {}),
            ({"path": "", "raw_path": b""}, {}),
            ({"path": "/app/\xff", "raw_path": b"/app/\xff"}, ALLOWED),
            ({"path": "/app/b", "raw_path": b"/app/\x01"}, {}),
            ({"path": "/app/", "scheme": None}, ALLOWED),
            ({"path": "/app/", "headers": [(b"origin", A.encode())]}, {}),
            ({"path": "/app/", "headers": [(b"Origin", A.encode()), (b"HOST", b"api.example")]}, ALLOWED),
            ({"path": "/app/", "headers": [(b"origin", A.encode()), *[(b"host", b"api.example")] * 2]}, {}),
            ({"path": "/app/", "headers": [(b"host", b"api.example"), *[(b"origin", A.encode())] * 2]}, {}),
        ],
    )
    def test_by_url(self, more: dict[str, Any], expected: dict[str, str]) -> None:
        """The policy is found by the URL; where none is found, nothing is granted, and the site serves."""
        path = more.pop("path")
        app = CORSMiddleware(PlainTextResponse("page"), POLICIES)
        answer = ask(app, "GET", path, A, **more)
        assert (answer[0], cors(answer)) == (200, expected)

    def test_mounted(self) -> None:
        """An application that is mounted under a path sees the whole of it, and so does its middleware."""
        inner = CORSMiddleware(Starlette(routes=[Route("/7", page)]), POLICIES)
        answer = ask(Starlette(routes=[Mount("/app", app=inner)]), "GET", "/app/7", A)
        assert (answer[2], cors(answer)) == (b"GET page", ALLOWED)

    def test_policies_that_change(self) -> None:
        """Whatever has `decide` can decide: a holder whose policies are replaced does so at once."""

        class Holder:
            active = ActivePolicies(POLICIES)

            def decide(self, query: Query) -> Decision:
                return self.active.decide(query)

        holder = Holder()
        app = CORSMiddleware(PlainTextResponse("page"), holder, policy="app")
        assert cors(ask(app, "GET", "/", A)) == ALLOWED
        holder.active = ActivePolicies(read_document(CHANGED))
        assert cors(ask(app, "GET", "/", A)) == {}


def test_a_policy_that_a_fixed_set_lacks() -> None:
    """The application does not start, and the error names the policies, the one that was meant first."""
    with pytest.raises(ValueError, match=r"^There is no policy 'opn'\. The policies are: open, app\.$"):
        CORSMiddleware(PlainTextResponse("page"), POLICIES, policy="opn")


class TestService:
    """An application that asks the service."""

    async def test_up_and_down(self) -> None:
        """It grants what the service grants, and nothing once that is gone."""
        async with real() as there:
            service = ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20)
            app = CORSMiddleware(PlainTextResponse("page"), service, policy="app")
            assert cors(await deferToThread(ask, app, "GET", "/", A)) == ALLOWED
            assert (await deferToThread(ask, app, "OPTIONS", "/", A, PREFLIGHT))[0] == 204
            await there.stop()
            answer = await deferToThread(ask, app, "GET", "/", A)
            assert (answer[0], cors(answer)) == (200, {})
            assert (await deferToThread(ask, app, "OPTIONS", "/", A, PREFLIGHT))[0] == 403
            service.close()

    async def test_what_holds_is_not_asked_again(self) -> None:
        """Nor is a thread needed for it."""
        async with real(ttl=60) as there:
            service = ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20)
            app = CORSMiddleware(PlainTextResponse("page"), service, policy="app")
            assert cors(await deferToThread(ask, app, "GET", "/", A)) == ALLOWED
            await there.stop()
            app._threads.shutdown()
            assert cors(await deferToThread(ask, app, "GET", "/", A)) == ALLOWED
            service.close()

    async def test_many_requests_while_it_is_slow(self) -> None:
        """Each waits as long as one may, also those that no thread is free for; and the loop goes on."""
        many = 500

        def run(port: int) -> list[Answer]:
            service = ServiceClient(f"http://127.0.0.1:{port}", timeout=SOON)
            app = CORSMiddleware(PlainTextResponse("page"), service, policy="app")
            scope = scope_of("GET", "/", [("Origin", A)])

            async def all_at_once() -> list[Any]:
                return list(await asyncio.gather(*[call(app, scope) for _ in range(many)]))

            answers = asyncio.run(all_at_once())
            app._threads.shutdown(cancel_futures=True)
            return [answer_of(sent) for sent in answers]

        async with impostor(silent) as other:
            answers = await deferToThread(run, other.port)
            asked = len(other.asked)
        assert [(200, {}, b"page")] * many == [(answer[0], cors(answer), answer[2]) for answer in answers]
        # Had each waited for a thread, and then for the service, the service would have been asked by all of them.
        assert asked < many / 2

    @pytest.mark.parametrize("is_read", [True, False])
    async def test_an_answer_that_comes_while_the_loop_is_blocked(self, is_read: bool) -> None:
        """It counts, whether a thread has read it meanwhile, or was halted as well."""

        def run(port: int) -> Answer:
            service = ServiceClient(f"http://127.0.0.1:{port}", timeout=LONG)
            app = CORSMiddleware(PlainTextResponse("page"), service, policy="app")

            async def blocked() -> Answer:
                loop = asyncio.get_running_loop()
                asking = asyncio.create_task(call(app, scope_of("GET", "/", [("Origin", A)])))
                await asyncio.sleep(0)
                if is_read:
                    app._threads.shutdown()
                # When the loop goes on, the time is up.
                loop_time = loop.time
                loop.time = lambda: loop_time() + LONG + 1  # type: ignore[method-assign]
                return answer_of(await asking)

            try:
                return asyncio.run(blocked())
            finally:
                service.close()

        async with real() as there:
            assert cors(await deferToThread(run, there.port)) == ALLOWED

    def test_the_log_says_that_time_was_up(self, caplog: pytest.LogCaptureFixture) -> None:
        """Once, also where no thread was free to ask."""
        service = ServiceClient("http://127.0.0.1:1", timeout=0.01)
        app = CORSMiddleware(PlainTextResponse("page"), service, policy="app")
        end = threading.Event()
        for _ in range(CONNECTIONS):
            app._threads.submit(end.wait)
        for _ in range(2):
            assert cors(ask(app, "GET", "/", A)) == {}
        end.set()
        app._threads.shutdown()
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("ERROR", "The decision service at http://127.0.0.1:1 did not answer within 0.01 seconds.")
        ]

    @pytest.mark.parametrize("talk", LIARS.values(), ids=LIARS.keys())
    async def test_lies(self, talk: Callable[[Talker, bytes], None]) -> None:
        """What answers in the service's place puts nothing on the application's answers."""
        application = PlainTextResponse("page")
        async with impostor(talk) as other:
            service = ServiceClient(f"http://127.0.0.1:{other.port}", timeout=20)
            answer = await deferToThread(ask, CORSMiddleware(application, service, policy="app"), "GET", "/", A)
            service.close()
        status, lines, body = ask(application, "GET", "/", A)
        assert answer == (status, lines | {"vary": "Origin"}, body)

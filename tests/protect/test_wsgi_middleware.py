"""Applications of WSGI, those of Flask and Django among them, answer with the decided headers and no others of CORS."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import django
import flask
import pytest
from django.conf import settings
from twisted.internet.threads import deferToThread

import cors_service.protect.asgi
from cors_service.decision import ActivePolicies, Circumstances, Decision, Query
from cors_service.policy import read_document
from cors_service.protect.wsgi import CORSMiddleware, ServiceClient
from cors_service.testing.client import MemoryClient
from tests.answering import CHANGED, DOCUMENT, Talker, impostor, real
from tests.questions import LIARS, STRANGER, A, B

POLICIES = read_document(DOCUMENT)
ALLOWED = {"access-control-allow-origin": A, "access-control-allow-credentials": "true"}
PREFLIGHT = {"access-control-request-method": "PUT"}
VARY_PREFLIGHT = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"

Answer = tuple[int, dict[str, str], bytes]


def ask(app: Any, method: str, path: str, origin: str | None = None, **more: str) -> Answer:
    """Ask an application, as a server would; its header lines are one to a name."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "HTTP_HOST": "api.example",
        "SCRIPT_NAME": "",
    }
    setup_testing_defaults(environ)
    environ |= {"QUERY_STRING": "", "wsgi.errors": sys.stderr, **({"HTTP_ORIGIN": origin} if origin else {})}
    for name, value in more.items():
        environ[name if "." in name or name.isupper() else f"HTTP_{name.upper().replace('-', '_')}"] = value
    answers: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, lines: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        answers.append((status, lines))
        return written.append

    pieces = app({name: value for name, value in environ.items() if value is not None}, start_response)
    try:
        body = b"".join([*pieces])
    finally:
        if hasattr(pieces, "close"):
            pieces.close()
    status, lines = answers[-1]
    headers = {name.lower(): value for name, value in lines}
    assert len(headers) == len(lines), lines
    return int(status.split()[0]), headers, b"".join(written) + body


def cors(answer: Answer) -> dict[str, str]:
    """The headers of CORS of an answer."""
    return {name: value for name, value in answer[1].items() if name.startswith("access-control-")}


def plain(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer as an application does that uses all that WSGI has."""
    own = [("Content-Type", "text/plain"), ("Access-Control-Allow-Origin", "*"), ("Vary", "Cookie")]
    write = start_response("200 OK", own)
    if environ["PATH_INFO"] == "/app/write":
        write(b"written ")
    if environ["PATH_INFO"] == "/app/error":
        try:
            int("on purpose")
        except ValueError:
            start_response("500 Oh", own, sys.exc_info())
    return [environ["REQUEST_METHOD"].encode(), b" ", b"page"]


@pytest.fixture
def flask_app() -> flask.Flask:
    """An application of Flask that does CORS wrong."""
    app = flask.Flask("app")

    @app.route("/app/", methods=["GET", "PUT", "OPTIONS"])
    def page() -> Any:
        headers = [("access-control-allow-origin", "*"), ("Access-Control-Max-Age", "1"), ("Vary", "Cookie")]
        return f"{flask.request.method} page", 200, headers

    @app.route("/app/error")
    def error() -> str:
        raise RuntimeError("on purpose")

    @app.route("/app/stream")
    def stream() -> Any:
        return flask.Response(
            (piece for piece in ("one ", "two ", "three")), headers={"Access-Control-Allow-Origin": "*"}
        )

    app.wsgi_app = CORSMiddleware(app.wsgi_app, POLICIES, policy="app")  # type: ignore[method-assign]
    return app


@pytest.fixture
def django_app() -> Any:
    """An application of Django that does CORS wrong."""
    if not settings.configured:
        settings.configure(
            ROOT_URLCONF="tests.protect.django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY="no secret", LOGGING_CONFIG=None
        )
        django.setup()
    from django.core.wsgi import get_wsgi_application

    return CORSMiddleware(get_wsgi_application(), POLICIES, policy="app")


@pytest.fixture(params=["flask_app", "django_app"])
def app(request: pytest.FixtureRequest) -> Any:
    """An application of each framework."""
    return request.getfixturevalue(request.param)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
class TestFrameworks:
    """What they answer."""

    def test_allowed_preflight(self, app: Any) -> None:
        """It is answered in the application's place."""
        status, headers, body = ask(app, "OPTIONS", "/app/", A, **PREFLIGHT)
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
            answer = ask(app, "OPTIONS", "/app/", origin, **PREFLIGHT)
            assert answer == (403, {"vary": VARY_PREFLIGHT, "content-length": "0"}, b"")

    def test_an_options_that_is_none(self, app: Any) -> None:
        """It reaches the application."""
        answer = ask(app, "OPTIONS", "/app/", None, **PREFLIGHT)
        assert (answer[0], answer[2]) == (200, b"OPTIONS page")

    def test_actual(self, app: Any) -> None:
        """Allowed or refused, by a page or not, it is served, with what is decided and nothing else of CORS."""
        for origin, expected in ((A, ALLOWED), (STRANGER, {}), (None, {})):
            answer = ask(app, "GET", "/app/", origin)
            assert (answer[0], cors(answer), answer[2]) == (200, expected, b"GET page")
            assert answer[1]["vary"] == "Cookie, Origin"

    def test_errors(self, app: Any) -> None:
        """The pages that the framework makes of what is not there, and of exceptions, carry the headers."""
        for path, status in (("/app/nothing", 404), ("/app/error", 500)):
            answer = ask(app, "GET", path, A)
            assert (answer[0], cors(answer), answer[1]["vary"]) == (status, ALLOWED, "Origin")
            assert cors(ask(app, "GET", path, STRANGER)) == {}

    def test_streamed(self, app: Any) -> None:
        """An answer in pieces is as it was."""
        answer = ask(app, "GET", "/app/stream", A)
        assert (answer[2], cors(answer)) == (b"one two three", ALLOWED)

    def test_head(self, app: Any) -> None:
        """The same headers without the body."""
        assert cors(ask(app, "HEAD", "/app/", A)) == ALLOWED


class TestMiddleware:
    """What the middleware does with what servers and applications do."""

    def test_it_keeps_the_rules_of_wsgi(self) -> None:
        """Towards the application, and towards the server."""
        app = validator(CORSMiddleware(validator(plain), POLICIES, policy="app"))
        assert cors(ask(app, "GET", "/app/", A)) == ALLOWED

    def test_what_an_application_may_do(self) -> None:
        """It may write, and take back what it said."""
        app = CORSMiddleware(plain, POLICIES, policy="app")
        assert ask(app, "GET", "/app/write", A)[2] == b"written GET page"
        answer = ask(app, "GET", "/app/error", A)
        assert (answer[0], cors(answer)) == (500, ALLOWED)

    def test_an_application_that_raises(self) -> None:
        """The exception is the server's business; its page has no CORS headers."""

        def failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            raise RuntimeError("on purpose")

        with pytest.raises(RuntimeError, match="on purpose"):
            ask(CORSMiddleware(failing, POLICIES, policy="app"), "GET", "/", A)

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            ({"PATH_INFO": "/app/7"}, ALLOWED),
            ({"SCRIPT_NAME": "/app", "PATH_INFO": "/7"}, ALLOWED),
            ({"SCRIPT_NAME": "/app", "PATH_INFO": ""}, ALLOWED),
            ({"PATH_INFO": "/app/\xc3\xa4;x=1,2@:"}, ALLOWED),
            ({"PATH_INFO": "/open/"}, {"access-control-allow-origin": "*"}),
            ({"PATH_INFO": "/app/../open/"}, {}),
            ({"PATH_INFO": "/app//x"}, ALLOWED),
            ({"PATH_INFO": "//app/x"}, {}),
            ({"PATH_INFO": "/other"}, {}),
            ({"PATH_INFO": ""}, {}),
            ({"PATH_INFO": "/7", "HTTP_HOST": "api.example/app"}, {}),
            ({"PATH_INFO": "/app/", "HTTP_HOST": None}, {}),
            ({"PATH_INFO": "/app/", "HTTP_HOST": "api.example, api.example"}, {}),
            ({"PATH_INFO": "/app/", "wsgi.url_scheme": "https"}, ALLOWED),
            ({"PATH_INFO": "/app/", "HTTP_ORIGIN": f"{A},{A}"}, {}),
        ],
    )
    def test_by_url(self, environ: dict[str, Any], expected: dict[str, str]) -> None:
        """The policy is found by the URL; where none is found, nothing is granted, and the site serves."""
        answer = ask(CORSMiddleware(plain, POLICIES), "GET", "/", A, **environ)
        assert (answer[0], cors(answer)) == (200, expected)

    def test_its_own_pages(self) -> None:
        """A page of the site itself is of no other origin."""
        seen: list[Query] = []
        active = ActivePolicies(POLICIES)

        class Spy:
            def decide(self, query: Query) -> Decision:
                seen.append(query)
                return active.decide(query)

        ask(
            CORSMiddleware(plain, Spy(), policy="app"),
            "GET",
            "/x/../y",
            "https://api.example",
            **{"wsgi.url_scheme": "https"},
        )
        host = Circumstances(hosts=("api.example",))
        assert seen == [Query("GET", "app", "https://api.example/", ("https://api.example",), circumstances=host)]
        assert active.decide(seen[0]).kind == "same-origin"

    def test_policies_that_change(self) -> None:
        """Whatever has `decide` can decide: a holder whose policies are replaced does so at once."""

        class Holder:
            active = ActivePolicies(POLICIES)

            def decide(self, query: Query) -> Decision:
                return self.active.decide(query)

        holder = Holder()
        app = CORSMiddleware(plain, holder, policy="app")
        assert cors(ask(app, "GET", "/", A)) == ALLOWED
        holder.active = ActivePolicies(read_document(CHANGED))
        assert cors(ask(app, "GET", "/", A)) == {}

    @pytest.mark.parametrize("policies", [POLICIES, ActivePolicies(POLICIES)], ids=["set", "active"])
    def test_a_policy_that_a_fixed_set_lacks(self, policies: Any) -> None:
        """The application does not start, and the error names the policies, the one that was meant first."""
        with pytest.raises(ValueError, match=r"^There is no policy 'opn'\. The policies are: open, app\.$"):
            CORSMiddleware(plain, policies, policy="opn")

    @pytest.mark.parametrize(
        ("policies", "hint"),
        [
            ("http://127.0.0.1:8080", 'write ServiceClient("http://127.0.0.1:8080")'),
            ("a\nb", 'write ServiceClient("http://...")'),
            (DOCUMENT, "write read_document(...) for a dictionary"),
            (None, "NoneType is neither"),
            (ServiceClient, "type is neither"),
            (MemoryClient(DOCUMENT), "MemoryClient is neither"),
        ],
        ids=["address", "text", "document", "nothing", "class", "Twisted's"],
    )
    @pytest.mark.parametrize("middleware", [CORSMiddleware, cors_service.protect.asgi.CORSMiddleware])
    def test_what_cannot_decide(self, middleware: Any, policies: Any, hint: str) -> None:
        """The application does not start, and the error says what to write."""
        with pytest.raises(TypeError) as caught:
            middleware(plain, policies)
        assert str(caught.value) == f"policies must be a policy set or a ServiceClient; {hint}"

    @pytest.mark.parametrize("policy", [5, ["open"], b"open"], ids=["number", "list", "bytes"])
    @pytest.mark.parametrize("policies", [POLICIES, ServiceClient("http://127.0.0.1:8080")])
    @pytest.mark.parametrize("middleware", [CORSMiddleware, cors_service.protect.asgi.CORSMiddleware])
    def test_what_names_no_policy(self, middleware: Any, policies: Any, policy: object) -> None:
        """The application does not start with a name that is no text, also where only the service knows the names."""
        with pytest.raises(TypeError, match=r"^policy must be the name of a policy, such as \"catalogue\", not "):
            middleware(plain, policies, policy=policy)

    def test_a_policy_that_goes(self, caplog: pytest.LogCaptureFixture) -> None:
        """Where policies change, the site serves, preflights are refused, and the log says why."""

        class Holder:
            def decide(self, query: Query) -> Decision:
                return ActivePolicies(POLICIES).decide(query)

        app = CORSMiddleware(plain, Holder(), policy="nothing")
        answer = ask(app, "GET", "/", A)
        assert (answer[0], cors(answer), answer[1]["vary"]) == (200, {}, "Cookie, Origin")
        assert ask(app, "OPTIONS", "/", A, **PREFLIGHT)[0] == 403
        assert caplog.messages == ["Can't decide: There is no policy 'nothing'."] * 2


async def test_a_service_that_is_asked() -> None:
    """An application that asks the service grants what that grants, and nothing once it is gone."""
    async with real() as there:
        service = ServiceClient(f"http://127.0.0.1:{there.port}", timeout=20)
        app = CORSMiddleware(plain, service, policy="app")
        assert cors(await deferToThread(ask, app, "GET", "/", A)) == ALLOWED
        assert (await deferToThread(ask, app, "OPTIONS", "/", A, **PREFLIGHT))[0] == 204
        await there.stop()
        answer = await deferToThread(ask, app, "GET", "/", A)
        assert (answer[0], cors(answer)) == (200, {})
        assert (await deferToThread(ask, app, "OPTIONS", "/", A, **PREFLIGHT))[0] == 403
        service.close()


@pytest.mark.parametrize("talk", LIARS.values(), ids=LIARS.keys())
async def test_a_lying_service(talk: Callable[[Talker, bytes], None]) -> None:
    """What answers in the service's place puts nothing on the application's answers."""
    async with impostor(talk) as other:
        service = ServiceClient(f"http://127.0.0.1:{other.port}", timeout=20)
        answer = await deferToThread(ask, CORSMiddleware(plain, service, policy="app"), "GET", "/", A)
        service.close()
    expected = ask(plain, "GET", "/", A)
    lines = {name: value for name, value in expected[1].items() if not name.startswith("access-control-")}
    assert answer == (200, lines | {"vary": "Cookie, Origin"}, expected[2])

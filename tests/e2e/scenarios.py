"""What must be so wherever the decision service is asked: in front of an application, or by it.

A scenario is a function that asks a subject and asserts what a client sees. It knows nothing of gateways, frameworks
and processes: a subject is a URL, and a way to have the decision service fail. Behind it is an application that
behaves as gateways/application.py says; the policies are those of POLICIES.
"""

from __future__ import annotations

import http.client
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple

from cors_service.browser import Request, cors_check, preflight_check, preflight_headers

HOST: Final = "site.example"
"""What clients call the site, wherever it listens."""

PARTNER: Final = "https://partner.example"
"""May do much, with cookies."""
READER: Final = "https://reader.example"
"""May read, without cookies."""
STRANGER: Final = "https://stranger.example"
"""May do nothing."""

POLICIES: Final = f"""
version = 1

[policies.catalogue]
match = ["{HOST}/catalogue/"]

[[policies.catalogue.rules]]
origins = ["{PARTNER}"]
methods = ["GET", "PUT", "DELETE", "OPTIONS"]
request_headers = ["content-type", "authorization", "x-catalogue-*"]
expose_headers = ["x-request-id", "etag"]
credentials = true
max_age = 600
timing = true
resource_policy = "same-site"

[[policies.catalogue.rules]]
origins = ["{READER}"]
methods = ["GET"]

[policies.prices]
match = ["{HOST}/prices/"]
origins = ["*"]
"""
"""What the service decides by: subjects ask for `catalogue`, and `prices` is what a forger would like it to be."""

TIMEOUT: Final = 10.0
"""Seconds for any answer: far more than a subject may wait for the decision service."""

Lines = Iterable[tuple[str, str]]


class State(StrEnum):
    """What is at the address of the decision service."""

    UP = "the service"
    DOWN = "nobody"
    UNREACHABLE = "something that does not even refuse connections"
    SLOW = "something that accepts connections and never answers"
    GARBAGE = "something that does not speak HTTP"
    CUT = "something that closes the connection within its answer"
    ERROR = "something that answers 503, with CORS headers"
    FORBIDDING = "something that answers 403, with CORS headers"


class Answer(NamedTuple):
    """What a client gets.

    Attributes:
        status: The status; 0 for no answer, or one that is not HTTP, which is a network error to browsers.
        lines: The header lines, as they came.
        body: The body.
    """

    status: int
    lines: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def cors(self) -> dict[str, str]:
        """What browsers read for CORS; the values of repeated lines are joined, as browsers do it."""
        found: dict[str, str] = {}
        for name, value in self.lines:
            key = name.lower()
            if key.startswith("access-control-"):
                found[key] = f"{found[key]}, {value}" if key in found else value
        return found

    @property
    def timing(self) -> list[str]:
        """The values of all lines of Timing-Allow-Origin."""
        return [value for name, value in self.lines if name.lower() == "timing-allow-origin"]

    @property
    def resource_policies(self) -> list[str]:
        """The values of all lines of Cross-Origin-Resource-Policy."""
        return [value for name, value in self.lines if name.lower() == "cross-origin-resource-policy"]

    @property
    def vary(self) -> list[str]:
        """The names in all lines of Vary, sorted, in lower case."""
        values = ",".join(value for name, value in self.lines if name.lower() == "vary")
        return sorted(name.strip().lower() for name in values.split(",") if name.strip())

    @property
    def is_of_application(self) -> bool:
        """Whether the application has answered."""
        return any(name.lower() == "x-application" for name, _ in self.lines)

    @property
    def received(self) -> dict[str, Any]:
        """What the application says it received: method, target, headers (by lower-case names, lists) and body."""
        assert self.is_of_application, self
        told: dict[str, Any] = json.loads(self.body)
        return told


class Connection:
    """A connection to a subject, kept alive."""

    def __init__(self, host: str, port: int) -> None:
        self._http = http.client.HTTPConnection(host, port, timeout=TIMEOUT)

    def ask(self, method: str, target: str, lines: Lines = (), body: bytes = b"") -> Answer:
        """Send a request with exactly these header lines, beside Host and Content-Length."""
        self._http.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        self._http.putheader("Host", HOST)
        for name, value in lines:
            self._http.putheader(name, value)
        if body:
            self._http.putheader("Content-Length", str(len(body)))
        self._http.endheaders(body or None)
        try:
            response = self._http.getresponse()
        except http.client.BadStatusLine:
            self.close()
            return Answer(0, (), b"")
        return Answer(response.status, tuple(response.getheaders()), response.read())

    @property
    def is_open(self) -> bool:
        """Whether the other side leaves it open behind the last answer."""
        return self._http.sock is not None

    def close(self) -> None:
        """Close it."""
        self._http.close()


class Subject(ABC):
    """What scenarios are run against.

    Attributes:
        host: Where it listens.
        port: Where it listens.
    """

    host = "127.0.0.1"
    port: int

    @abstractmethod
    def service(self, state: State) -> AbstractContextManager[None]:
        """Replace the decision service until the block ends."""

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Open a connection until the block ends."""
        connection = Connection(self.host, self.port)
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, method: str, target: str, lines: Lines = (), body: bytes = b"") -> Answer:
        """Ask once, over a connection of its own."""
        with self.connected() as connection:
            return connection.ask(method, target, lines, body)


@dataclass(frozen=True)
class Scenario:
    """One row of the matrix.

    Attributes:
        number: That of the scenario in the list that all agreed on, from 1 to 12.
        name: How it is called in code, in tests and in what subjects can't do.
        title: How it is called in documents.
        check: Asks a subject; raises AssertionError if it does not do what it should.
        for_gateways: Whether it makes sense for gateways alone, and not for an application that asks by itself.
    """

    number: int
    name: str
    title: str
    check: Callable[[Subject], None]
    for_gateways: bool


SCENARIOS: list[Scenario] = []
"""All of them, in order."""


def scenario(
    number: int, title: str, *, for_gateways: bool = False
) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Add a function to the scenarios, by its name."""

    def add(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
        SCENARIOS.append(Scenario(number, check.__name__, title, check, for_gateways))
        return check

    return add


# What the service decides for actual requests of each of the three, and the application's own Vary beside it.
DECIDED: Final[dict[str, dict[str, str]]] = {
    PARTNER: {
        "access-control-allow-origin": PARTNER,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "etag, x-request-id",
    },
    READER: {"access-control-allow-origin": READER},
    STRANGER: {},
}
VARY: Final = ["accept-encoding", "origin"]
VARY_PREFLIGHT: Final = ["access-control-request-headers", "access-control-request-method", "origin"]

PATH: Final = "/catalogue/7"


def page(origin: str, method: str = "GET", *names: str, credentials: bool = False) -> Request:
    """What a page does: a request with a value for each of these header names."""
    headers = tuple((name, "1") for name in names)
    return Request(origin, f"http://{HOST}{PATH}", method=method, headers=headers, credentials=credentials)


def preflight(subject: Subject, request: Request, target: str = PATH) -> Answer:
    """Send the preflight of a page's request."""
    return subject.ask("OPTIONS", target, preflight_headers(request))


def assert_served(answer: Answer, origin: str) -> None:
    """The application has answered, with what is decided for an origin's GET, and nothing else of CORS."""
    assert (answer.status, answer.is_of_application) == (200, True)
    assert DECIDED[origin] == answer.cors


def assert_no_grant(answer: Answer, request: Request) -> None:
    """It fails a preflight, and is not the application's."""
    assert not answer.is_of_application
    assert not preflight_check(request, answer.status, answer.lines).allowed


@scenario(1, "An allowed preflight gets the headers of the decision")
def allowed_preflight(subject: Subject) -> None:
    """The decision's status and headers are the answer, and the application is not asked."""
    request = page(PARTNER, "PUT", "content-type", "x-catalogue-a", credentials=True)
    answer = preflight(subject, request)
    assert answer.cors == {
        "access-control-allow-origin": PARTNER,
        "access-control-allow-credentials": "true",
        "access-control-allow-methods": "GET, HEAD, PUT, DELETE, OPTIONS",
        "access-control-allow-headers": "content-type, x-catalogue-a",
        "access-control-max-age": "600",
    }
    assert (answer.status, answer.vary, answer.body) == (204, VARY_PREFLIGHT, b"")
    assert preflight_check(request, answer.status, answer.lines).allowed
    assert not answer.is_of_application


@scenario(2, "A refused preflight gets a 403 that says nothing")
def refused_preflight(subject: Subject) -> None:
    """Whether the origin, the method or a header is refused."""
    for request in (page(STRANGER, "PUT"), page(READER, "PUT"), page(PARTNER, "PUT", "x-other"), page("null", "PUT")):
        answer = preflight(subject, request)
        assert_no_grant(answer, request)
        assert (answer.status, answer.cors, answer.vary) == (403, {}, VARY_PREFLIGHT)


@scenario(2, "No answer has a header for operators, such as the reason for a refusal")
def nothing_for_operators(subject: Subject) -> None:
    """A page, or whoever else asks, does not learn from it why something is refused, or when policies change."""
    answers = [
        *(subject.ask("GET", path, [("Origin", one)]) for one in DECIDED for path in (PATH, "/catalogue/status/404")),
        subject.ask("GET", PATH),
        *(preflight(subject, page(one, method)) for one in DECIDED for method in ("PUT", "PATCH")),
    ]
    assert {200, 204, 403, 404} == {answer.status for answer in answers}
    told = {name.lower() for answer in answers for name, _ in answer.lines}
    assert sorted(name for name in told if name.startswith("cors-")) == []


@scenario(3, "An allowed request with credentials gets the headers of the decision")
def allowed_with_credentials(subject: Subject) -> None:
    """A browser shares the answer with the page."""
    answer = subject.ask("GET", PATH, [("Origin", PARTNER), ("Cookie", "session=1")])
    assert_served(answer, PARTNER)
    assert (answer.timing, answer.resource_policies) == ([PARTNER], ["same-site"])
    assert cors_check(page(PARTNER, credentials=True), answer.lines).allowed


@scenario(3, "So does one without credentials, but pages that send cookies can't read the answer")
def allowed_without_credentials(subject: Subject) -> None:
    """A browser shares the answer if the page sent no cookies."""
    answer = subject.ask("GET", PATH, [("Origin", READER)])
    assert_served(answer, READER)
    assert answer.timing == [PARTNER]
    assert cors_check(page(READER), answer.lines).allowed
    assert not cors_check(page(READER, credentials=True), answer.lines).allowed


@scenario(3, "An allowed request with a body reaches the application unchanged")
def allowed_with_body(subject: Subject) -> None:
    """Asking about a request takes nothing from it."""
    lines = [("Origin", PARTNER), ("Content-Type", "application/json"), ("Cookie", "session=1"), ("X-Catalogue-A", "2")]
    answer = subject.ask("PUT", f"{PATH}?a=1&b=%20", lines, b'{"price": 3}')
    assert_served(answer, PARTNER)
    received = answer.received
    assert (received["method"], received["body"]) == ("PUT", '{"price": 3}')
    assert received["target"] == f"{PATH}?a=1&b=%20"
    assert [received["headers"][name.lower()] for name, _ in lines] == [[value] for _, value in lines]


@scenario(3, "A request with 12 KiB of headers is decided like any other")
def allowed_with_many_headers(subject: Subject) -> None:
    """What a client sends beside Origin is not passed on to the service, which limits what it reads."""
    # With Host and Origin 100: as many as all take, and too many for the service if a proxy adds its own to them.
    lines = [(f"X-Client-{number:02}", "v" * 115) for number in range(98)]
    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER), *lines]), PARTNER)


@scenario(4, "A refused request is served without CORS headers")
def refused_is_served(subject: Subject) -> None:
    """It is the browser that keeps the answer from the page."""
    refused = [(STRANGER, "GET"), (STRANGER, "PUT"), (READER, "DELETE"), ("null", "GET"), (f"{PARTNER}/", "GET")]
    for origin, method in refused:
        answer = subject.ask(method, PATH, [("Origin", origin)])
        assert_served(answer, STRANGER)
        assert (answer.received["method"], answer.vary, answer.timing) == (method, VARY, [PARTNER])
        assert not cors_check(page(origin, method), answer.lines).allowed


@scenario(5, "A request without Origin is served with `Vary: Origin` and no CORS headers")
def no_origin(subject: Subject) -> None:
    """Also one that has other headers of a preflight."""
    for lines in ((), [("Access-Control-Request-Method", "PUT")]):
        answer = subject.ask("GET", PATH, lines)
        assert_served(answer, STRANGER)
        assert (answer.vary, answer.timing) == (VARY, [PARTNER])


@scenario(6, "An OPTIONS that is not a preflight reaches the application")
def plain_options(subject: Subject) -> None:
    """What makes a preflight is both headers; one of them is decided about like any other request."""
    method = ("Access-Control-Request-Method", "PUT")
    for origin, lines in ((STRANGER, []), (STRANGER, [method]), (PARTNER, [("Origin", PARTNER)])):
        answer = subject.ask("OPTIONS", PATH, lines)
        assert_served(answer, origin)
        assert (answer.received["method"], answer.vary) == ("OPTIONS", VARY)


@scenario(7, "The application's own CORS headers are removed")
def own_headers_are_gone(subject: Subject) -> None:
    """Whatever is decided, each header of CORS is the decision's, on one line."""
    for origin, decided in (*DECIDED.items(), (None, {})):
        answer = subject.ask("GET", PATH, [("Origin", origin)] if origin else ())
        assert answer.is_of_application
        names = [name.lower() for name, _ in answer.lines if name.lower().startswith("access-control-")]
        assert sorted(name for name in decided if name.startswith("access-control-")) == sorted(names)
        assert decided == answer.cors


@scenario(7, "The application's own `Vary` is kept, and `Origin` is added")
def vary_is_merged(subject: Subject) -> None:
    """Whatever is decided."""
    for origin in (PARTNER, READER, STRANGER):
        assert subject.ask("GET", PATH, [("Origin", origin)]).vary == VARY


@scenario(8, "The application's error pages carry the headers")
def errors_of_application(subject: Subject) -> None:
    """A page that may not read the error can't tell its user what went wrong."""
    for status in (404, 500):
        answer = subject.ask("GET", f"/catalogue/status/{status}", [("Origin", PARTNER)])
        assert (answer.status, answer.is_of_application, DECIDED[PARTNER]) == (status, True, answer.cors)
        refused = subject.ask("GET", f"/catalogue/status/{status}", [("Origin", STRANGER)])
        assert (refused.status, refused.cors, refused.vary) == (status, {}, VARY)


@scenario(8, "The proxy's error pages carry the headers", for_gateways=True)
def errors_of_proxy(subject: Subject) -> None:
    """Where the application breaks off the connection, it is the proxy that answers."""
    answer = subject.ask("GET", "/catalogue/abort", [("Origin", PARTNER)])
    assert answer.status in {502, 503}
    assert not answer.is_of_application
    assert DECIDED[PARTNER] == answer.cors
    assert "origin" in answer.vary
    assert subject.ask("GET", "/catalogue/abort", [("Origin", STRANGER)]).cors == {}


@scenario(8, "A body of 2 MiB is served with the headers, or refused with them")
def long_body(subject: Subject) -> None:
    """Whoever limits the length of bodies."""
    answer = subject.ask("PUT", PATH, [("Origin", PARTNER)], b"7" * 2**21)
    assert answer.status in {200, 413}
    assert DECIDED[PARTNER] == answer.cors, "without the headers"


@scenario(9, "Each request on a kept-alive connection gets its own decision")
def one_connection(subject: Subject) -> None:
    """Nothing that is decided for one is left for the next."""
    with subject.connected() as connection:
        for origin in (PARTNER, STRANGER, READER, None, PARTNER, READER, PARTNER):
            answer = connection.ask("GET", PATH, [("Origin", origin)] if origin else ())
            assert_served(answer, origin or STRANGER)
            assert connection.is_open
            request = page(origin or STRANGER, "PUT")
            asked = connection.ask("OPTIONS", PATH, preflight_headers(request))
            assert preflight_check(request, asked.status, asked.lines).allowed == (origin == PARTNER)


def served_all_the_same(subject: Subject, state: State) -> None:
    """The site serves, no page of another origin can read it, and no preflight succeeds."""
    with subject.service(state):
        for status in (200, 404):
            for lines in ([("Origin", PARTNER)], ()):
                answer = subject.ask("GET", f"/catalogue/status/{status}", lines)
                assert (answer.status, answer.is_of_application, answer.cors) == (status, True, {})
                assert answer.timing == []
        request = page(PARTNER, "PUT", credentials=True)
        assert_no_grant(preflight(subject, request), request)


@scenario(10, "The service is down: the site works without CORS headers; preflights fail")
def service_is_down(subject: Subject) -> None:
    """Nobody listens."""
    served_all_the_same(subject, State.DOWN)


@scenario(10, "Its machine can't be reached: the same, after a short wait")
def service_is_unreachable(subject: Subject) -> None:
    """Nothing comes back, not even a refusal."""
    served_all_the_same(subject, State.UNREACHABLE)


@scenario(10, "The service is slow: the same, after a short wait")
def service_is_slow(subject: Subject) -> None:
    """Nobody answers in time."""
    served_all_the_same(subject, State.SLOW)


@scenario(10, "Whatever is at its address does not speak HTTP: the same")
def service_answers_garbage(subject: Subject) -> None:
    """It speaks another protocol."""
    served_all_the_same(subject, State.GARBAGE)


@scenario(10, "The service breaks off in the middle of its answer: the same")
def service_breaks_off(subject: Subject) -> None:
    """The headers that came before count for nothing."""
    served_all_the_same(subject, State.CUT)


@scenario(10, "The service answers with an error: the same, whatever headers the error has")
def service_answers_errors(subject: Subject) -> None:
    """Only what is decided counts: not the headers of an error, and not the refusal of whoever is there."""
    served_all_the_same(subject, State.ERROR)
    served_all_the_same(subject, State.FORBIDDING)


@scenario(10, "Without the service, answers still say `Vary: Origin`")
def vary_without_service(subject: Subject) -> None:
    """A cache would otherwise give them to origins that the service allows once it is back."""
    for state in (State.DOWN, State.GARBAGE, State.ERROR):
        with subject.service(state):
            assert subject.ask("GET", PATH, [("Origin", PARTNER)]).vary == VARY


@scenario(10, "Once the service is back, so are the headers")
def service_is_back(subject: Subject) -> None:
    """With the next request, on the same connection: connections to the service that were kept alive are dead."""
    with subject.connected() as connection:
        for state in (State.DOWN, State.SLOW, State.GARBAGE):
            with subject.service(state):
                connection.ask("GET", PATH, [("Origin", PARTNER)])
            assert_served(connection.ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)
            assert connection.is_open
            request = page(PARTNER, "PUT")
            asked = connection.ask("OPTIONS", PATH, preflight_headers(request))
            assert preflight_check(request, asked.status, asked.lines).allowed


FORGED: Final = [
    ("X-Forwarded-Method", "GET"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "reader.example"),
    ("X-Forwarded-Uri", "/prices/1"),
    ("X-Original-Method", "GET"),
    ("X-Original-URL", "https://reader.example/prices/1"),
    ("X-Original-URI", "/prices/1"),
    ("X-Rewrite-URL", "/prices/1"),
    ("X-HTTP-Method-Override", "GET"),
    ("Forwarded", "host=reader.example;proto=https"),
    ("X-Policy", "prices"),
    ("Access-Control-Allow-Origin", "*"),
    ("Cors-Decision", "allowed"),
]
"""Headers that one proxy or another sets, as a client would set them to read, as READER may, with any method."""


@scenario(11, "A client's own `X-Forwarded-*` and `X-Original-*` change nothing")
def forged_headers(subject: Subject) -> None:
    """All at once, and each method and URL that they claim."""
    for origin, method in ((READER, "DELETE"), (STRANGER, "GET")):
        answer = subject.ask(method, PATH, [("Origin", origin), *FORGED])
        assert_served(answer, STRANGER)
        assert answer.received["method"] == method
    assert_served(subject.ask("GET", PATH, [("Origin", PARTNER), *FORGED]), PARTNER)
    for origin, allowed in ((PARTNER, True), (READER, False)):
        request = page(origin, "PUT")
        answer = subject.ask("OPTIONS", PATH, [*preflight_headers(request), *FORGED])
        assert preflight_check(request, answer.status, answer.lines).allowed == allowed


@scenario(11, "A request can't pass for a preflight, nor a preflight for another request")
def forged_kind(subject: Subject) -> None:
    """The method is that of the request line, whatever headers say."""
    claim = [("X-Original-Method", "OPTIONS"), ("X-Forwarded-Method", "OPTIONS")]
    asking = [("Access-Control-Request-Method", "PUT"), *claim]
    answer = subject.ask("GET", PATH, [("Origin", READER), *asking])
    assert_served(answer, READER)
    assert_served(subject.ask("POST", PATH, [("Origin", READER), *asking]), STRANGER)
    request = page(STRANGER, "GET", "x-a")
    told = [("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")]
    assert_no_grant(subject.ask("OPTIONS", PATH, [*preflight_headers(request), *told]), request)


@scenario(11, "A query such as `?policy=` changes nothing")
def forged_query(subject: Subject) -> None:
    """The client does not choose its policy."""
    query = "policy=prices&origin=https%3A%2F%2Fpartner.example&method=GET&url=http%3A%2F%2Fa.example%2Fprices%2F"
    for lines in ([("Origin", STRANGER)], [("Origin", READER)]):
        assert subject.ask("GET", f"{PATH}?{query}", lines).cors == DECIDED[lines[0][1]]
    for suffix in (f"?{query}", f"/v1/preflight/prices?{query}", "?/../../prices"):
        request = page(STRANGER, "GET", "x-a")
        assert_no_grant(preflight(subject, request, f"{PATH}{suffix}"), request)


@scenario(11, "A body that looks like a request to the service is just a body")
def forged_body(subject: Subject) -> None:
    """It does not reach the connections to the service, where it would get the answer to the next question."""
    lines = [
        "Origin: https://a.example",
        "X-Original-Method: GET",
        "X-Forwarded-Method: GET",
        "Host: a.example",
        "",
        "",
    ]
    body = "\r\n".join(["GET /v1/auth-request/prices HTTP/1.1", *lines]).encode("ascii")
    with subject.connected() as connection:
        for _ in range(3):
            answer = connection.ask("POST", PATH, [("Origin", STRANGER)], body)
            assert_served(answer, STRANGER)
            assert answer.received["body"].encode("ascii") == body
            connection.ask("OPTIONS", PATH, preflight_headers(page(STRANGER, "PUT")), body)
            assert_served(connection.ask("GET", PATH, [("Origin", STRANGER)]), STRANGER)


@scenario(11, "A repeated `Origin` gets nothing, or what one of the two would get alone")
def repeated_origin(subject: Subject) -> None:
    """Never both, and never more."""
    for origins in ((STRANGER, PARTNER), (PARTNER, STRANGER), (READER, PARTNER)):
        answer = subject.ask("GET", PATH, [("Origin", origin) for origin in origins])
        assert answer.cors in ({}, *(DECIDED[origin] for origin in origins))
        answer = subject.ask("GET", PATH, [("Origin", ", ".join(origins))])
        assert_served(answer, STRANGER)
    request, second = page(STRANGER, "PUT"), ("Origin", PARTNER)
    for lines in ([*preflight_headers(request), second], [second, *preflight_headers(request)]):
        answer = subject.ask("OPTIONS", PATH, lines)
        assert not preflight_check(request, answer.status, answer.lines).allowed
        assert not cors_check(request, answer.lines).allowed


ODD_PATHS: Final = [
    "/catalogue/a%2Fb",
    "/catalogue/a%5Cb",
    "/catalogue/%2e%2e/prices/1",
    "/catalogue/../prices/1",
    "/catalogue/./a",
    "/catalogue//a",
    "/catalogue/%E4%ff",
    "/catalogue/%C3%A4?%C3%A4=%E4",
    "/catalogue/a;b=1,c",
    "/catalogue/a+b%20c",
    "/catalogue/%25%32%46",
    "/catalogue/a'(b)!~*$&:@",
    "/catalogue/?",
    "/catalogue/?a=/../b&c=//d%2F..",
]
"""Paths that proxies decode, clean up or refuse."""


@scenario(12, "A path with odd encodings is decided like any other")
def odd_paths_are_decided(subject: Subject) -> None:
    """Neither the request nor its preflight gets lost on the way to the service, nor somebody else's policy."""
    for path in ODD_PATHS:
        answer = subject.ask("GET", path, [("Origin", PARTNER)])
        assert (path, DECIDED[PARTNER]) == (path, answer.cors)
        assert (path, {}) == (path, subject.ask("GET", path, [("Origin", STRANGER)]).cors)
        for origin, allowed in ((PARTNER, True), (STRANGER, False)):
            request = page(origin, "PUT")
            asked = preflight(subject, request, path)
            verdict = preflight_check(request, asked.status, asked.lines)
            assert (path, origin, verdict.allowed) == (path, origin, allowed)


@scenario(12, "A path with odd encodings reaches the application unchanged")
def odd_paths_are_kept(subject: Subject) -> None:
    """Byte for byte."""
    for path in ODD_PATHS:
        assert path == subject.ask("GET", path, [("Origin", PARTNER)]).received["target"]

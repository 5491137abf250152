"""Tests that the service answers as its description says, status by status and code by code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import filterfalse
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.logger import LogEvent
from twisted.python.failure import Failure

from cors_service.reader.messages import Following
from cors_service.server import DecisionSite
from cors_service.store import LivePolicies, MemoryPolicyStore
from cors_service.store.following import StoreView
from cors_service.web import DecisionTree
from tests.web.description import (
    COMPONENTS,
    DESCRIPTION,
    check,
    codes_of,
    operations,
    resolved,
    response_of,
    takes_any_method,
)
from tests.web.traversal import Answer, Caller, broken, live, tree, tree_of

POLICIES: dict[str, Any] = response_of("GET /v1/policies", 200)["content"]["application/json"]["examples"]["all"][
    "value"
]
"""What the examples are decided by."""


def ready() -> DecisionTree:
    """A tree that decides by the policies of the examples."""
    return tree(POLICIES)


def empty() -> DecisionTree:
    """A tree without policies."""
    return tree_of(live(POLICIES, Clock())[1])


def draining() -> DecisionTree:
    """A tree of a service that is about to stop."""
    root = ready()
    root.ready.draining = True
    return root


def stale() -> DecisionTree:
    """A tree with policies of a store that confirmed too long ago that these are its newest."""
    clock, view = Clock(), StoreView("db")
    policies = LivePolicies(MemoryPolicyStore(POLICIES), clock, view=view)
    policies.reload()
    assert policies.active is not None
    revision = policies.active.revision
    view.become(revision, 1, 0.0)
    view.tell(Following(revision=revision, seq=1, head_seq=1, confirmed=1, confirmed_at=0.0), 0.0)
    clock.advance(75)
    root = tree_of(policies, clock)
    root.ready.max_stale = 60.0
    return root


Lines = tuple[tuple[str, str], ...]


class Exchange(NamedTuple):
    """A request, and what the description says about its answer.

    Attributes:
        operation: Method and path as the description has them.
        status: Of the answer.
        code: Of the problem that the answer is; empty if it is none.
        path: As it goes over the wire; the operation's if empty.
        body: Of the request.
        lines: Header lines of the request.
        root: Makes the tree that is asked.
    """

    operation: str
    status: int
    code: str = ""
    path: str = ""
    body: bytes | None = None
    lines: Lines = ()
    root: Callable[[], DecisionTree] = ready

    def __str__(self) -> str:
        return " ".join(filter(None, (self.operation, str(self.status), self.code)))

    def send(self, method: str | None = None) -> Answer:
        """Send the request, by another method if one is given."""
        usual, path = self.operation.split()
        return Caller(self.root()).ask(method or usual, self.path or path, self.body, self.lines)


def form(**parameters: str | list[str]) -> str:
    """The path of a form."""
    return f"/v1/decision?{urlencode(parameters, doseq=True)}"


def query(**fields: Any) -> bytes:
    """A query as a body."""
    return json.dumps({"method": "GET"} | fields).encode("ascii")


GET, POST, BATCH = "GET /v1/decision", "POST /v1/decision", "POST /v1/decisions"
ALL, ONE, STATUS = "GET /v1/policies", "GET /v1/policies/{name}", "GET /v1/status"
EVALUATION, EVALUATIONS = "POST /access/v1/evaluation", "POST /access/v1/evaluations"
KNOWN, DATA = "GET /.well-known/authzen-configuration", "POST /v1/data/cors/decision"
LIVE, READY, SELF = "GET /livez", "GET /readyz", "GET /openapi.json"
METRICS = "GET /metrics"
HELD = (("If-None-Match", "*"),)
TEXT = (("Content-Type", "text/plain"),)
TWICE = (("Origin", "https://a.test"), ("Origin", "https://b.test"))
LARGE = b" " * (1024 * 1024 + 1)
DOTS, NOWHERE = "https://api.example.com/catalogue/../admin", "https://www.example.com/"

SITE = "api.example.com"
PAGE, STRANGER = ("Origin", "https://partner.example"), ("Origin", "https://stranger.example")
SHUT = ("Origin", "https://shut.example")
PUT, PATCH = ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Method", "PATCH")
REFUSED: dict[str, Lines] = {
    "origin-not-allowed": (STRANGER,),
    "origin-refused": (SHUT,),
    "origin-malformed": (("Origin", "https://partner.example/"),),
    "multiple-origins": TWICE,
    "method-not-allowed": (PAGE, PATCH),
    "method-malformed": (PAGE, ("Access-Control-Request-Method", "P T")),
    "header-not-allowed": (PAGE, PUT, ("Access-Control-Request-Headers", "x-a")),
    "header-malformed": (PAGE, PUT, ("Access-Control-Request-Headers", "x a")),
    "too-many-headers": (PAGE, PUT, ("Access-Control-Request-Headers", ",".join(f"x-{n}" for n in range(1000)))),
}
"""Lines of requests that are refused, by the reason."""


def generous(**more: Any) -> DecisionTree:
    """A tree whose one policy, for any path of the site, has every header that there is."""
    rule = {
        "origins": [PAGE[1]],
        "methods": ["GET", "PUT"],
        "request_headers": ["content-type"],
        "expose_headers": ["x-request-id"],
        "credentials": True,
        "max_age": 600,
        "timing": True,
        "resource_policy": "same-site",
    }
    policy = {"match": [f"{SITE}/"], "rules": [{"origins": [SHUT[1]], "refuse": True}, rule]}
    return tree({"version": 1, "policies": {"catalogue": policy | more}})


def old() -> DecisionTree:
    """A tree with a policy for clients that take a 204 for an error."""
    return generous(preflight_status=200)


def guarded(**guard: Any) -> DecisionTree:
    """A tree whose policy guards its site, too."""
    return generous(guard={"hosts": [SITE]} | guard)


def with_other_hosts() -> DecisionTree:
    """A tree whose guard does not know the site."""
    return guarded(hosts=["localhost:*"])


def for_pages_alone() -> DecisionTree:
    """A tree whose guard refuses requests without an Origin."""
    return guarded(without_origin="refuse")


def static() -> DecisionTree:
    """A tree whose policy names its origin to everybody."""
    rule = {"origins": [PAGE[1]], "methods": ["GET", "PUT"], "credentials": True, "timing": True, "max_age": 600}
    policy = {"match": [f"{SITE}/"], "static": True, "expose_headers": ["etag"], "request_headers": ["x-a"], **rule}
    return tree({"version": 1, "policies": {"catalogue": policy}})


def elsewhere() -> DecisionTree:
    """A tree without a policy of that name or for that site."""
    return tree({"version": 1, "policies": {"other": {"origins": ["*"]}}})


def bound() -> DecisionTree:
    """A tree with a policy that binds a part of the host, and uses it in an origin."""
    policy = {"match": ["<name>.example.com/"], "origins": ["https://<name>.example"]}
    return tree({"version": 1, "policies": {"bound": policy}})


def lines_of(family: str, lines: Lines) -> Lines:
    """The lines of a request, and those in which proxies of a family report it."""
    method = "OPTIONS" if any(name == PUT[0] for name, _ in lines) else "GET"
    if family == "auth-request":
        return ("X-Original-Method", method), ("X-Original-URL", f"https://{SITE}/7"), *lines
    if family in {"ext-authz", "preflight"}:
        return ("Host", SITE), *lines
    site = ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", SITE), ("X-Forwarded-Uri", "/7")
    return ("X-Forwarded-Method", method), *site, *lines


def of_family(family: str, method: str) -> Iterator[tuple[int, str, Lines, Callable[[], DecisionTree]]]:
    """Status and code of each answer to the proxies of a family, and the request."""
    yield 500, "internal", (PAGE, PUT), broken
    if family == "preflight":
        yield 200, "", (PAGE, PUT), old
        yield 405, "not-a-preflight", (PAGE,), generous
    else:
        yield 200, "", (PAGE,), generous
        yield 200, "", (PAGE,), guarded
    if (family, method) == ("ext-authz", "GET"):
        return
    yield 204, "", (PAGE, PUT), generous
    if family == "enforce":
        for code, lines in REFUSED.items():
            yield 403, code, lines, generous
        for lines in ((STRANGER,), (STRANGER, PUT)):
            yield 403, "origin-not-allowed", lines, static
        yield 503, "no-policies", (PAGE,), empty
        yield 204, "", (PAGE, PUT), guarded
        yield 403, "host-not-allowed", (PAGE,), with_other_hosts
        yield 403, "cross-site", (("Sec-Fetch-Site", "cross-site"),), guarded
        yield 403, "fetch-metadata-malformed", (("Sec-Fetch-Site", "x"),), guarded
        yield 403, "origin-missing", (), for_pages_alone
    else:
        yield 403, "", (PAGE, PUT), elsewhere
    if method == "OPTIONS":
        yield 403, "", (PAGE, PATCH), generous
        yield 403, "", (PAGE, PATCH), guarded
        yield 403, "", (STRANGER, PUT), static


def not_enforced(operation: str) -> Iterator[Exchange]:
    """An exchange for each reason why nothing can be decided about what is to be enforced."""
    method, host, uri = (("X-Forwarded-Method", "GET"), ("X-Forwarded-Host", SITE), ("X-Forwarded-Uri", "/7"))
    site = ("X-Forwarded-Proto", "https"), PAGE
    by_url = "/v1/enforce" if operation.endswith("enforce") else "/v1/enforce/-"
    if by_url != "/v1/enforce":
        yield Exchange(operation, 403, "unknown-policy", "/v1/enforce/nothing", lines=(method, host, uri, *site))
        yield Exchange(operation, 403, "origin-needs-url", "/v1/enforce/bound", lines=(method, PAGE), root=bound)
    yield Exchange(operation, 403, "no-method", by_url, lines=(host, uri, *site), root=generous)
    yield Exchange(operation, 403, "url-malformed", by_url, lines=(method, uri, *site), root=generous)
    line_end = ("X-Forwarded-Uri", "/a%0A")
    yield Exchange(operation, 403, "url-ambiguous", by_url, lines=(method, host, line_end, *site), root=generous)
    lines = (method, host, uri, *site)
    yield Exchange(operation, 403, "no-policy-for-url", by_url, lines=lines, root=elsewhere)


def evaluation(**parts: Any) -> bytes:
    """An evaluation as a body."""
    subject, resource = {"type": "origin", "id": "null"}, {"type": "policy", "id": "catalogue"}
    return json.dumps({"subject": subject, "action": {"name": "GET"}, "resource": resource} | parts).encode("ascii")


def data(**fields: Any) -> bytes:
    """A query as the input of a document."""
    return b'{"input":%b}' % query(**fields)


def of_dialects() -> Iterator[Exchange]:
    """An exchange for each answer in a dialect."""
    for operation in (EVALUATION, EVALUATIONS):
        yield Exchange(operation, 200, body=evaluation())
        yield Exchange(operation, 400, "request-malformed", body=evaluation(), lines=TWICE)
        yield Exchange(operation, 400, "body-malformed", body=b"")
        yield Exchange(operation, 400, "not-json", body=evaluation(), lines=TEXT)
        yield Exchange(operation, 413, "body-too-large", body=LARGE)
        yield Exchange(operation, 500, "internal", body=evaluation(), root=broken)
        yield Exchange(operation, 503, "no-policies", body=evaluation(), root=empty)
    yield Exchange(EVALUATION, 400, "query-malformed", body=b'{"action": {"name": "GET"}}')
    semantic = evaluation(options={"evaluations_semantic": "any"})
    yield Exchange(EVALUATIONS, 400, "query-malformed", body=semantic)
    yield Exchange(EVALUATIONS, 400, "too-many-queries", body=evaluation(evaluations=[{}] * 1001))
    yield Exchange(KNOWN, 200)
    yield Exchange(KNOWN, 400, "request-malformed", lines=TWICE)
    yield Exchange(DATA, 200, body=data(policy="catalogue", origin="null"))
    yield Exchange(DATA, 400, "request-malformed", body=data(policy="catalogue"), lines=TWICE)
    yield Exchange(DATA, 400, "body-malformed", body=b'{"input": {"method": "GET", "method": "GET"}}')
    yield Exchange(DATA, 400, "query-malformed", body=data(policy="catalogue", origin="null", headers={"Origin": "a"}))
    yield Exchange(DATA, 400, "no-selector", body=data())
    yield Exchange(DATA, 400, "url-malformed", body=data(url="/catalogue/7"))
    yield Exchange(DATA, 400, "url-ambiguous", body=data(url=DOTS))
    yield Exchange(DATA, 404, "unknown-policy", body=data(policy="nothing"))
    yield Exchange(DATA, 404, "no-policy-for-url", body=data(url=NOWHERE))
    yield Exchange(DATA, 413, "body-too-large", body=LARGE)
    yield Exchange(DATA, 415, "not-json", body=data(policy="catalogue"), lines=TEXT)
    yield Exchange(DATA, 500, "internal", body=data(policy="catalogue"), root=broken)
    yield Exchange(DATA, 503, "no-policies", body=data(policy="catalogue"), root=empty)
    for policy in ("", "/{policy}"):
        operation, path = (
            f"POST /v1/data/cors/apisix{policy}",
            f"/v1/data/cors/apisix{policy.format(policy='catalogue')}",
        )
        asked = b'{"input": {"request": {"method": "GET", "scheme": "https", "host": "api.example.com", "path": "/"}}}'
        yield Exchange(operation, 200, path=path, body=asked)
        yield Exchange(operation, 400, "request-malformed", path, asked, (("Host", "a b"),))
        yield Exchange(operation, 400, "body-malformed", path, b"")
        yield Exchange(operation, 400, "query-malformed", path, b'{"input": {}}')
        yield Exchange(operation, 413, "body-too-large", path, LARGE)
        yield Exchange(operation, 415, "not-json", path, asked, TEXT)
        yield Exchange(operation, 500, "internal", path, asked, root=broken)


def of_proxies() -> Iterator[Exchange]:
    """An exchange for each answer to a proxy."""
    for operation, told in operations():
        if told["tags"] == ["proxies"]:
            method, path = operation.split()
            family, path = path.split("/")[2], path.format(policy="catalogue", path="7")
            yield Exchange(operation, 400, "request-malformed", path, lines=(("Host", "a b"),))
            if family == "enforce":
                yield from not_enforced(operation)
            for status, code, lines, root in of_family(family, method):
                yield Exchange(operation, status, code, path, lines=lines_of(family, lines), root=root)


EXCHANGES = [
    Exchange(GET, 200, path=form(policy="catalogue", origin="null")),
    Exchange(GET, 304, path=form(policy="catalogue"), lines=HELD),
    Exchange(GET, 400, "request-malformed", form(policy="catalogue"), lines=TWICE),
    Exchange(GET, 400, "query-malformed", form(policy="catalogue", origin=["null", "null"])),
    Exchange(GET, 400, "no-selector"),
    Exchange(GET, 400, "url-malformed", form(url="/catalogue/7")),
    Exchange(GET, 400, "url-ambiguous", form(url=DOTS)),
    Exchange(GET, 404, "unknown-policy", form(policy="nothing")),
    Exchange(GET, 404, "no-policy-for-url", form(url=NOWHERE)),
    Exchange(GET, 500, "internal", form(policy="catalogue"), root=broken),
    Exchange(GET, 503, "no-policies", form(policy="catalogue"), root=empty),
    Exchange(POST, 200, body=query(policy="catalogue", origin="null")),
    Exchange(POST, 400, "request-malformed", body=query(policy="catalogue"), lines=TWICE),
    Exchange(POST, 400, "body-malformed", body=b'{"method": "GET", "method": "GET"}'),
    Exchange(POST, 400, "query-malformed", body=query(policy="catalogue", origin="null", headers={"Origin": "a"})),
    Exchange(POST, 400, "no-selector", body=query()),
    Exchange(POST, 400, "url-malformed", body=query(url="/catalogue/7")),
    Exchange(POST, 400, "url-ambiguous", body=query(url=DOTS)),
    Exchange(POST, 404, "unknown-policy", body=query(policy="nothing")),
    Exchange(POST, 404, "no-policy-for-url", body=query(url=NOWHERE)),
    Exchange(POST, 413, "body-too-large", body=LARGE),
    Exchange(POST, 415, "not-json", body=query(policy="catalogue"), lines=TEXT),
    Exchange(POST, 500, "internal", body=query(policy="catalogue"), root=broken),
    Exchange(POST, 503, "no-policies", body=query(policy="catalogue"), root=empty),
    Exchange(BATCH, 200, body=b'{"queries": [{"policy": "catalogue", "method": "GET"}, null]}'),
    Exchange(BATCH, 400, "request-malformed", body=b'{"queries": []}', lines=TWICE),
    Exchange(BATCH, 400, "body-malformed", body=b""),
    Exchange(BATCH, 400, "query-malformed", body=b"{}"),
    Exchange(BATCH, 400, "too-many-queries", body=b'{"queries": [%b0]}' % (b"0," * 1000)),
    Exchange(BATCH, 413, "body-too-large", body=LARGE),
    Exchange(BATCH, 415, "not-json", body=b'{"queries": []}', lines=TEXT),
    Exchange(BATCH, 500, "internal", body=b'{"queries": []}', root=broken),
    Exchange(BATCH, 503, "no-policies", body=b'{"queries": []}', root=empty),
    Exchange(ALL, 200),
    Exchange(ALL, 304, lines=HELD),
    Exchange(ALL, 400, "request-malformed", lines=TWICE),
    Exchange(ALL, 500, "internal", root=broken),
    Exchange(ALL, 503, "no-policies", root=empty),
    Exchange(ONE, 200, path="/v1/policies/catalogue"),
    Exchange(ONE, 304, path="/v1/policies/status", lines=HELD),
    Exchange(ONE, 400, "request-malformed", "/v1/policies/status", lines=TWICE),
    Exchange(ONE, 404, "unknown-policy", "/v1/policies/nothing"),
    Exchange(ONE, 500, "internal", "/v1/policies/status", root=broken),
    Exchange(ONE, 503, "no-policies", "/v1/policies/status", root=empty),
    Exchange(STATUS, 200),
    Exchange(STATUS, 400, "request-malformed", lines=TWICE),
    Exchange(STATUS, 500, "internal", root=broken),
    Exchange(METRICS, 200),
    Exchange(METRICS, 400, "request-malformed", lines=TWICE),
    Exchange(METRICS, 500, "internal", root=broken),
    Exchange(LIVE, 200),
    Exchange(LIVE, 400, "request-malformed", lines=TWICE),
    Exchange(READY, 200),
    Exchange(READY, 400, "request-malformed", lines=TWICE),
    Exchange(READY, 500, "internal", root=broken),
    Exchange(READY, 503, "no-policies", root=empty),
    Exchange(READY, 503, "draining", root=draining),
    Exchange(READY, 503, "stale-policies", root=stale),
    Exchange(SELF, 200),
    Exchange(SELF, 304, lines=HELD),
    Exchange(SELF, 400, "request-malformed", lines=TWICE),
    *of_proxies(),
    *of_dialects(),
]
"""An exchange for each answer that the description knows."""


def test_every_described_answer_is_asked_for() -> None:
    """The table above has every operation with every status and code that it is described with, and no other."""
    told = {
        (name, int(status), code)
        for name, operation in operations()
        for status, response in operation["responses"].items()
        for code in codes_of(resolved(response))
    }
    assert told == {exchange[:3] for exchange in EXCHANGES}


def is_example(answer: Answer, response: dict[str, Any]) -> bool:
    """Whether a problem is the example of its code, if there is one; titles depend on the version of Python."""
    (media,) = response["content"].values()
    told = media["examples"].get(answer.json["code"])
    return told is None or answer.json | {"title": ""} == told["value"] | {"title": ""}


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_answers(exchange: Exchange, nothing_left_behind: list[LogEvent]) -> None:
    """Each answer has the status, the headers, the media type and the body that the description says, and no others."""
    response = response_of(exchange.operation, exchange.status)
    check(exchange._replace(lines=(*exchange.lines, ("X-Request-ID", "a"))).send(), response)
    answer = exchange.send()
    assert exchange.status == answer.status
    check(answer, response)
    if exchange.code:
        assert (exchange.status, exchange.code) == answer.problem
        assert is_example(answer, response)
    if exchange.root is broken:
        nothing_left_behind.clear()


@pytest.mark.parametrize("exchange", [one for one in EXCHANGES if one.operation.startswith("GET")], ids=str)
def test_answers_to_head(exchange: Exchange, nothing_left_behind: list[LogEvent]) -> None:
    """HEAD gets the status and the headers that the description says of GET, and no body."""
    answer = exchange.send("HEAD")
    assert exchange.status == answer.status
    check(answer, response_of(exchange.operation, exchange.status), head=True)
    if exchange.root is broken:
        nothing_left_behind.clear()


@pytest.mark.parametrize("method", ["DELETE", "PROPFIND"])
@pytest.mark.parametrize(
    "exchange",
    [one for one in EXCHANGES if takes_any_method(one.operation.split()[1]) and one.operation.startswith("GET")],
    ids=str,
)
def test_any_method(exchange: Exchange, method: str, nothing_left_behind: list[LogEvent]) -> None:
    """Where any method is taken, those that are not described are answered as described of GET."""
    answer = exchange.send(method)
    assert exchange.status == answer.status
    check(answer, response_of(exchange.operation, exchange.status))
    if exchange.root is broken:
        nothing_left_behind.clear()


@pytest.mark.parametrize("path", [*filterfalse(takes_any_method, DESCRIPTION["paths"]), "/v1/policies/status"])
def test_method_not_allowed(path: str) -> None:
    """A method that is not described is a 405 as described for every path."""
    answer = Caller(ready()).ask("DELETE", path)
    assert answer.status == 405
    check(answer, COMPONENTS["responses"]["MethodNotAllowed"])
    assert is_example(answer, COMPONENTS["responses"]["MethodNotAllowed"])


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/nothing", "/v1/decision/", "/openapi.yaml"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_not_found(path: str, method: str) -> None:
    """A path that is not described is a 404 as described for every path, whatever the method."""
    answer = Caller(ready()).ask(method, path)
    assert answer.status == 404
    check(answer, COMPONENTS["responses"]["NotFound"])
    assert is_example(answer, COMPONENTS["responses"]["NotFound"])


class Transport(StringTransport):
    """A transport that can be closed in one direction."""

    def loseWriteConnection(self) -> None:
        """Nothing is sent behind the answer."""


SERVER: dict[str, tuple[str, int, bytes]] = {
    "not HTTP": ("RequestMalformed", 400, b"GET /livez\r\n\r\n"),
    "no Host": ("RequestMalformed", 400, b"GET /livez HTTP/1.1\r\n\r\n"),
    "too slow": ("RequestTimeout", 408, b"GET /livez HTTP/1.1\r\n"),
    "a large body": ("BodyTooLarge", 413, b"POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"),
    "a long line": ("HeadTooLarge", 431, b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * 16384)),
    "many headers": ("HeadTooLarge", 431, b"GET /livez HTTP/1.1\r\nHost: a\r\n%b\r\n" % (b"A: b\r\n" * 100)),
}


@pytest.mark.parametrize(("name", "status", "sent"), SERVER.values(), ids=SERVER)
def test_server(name: str, status: int, sent: bytes) -> None:
    """Requests that the service's own server refuses, on any path, are answered as described for every path."""
    clock = Clock()
    channel, transport = DecisionSite(ready(), clock).buildProtocol(None), Transport()
    channel.makeConnection(transport)
    channel.dataReceived(sent)
    clock.advance(10)
    channel.connectionLost(Failure(ConnectionDone()))
    head, _, body = bytes(transport.value()).partition(b"\r\n\r\n")
    start, *lines = head.decode("ascii").split("\r\n")
    answer = Answer(int(start.split()[1]), tuple((line.split(": ")[0], line.split(": ")[1]) for line in lines), body)
    assert status == answer.status
    check(answer, COMPONENTS["responses"][name])
    if name != "RequestMalformed":  # which has several causes
        assert is_example(answer, COMPONENTS["responses"][name])

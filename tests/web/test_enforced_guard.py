"""Tests of guards at the endpoints that proxies ask: what stops there, what goes on, and what the answers say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.logger import LogEvent

from cors_service.web import DecisionTree
from tests.exposed import samples
from tests.observing import observed_by
from tests.web.description import check, response_of
from tests.web.test_proxies import PROXIES, asked, cors_headers, page
from tests.web.test_remembered import memories
from tests.web.traversal import POLICIES, Answer, Caller, Lines, tree

APP, EVIL = "https://app.example.com", "https://evil.example"
HOSTS = ["tools.example.com", "localhost:*"]
TOOLS: dict[str, Any] = {
    "match": ["tools.example.com/"],
    "origins": [APP],
    "methods": ["GET", "HEAD", "POST"],
    "guard": {"hosts": HOSTS},
}
URL = "https://tools.example.com/mcp"
ENFORCE = ["enforce", "enforce by path"]
SAME, CROSS = ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")
NAVIGATION = [CROSS, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
UPGRADE, VERSION = ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")


def guarded(**guard: Any) -> Caller:
    """Ask a tree with a guarded policy beside the others."""
    tools = {**TOOLS, "guard": {**TOOLS["guard"], **guard}}
    return Caller(tree({**POLICIES, "policies": {**POLICIES["policies"], "tools": tools}}))


def enforced(by: Caller, how: str, method: str, lines: Lines = (), *, policy: str = "/tools", url: str = URL) -> Answer:
    """Ask `/v1/enforce` by headers, or as Envoy does."""
    if how == "enforce":
        return asked("enforce", policy, method, lines, url=url, by=by)
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    told = [("Host", host), ("X-Forwarded-Proto", scheme)]
    return by.ask(method, f"/v1/enforce{policy or '/-'}{slash}{path}", lines=[*told, *lines])


@pytest.mark.parametrize("how", ENFORCE)
@pytest.mark.parametrize(
    ("method", "lines", "code"),
    [
        ("POST", page(APP), None),
        ("POST", page("https://tools.example.com"), None),
        ("POST", page(EVIL), "origin-not-allowed"),
        ("DELETE", page(APP), "method-not-allowed"),
        ("POST", page("null"), "origin-not-allowed"),
        ("POST", [*page("null"), SAME], None),
        ("GET", [SAME], None),
        ("GET", [CROSS], "cross-site"),
        ("GET", NAVIGATION, None),
        ("POST", NAVIGATION, "cross-site"),
        ("GET", [("Sec-Fetch-Site", "x")], "fetch-metadata-malformed"),
        ("POST", [], None),
        ("GET", [*page(APP), UPGRADE], None),
        ("GET", [*page(EVIL), UPGRADE], "origin-not-allowed"),
        ("GET", [*page(EVIL), VERSION], "origin-not-allowed"),
    ],
)
def test_enforced(how: str, method: str, lines: Lines, code: str | None) -> None:
    """A guard decides what goes on, by what the gateway passes on; what it stops gets a problem with its code."""
    answer = enforced(guarded(), how, method, lines)
    if code is None:
        assert (answer.status, answer.header("Cors-Guard")) == (200, "pass")
    else:
        assert (answer.problem, answer.header("Cors-Guard")) == ((403, code), "refuse")
        assert cors_headers(answer) == {"Vary": "Origin"}
    assert answer.header("Cache-Control") == "no-store"


@pytest.mark.parametrize("how", ENFORCE)
@pytest.mark.parametrize("host", ["rebound.evil.example", "tools.example.com:8443", "127.0.0.1", "a.tools.example.com"])
def test_other_hosts(how: str, host: str) -> None:
    """A request by a host that is not listed is stopped, also one that a page may send and read, and a preflight."""
    by = guarded()
    for lines in ([SAME], [], page(APP), page(f"https://{host}"), page(APP, "POST")):
        method = "OPTIONS" if len(lines) > 1 else "POST"
        answer = enforced(by, how, method, lines, url=f"https://{host}/mcp")
        assert answer.problem == (403, "host-not-allowed")
        assert "Access-Control-Allow-Origin" not in cors_headers(answer)


def test_the_host_of_the_question() -> None:
    """The Host by which a gateway asks the service is not that of the request, and neither is any other header."""
    by = guarded()
    own = [
        ("Host", "localhost:8080"),
        ("X-Original-URL", URL),
        ("X-Original-Method", "GET"),
        ("Forwarded", "host=localhost"),
    ]
    told = [("X-Forwarded-Method", "POST"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Uri", "/mcp")]
    for host in ([], [("X-Forwarded-Host", "evil.example")], [("X-Forwarded-Host", "tools.example.com")] * 2):
        answer = by.ask("GET", "/v1/enforce/tools", lines=[*told, *own, *host, SAME])
        assert answer.problem == (403, "host-not-allowed")
    foreign = [("Host", "cors.internal"), ("X-Forwarded-Host", "tools.example.com")]
    assert by.ask("GET", "/v1/enforce/tools", lines=[*told, *foreign, SAME]).status == 200


def test_a_slash_at_the_end() -> None:
    """An address that ends in a slash does not make a gateway's own GET of a request: that is a 404."""
    by = guarded()
    host = ("Host", "tools.example.com")
    for _ in range(3):
        assert by.ask("GET", "/v1/enforce/tools/", lines=[host, SAME]).status == 200
        told = [("X-Forwarded-Method", "DELETE"), host]
        assert by.ask("GET", "/v1/enforce/tools/", lines=[*told, SAME]).problem == (404, "not-found")


@pytest.mark.parametrize("how", ENFORCE)
def test_what_the_guard_is_not_about(how: str) -> None:
    """It goes on without CORS headers where a page may not read it; a refused preflight goes nowhere."""
    by = guarded(requests="state-changing")
    answer = enforced(by, how, "GET", page(EVIL))
    assert (answer.status, answer.header("Cors-Guard"), cors_headers(answer)) == (200, None, {"Vary": "Origin"})
    assert answer.header("Cache-Control") == "no-store"
    assert enforced(by, how, "OPTIONS", page(EVIL, "POST")).problem == (403, "origin-not-allowed")
    assert enforced(by, how, "OPTIONS", page(APP, "POST")).status == 204
    assert enforced(by, how, "POST", page(EVIL)).problem == (403, "origin-not-allowed")


@pytest.mark.parametrize("how", ENFORCE)
@pytest.mark.parametrize(
    ("accept", "rpc"),
    [
        (["application/json, text/event-stream"], True),
        (["text/event-stream"], True),
        (["application/json", "Text/Event-Stream;q=0.5"], True),
        (["application/json"], False),
        (["*/*"], False),
        (["text/event-streams"], False),
        ([], False),
    ],
)
def test_json_rpc(how: str, accept: list[str], rpc: bool) -> None:
    """A client that takes an event stream, as those of MCP do, gets a JSON-RPC error without an id."""
    by = guarded()
    lines = [*page(EVIL), ("Content-Type", "application/json"), *(("Accept", value) for value in accept)]
    for _ in range(3):
        assert enforced(by, how, "POST", page(EVIL)).problem == (403, "origin-not-allowed")
        answer = enforced(by, how, "POST", lines)
        assert answer.status == 403
        if rpc:
            assert answer.header("Content-Type") == "application/json"
            assert answer.json == {
                "jsonrpc": "2.0",
                "error": {
                    "code": -32000,
                    "message": "This origin has no access at all.",
                    "data": {"code": "origin-not-allowed"},
                },
            }
        else:
            assert answer.problem == (403, "origin-not-allowed")


@pytest.mark.parametrize("how", ENFORCE)
@pytest.mark.parametrize("lines", [[], [SAME], page(APP)])
def test_undecided(how: str, lines: Lines) -> None:
    """While any policy has a guard, nothing passes for want of a decision: a rebound host finds no policy."""
    by, unguarded = guarded(), Caller(tree())
    for policy, url, code in (
        ("/tool", URL, "unknown-policy"),
        ("", "https://evil.example/mcp", "no-policy-for-url"),
        ("", "https://api.example.com/prices/../catalogue/", "url-ambiguous"),
    ):
        assert enforced(by, how, "GET", lines, policy=policy, url=url).problem == (403, code)
        answer = enforced(unguarded, how, "GET", lines, policy=policy, url=url)
        assert answer.status == (403 if lines and lines != [SAME] else 200)
    no_method = by.ask("GET", "/v1/enforce/tools", lines=[("X-Forwarded-Host", "tools.example.com")])
    assert no_method.problem == (403, "no-method")
    rpc = enforced(by, how, "GET", [*lines, ("Accept", "text/event-stream")], policy="/tool")
    assert rpc.json["error"]["data"] == {"code": "unknown-policy"}


@pytest.mark.parametrize("endpoint", PROXIES[:3])
def test_others_only_say_it(endpoint: str) -> None:
    """The other endpoints stop nothing, and say what the guard says."""
    by = guarded()
    for lines, said in ((page(APP), "pass"), (page(EVIL), "refuse"), ([CROSS], "refuse"), (NAVIGATION, "pass")):
        answer = asked(endpoint, "/tools", "GET", lines, url=URL, by=by)
        assert (answer.status, answer.header("Cors-Guard")) == (200, said)
    unguarded = asked(endpoint, "/prices", "GET", [CROSS], by=by)
    assert (unguarded.header("Cors-Guard"), unguarded.header("Cache-Control")) == (None, "max-age=5")


def test_preflights_by_route() -> None:
    """A preflight that a gateway routes here is not guarded: it reaches no application."""
    answer = asked("preflight", "/tools", "OPTIONS", page(APP, "POST"), url="https://evil.example/", by=guarded())
    assert (answer.status, answer.header("Cors-Guard")) == (204, None)


@pytest.mark.parametrize("how", ENFORCE)
def test_an_unguarded_policy_beside_it(how: str) -> None:
    """A policy without a guard refuses what is not allowed, and nothing else, in the form of old."""
    by = guarded()
    assert enforced(by, how, "GET", [CROSS], policy="/status").status == 200
    rpc = ("Accept", "text/event-stream")
    assert enforced(by, how, "GET", [*page(EVIL), rpc], policy="/status").problem == (403, "origin-not-allowed")


def test_report() -> None:
    """A guard that reports lets all pass; the log says the first of each kind, and each is counted."""
    events: list[LogEvent] = []
    by = guarded(mode="report")
    with observed_by(events.append):
        for _ in range(5):
            for lines in (page(EVIL), [CROSS], page(APP)):
                answer = enforced(by, "enforce", "POST", lines)
                assert (answer.status, answer.header("Cors-Guard")) == (200, "pass" if lines == page(APP) else "report")
    kinds = [{"policy": "tools", "code": code, "requests": 5} for code in ("origin-not-allowed", "cross-site")]
    status = by.get("/v1/status")
    assert status.json["reported"] == {"kinds": kinds, "others": 0}
    check(status, response_of("GET /v1/status", 200))
    counted = samples(by.get("/metrics").body)["cors_guard_reported_total"]
    assert counted == {("tools", "origin-not-allowed"): 5, ("tools", "cross-site"): 5}
    said = [event["what"] for event in events if "what" in event]
    assert [line.partition(":")[0] for line in said] == [
        "The guard of the policy tools would stop requests (origin-not-allowed)",
        "The guard of the policy tools would stop requests (cross-site)",
    ]


def test_what_stops_is_counted() -> None:
    """Each request that a guard stops is counted by its policy and reason, at each endpoint, remembered or not."""
    by = guarded()
    for how in ENFORCE:
        for lines in (page(EVIL), page(EVIL), page(EVIL), [CROSS], page(APP)):
            enforced(by, how, "POST", lines)
    asked("forward-auth", "/tools", "POST", [CROSS], url=URL, by=by)
    counted = samples(by.get("/metrics").body)
    assert counted["cors_guard_stopped_total"] == {("tools", "origin-not-allowed"): 6, ("tools", "cross-site"): 3}
    assert "cors_guard_reported_total" not in counted


def test_report_closes_nothing() -> None:
    """While guards only report, what can't be decided goes on without an Origin, as without any guard."""
    by = guarded(mode="report")
    assert enforced(by, "enforce", "GET", [SAME], policy="", url="https://evil.example/mcp").status == 200
    assert enforced(by, "enforce", "GET", page(APP), policy="", url="https://evil.example/mcp").status == 403


def kept(resource: DecisionTree) -> int:
    """How many answers a tree remembers."""
    return sum(len(memory._memo.young) + len(memory._memo._old) for memory in memories(resource))


@pytest.mark.parametrize(("policies", "number"), [(POLICIES, 1), ({"version": 1, "policies": {"status": TOOLS}}, 4)])
def test_what_is_remembered(policies: dict[str, Any], number: int) -> None:
    """Answers depend on what a guard looks at only where there is one."""
    resource = tree(policies)
    by = Caller(resource)
    for _ in range(3):
        for lines in ([SAME], [CROSS], [SAME, UPGRADE], [SAME, ("Accept", "text/event-stream")]):
            answer = enforced(by, "enforce", "POST", lines, policy="/status")
            stops = number > 1 and lines == [CROSS]
            assert answer.status == (403 if stops else 200)
    assert kept(resource) == number


def test_bodies_of_a_refusal() -> None:
    """What a client is told names nothing of the policy."""
    body = enforced(guarded(), "enforce", "GET", [CROSS]).body
    assert json.loads(body)["detail"] == "A page of another origin sent this request."

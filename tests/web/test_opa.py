"""Tests of the data API of the Open Policy Agent, and of what the plugin `opa` of APISIX makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from cors_service.web import Limits
from cors_service.web.ids import PeekedIds
from tests.observing import observed_by
from tests.web.description import check, response_of
from tests.web.traversal import POLICIES, Answer, Caller, caller, live, on_the_wire, tree, tree_of

DECISION, APISIX = "/v1/data/cors/decision", "/v1/data/cors/apisix"
PARTNER, STRANGER = "https://partner.example", "https://stranger.example"
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@pytest.mark.parametrize(
    "query",
    [
        {"policy": "catalogue", "method": "GET", "origin": PARTNER},
        {"url": "https://api.example.com/catalogue/7", "method": "DELETE", "headers": {"Origin": STRANGER}},
        {"policy": "status", "method": "GET", "unknown": 1},
        {"policy": "status", "method": "GET", "headers": [["x-filler", "a" * 100_000]]},
    ],
)
def test_decision(query: dict[str, Any]) -> None:
    """The result for an input is the decision for that query, and the answer's name is in it."""
    answer = caller().post(DECISION, {"input": query})
    check(answer, response_of(f"POST {DECISION}", 200))
    assert answer.json == {"result": caller().decide(**query), "decision_id": answer.header("Cors-Decision-Id")}


@pytest.mark.parametrize("value", [{}, {"input": None}, {"input": []}, [], {"input": {}}, {"Input": {"method": "GET"}}])
def test_no_input(value: object) -> None:
    """Without an input that is a query there is an error, and no result that might pass for one."""
    assert caller().post(DECISION, value).problem == (400, "query-malformed")


def test_parameters() -> None:
    """The parameters that OPA has are ignored."""
    query = {"input": {"policy": "status", "method": "GET"}}
    assert caller().post(f"{DECISION}?pretty=true&metrics=true", query).status == 200


def test_names_of_answers() -> None:
    """Each answer, given at once or later, has a name that stands in its head and its body, and no other has it."""
    root = Caller(tree())
    queries = [{"policy": "status", "method": "GET", "headers": {"x-filler": "a" * size}} for size in (0, 100_000, 0)]
    answers = [root.post(DECISION, {"input": query}) for query in queries]
    answers += [root.post(APISIX, {"input": {"request": {}}}), root.post(DECISION, {})]
    names = [answer.header("Cors-Decision-Id") for answer in answers]
    assert len(set(names)) == len(names)
    assert [answer.json.get("decision_id") for answer in answers] == [*names[:-1], None]


def test_peeked_ids() -> None:
    """What is peeked at is what comes next, and nothing is lost or comes twice."""
    ids = PeekedIds(iter([b"a", b"b", b"c"]))
    assert [ids.peek(), ids.peek(), next(ids), next(ids), ids.peek(), *ids] == [b"a", b"a", b"a", b"b", b"c", b"c"]


def reported(method: str, headers: dict[str, Any], /, **more: Any) -> dict[str, Any]:
    """What APISIX 3 reports about a request: header names in lower case, a list for a header that is repeated."""
    request = {
        "scheme": "https",
        "method": method,
        "host": "api.example.com",
        "port": 9443,
        "path": "/catalogue/7",
        "headers": {"host": "api.example.com", "accept": "*/*", "user-agent": "Mozilla/5.0"} | headers,
        "query": {"page": "2", "empty": True, "tag": ["a", "b"]},
    }
    var = {"server_addr": "10.0.0.7", "server_port": "9443", "remote_addr": "10.0.0.9", "remote_port": "45678"}
    return {"input": {"type": "http", "request": request | more, "var": var | {"timestamp": 1795251600}}}


def page(origin: str, method: str | None = None, names: str | None = None) -> dict[str, str]:
    """The headers that a browser sends for a page."""
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": names}
    return {name: value for name, value in headers.items() if value is not None}


def result(method: str, headers: dict[str, Any], policy: str = "/catalogue", /, **more: Any) -> dict[str, Any]:
    """What the plugin gets."""
    answer = caller().post(f"{APISIX}{policy}", reported(method, headers, **more))
    check(answer, response_of(f"POST {APISIX}", 200))
    found: dict[str, Any] = answer.json["result"]
    return found


def acted_on(answer: Answer) -> tuple[int | None, dict[str, str], str | None]:
    """What the plugin does: the status, headers and body of what it answers itself; no status where it lets through.

    As apisix/plugins/opa.lua of APISIX 3 does it: without a result it answers with a 503.
    """
    told = answer.json.get("result")
    if not told:
        return 503, {}, None
    if told["allow"]:
        return None, {}, None
    return told.get("status_code", 403), told.get("headers", {}), told.get("reason")


def test_preflight() -> None:
    """The plugin answers an allowed preflight with its status, its headers and no body."""
    asked = reported("OPTIONS", page(PARTNER, "PUT", "content-type"))
    status, headers, body = acted_on(caller().post(f"{APISIX}/catalogue", asked))
    assert (status, body) == (204, None)
    decision = caller().decide(policy="catalogue", method="OPTIONS", headers=page(PARTNER, "PUT", "content-type"))
    assert {
        **dict(decision["headers"]),
        "Cors-Decision": "allowed",
        "Cors-Decision-Reason": "allowed",
        "Cors-Policy-Revision": decision["revision"],
    } == headers


def test_preflight_status() -> None:
    """A policy whose clients need a 200 for a preflight gets one."""
    document = {"version": 1, "policies": {"old": {"origins": [PARTNER], "preflight_status": 200}}}
    asked = reported("OPTIONS", page(PARTNER, "GET"))
    status, headers, body = acted_on(caller(document).post(f"{APISIX}/old", asked))
    assert (status, headers["Access-Control-Allow-Origin"], body) == (200, PARTNER, None)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (page(STRANGER, "DELETE"), "method-not-allowed"),
        (page(PARTNER, "PUT", "x-a"), "header-not-allowed"),
        (page("https://partner.example/", "PUT"), "origin-malformed"),
    ],
)
def test_refused_preflight(headers: dict[str, str], reason: str) -> None:
    """The plugin answers a refused preflight with a 403 that grants nothing, and says why."""
    status, answered, body = acted_on(caller().post(f"{APISIX}/catalogue", reported("OPTIONS", headers)))
    assert (status, body, answered["Vary"]) == (403, reason, VARY)
    assert not [name for name in answered if name.startswith("Access-Control-")]


@pytest.mark.parametrize(
    ("method", "headers", "decision", "granted"),
    [
        ("GET", page(PARTNER), "allowed", PARTNER),
        ("GET", page(STRANGER), "allowed", "*"),
        ("DELETE", page(STRANGER), "refused", None),
        ("GET", {}, "none", None),
        ("OPTIONS", page(PARTNER), "refused", None),
        ("GET", {"origin": [PARTNER, STRANGER]}, "refused", None),
        ("GET", page("https://api.example.com"), "allowed", None),
    ],
)
def test_other_requests_go_on(method: str, headers: dict[str, Any], decision: str, granted: str | None) -> None:
    """All other requests go on, with what proxies get: a mismatch is not a failure of authorisation."""
    found = result(method, headers)
    assert found["allow"] is True
    assert (found["headers"]["Cors-Decision"], found["headers"].get("Access-Control-Allow-Origin")) == (
        decision,
        granted,
    )
    assert set(found) == {"allow", "headers"}


@pytest.mark.parametrize("policy", ["", "/", "/-"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "allowed"),
        ({"path": "/prices/today"}, "allowed"),
        ({"path": "/catalogue/a b?c#d%e\u00fc"}, "allowed"),
        ({"path": "/elsewhere"}, "no-policy-for-url"),
        ({"path": None}, "url-malformed"),
        ({"path": "/catalogue/../prices/"}, "url-ambiguous"),
        ({"scheme": None}, "url-malformed"),
        ({"method": None}, "no-method"),
        ({"headers": {"origin": PARTNER}}, "allowed"),
        ({"headers": {"origin": PARTNER, "host": ["a", "b"]}}, "allowed"),
        ({"headers": {"origin": PARTNER, "host": "elsewhere.example"}}, "no-policy-for-url"),
        ({"headers": {"origin": PARTNER, "host": "api.example.com:443"}}, "allowed"),
    ],
)
def test_by_url(policy: str, more: dict[str, Any], expected: str, nothing_left_behind: list[LogEvent]) -> None:
    """Without a policy, the URL finds it: scheme, Host as the client sent it, or else the host, and path."""
    found = result("GET", page(PARTNER), policy, **more)
    assert (found["allow"], found["headers"]["Cors-Decision-Reason"]) == (True, expected)


def test_undecided() -> None:
    """Undecided, a request goes on without CORS headers, and a preflight does not; the log says so."""
    root = Caller(tree())
    events: list[LogEvent] = []
    with observed_by(events.append):
        actual = root.post(f"{APISIX}/nothing", reported("GET", page(PARTNER)))
        preflight = root.post(f"{APISIX}/nothing", reported("OPTIONS", page(PARTNER, "GET")))
    assert acted_on(actual)[0] is None
    assert acted_on(preflight)[::2] == (403, "unknown-policy")
    for answer in (actual, preflight):
        assert not [name for name in answer.json["result"]["headers"] if name.startswith("Access-Control-")]
    assert len(events) == 1


def test_before_any_policy() -> None:
    """Before policies are active, nobody knows what is guarded: nothing is let through, as without an answer."""
    root = Caller(tree_of(live(POLICIES, Clock())[1]))
    found = root.post(f"{APISIX}/catalogue", reported("GET", page(PARTNER))).json["result"]
    assert (found["allow"], found["headers"]["Cors-Decision-Reason"]) == (False, "no-policies")


@pytest.mark.parametrize(
    "value",
    [
        {"input": {"type": "http"}},
        {"input": {"request": []}},
        reported("GET", {}, method=1),
        reported("GET", {}, path=[]),
        reported("GET", {}, headers="a"),
    ],
)
def test_not_of_the_plugin(value: object) -> None:
    """What the plugin does not send is an error without a result, so the plugin lets nothing through."""
    answer = caller().post(APISIX, value)
    assert answer.problem == (400, "query-malformed")
    assert acted_on(answer)[0] == 503


def test_large_request() -> None:
    """A request with large headers is decided like any other."""
    found = result("GET", page(PARTNER) | {"cookie": "a" * 100_000})
    assert found["headers"]["Access-Control-Allow-Origin"] == PARTNER


def test_deeper() -> None:
    """Nothing stands behind the name of the policy."""
    assert caller().post(f"{APISIX}/catalogue/7", reported("GET", {})).problem == (404, "not-found")


RAW = (
    b'{"input":{"type":"http","request":{"scheme":"http","path":"\\/prices\\/today","headers":{"origin":"https:\\/\\/a.example"'
    b',"access-control-request-method":"GET","host":"api.example.com:9080","cookie":"n\xe9=1","accept":"*\\/*"},"query":{},'
    b'"port":9080,"method":"OPTIONS","host":"api.example.com"},"var":{"timestamp":1795251600,"server_addr":"127.0.0.1",'
    b'"server_port":"9080","remote_port":"36472","remote_addr":"127.0.0.1"}}}'
)
"""A body as lua-cjson writes it: slashes escaped, no order, and what the client sent as it came, UTF-8 or not."""


def test_as_the_plugin_sends_it() -> None:
    """A request with the head that lua-resty-http writes, and a body of lua-cjson, is answered with a preflight."""
    head = (
        b"POST /v1/data/cors/apisix/prices HTTP/1.1\r\nHost: cors.internal:8080\r\n"
        b"User-Agent: lua-resty-http/0.16.1 (Lua) ngx_lua/10025\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(RAW)
    )
    start, _, body = on_the_wire(tree(), head + RAW).partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 200 OK\r\n")
    found = json.loads(body)["result"]
    assert (found["allow"], found["status_code"]) == (False, 204)
    assert found["headers"]["Access-Control-Allow-Origin"] == "*"


def test_limit() -> None:
    """A body that is too large is not looked at."""
    answer = caller(limits=Limits(body=100)).post(APISIX, reported("GET", {}))
    assert answer.problem == (413, "body-too-large")

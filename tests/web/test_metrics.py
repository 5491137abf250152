"""Tests of `/metrics`: whatever is asked, and wherever, is counted once and as what it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock

from cors_service.observe.tally import MOST_POLICIES, NoTally
from cors_service.policy import read_document
from cors_service.policy.revision import revision
from cors_service.server.channel import DecisionChannel
from cors_service.server.quick import QuickChannel
from cors_service.web import DecisionTree, decision_resource
from tests.exposed import OPENMETRICS, Samples, increases, samples
from tests.web.test_remembered import SINGLE, ask
from tests.web.traversal import POLICIES, Caller, caller, tree

PAGE, STRANGER = "https://status.example.com", "https://evil.example"
ALLOWED = {"policy": "status", "method": "GET", "origin": PAGE}
PREFLIGHT = {
    "policy": "status",
    "method": "OPTIONS",
    "headers": {"Origin": PAGE, "Access-Control-Request-Method": "GET"},
}
QUERIES: dict[tuple[str, str, str, str], dict[str, Any]] = {
    ("true", "actual", "status", "allowed"): ALLOWED,
    ("false", "actual", "status", "origin-not-allowed"): ALLOWED | {"origin": STRANGER},
    ("true", "preflight", "status", "allowed"): PREFLIGHT,
    ("none", "no-origin", "prices", "no-origin"): {"policy": "prices", "method": "GET"},
    ("true", "same-origin", "prices", "same-origin"): {
        "policy": "prices",
        "method": "GET",
        "origin": "https://api.example.com",
        "url": "https://api.example.com/prices/",
    },
    ("none", "undecided", "", "unknown-policy"): {"policy": "absent", "method": "GET"},
    ("none", "undecided", "", "query-malformed"): {"policy": "status"},
}
"""Queries by the labels that they are counted under: allowed, kind, policy, reason."""


def read(asked: Caller) -> Samples:
    """Read the metrics of a tree."""
    answer = asked.get("/metrics")
    assert answer.status == 200
    assert answer.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.body)


def evaluation(query: dict[str, Any]) -> dict[str, Any]:
    """Ask in the words of AuthZEN."""
    properties = {"properties": {"url": query["url"]}} if "url" in query else {}
    headers = dict(query.get("headers", {}))
    return {
        "subject": {"type": "origin", "id": headers.pop("Origin", None) or query.get("origin", "")},
        "action": {"name": query.get("method")},
        "resource": {"type": "policy", "id": query["policy"]} | properties,
        "context": {"headers": headers},
    }


def form(query: dict[str, Any]) -> str:
    """Ask in the query string."""
    headers = query.get("headers", {})
    fields = {
        "policy": query["policy"],
        "method": query.get("method", ""),
        "origin": query.get("origin") or headers.get("Origin", ""),
        "url": query.get("url", ""),
        "request_method": headers.get("Access-Control-Request-Method", ""),
    }
    if "method" not in query:
        fields["nonsense"] = "1"
    return "&".join(f"{name}={value}" for name, value in fields.items())


def through(asked: Caller, way: str, query: dict[str, Any]) -> None:
    """Ask a query by one of the ways to ask for a decision."""
    match way:
        case "GET":
            asked.get(f"/v1/decision?{form(query)}")
        case "POST":
            asked.post("/v1/decision", query)
        case "batch":
            asked.post("/v1/decisions", {"queries": [query]})
        case "batch, read as a whole":
            asked.post("/v1/decisions", {"queries": [query], "note": "\\u0041"})
        case "evaluation":
            asked.post("/access/v1/evaluation", evaluation(query))
        case "evaluations":
            asked.post("/access/v1/evaluations", {"evaluations": [evaluation(query)]})
        case _:
            asked.post("/v1/data/cors/decision", {"input": query})


WAYS = ("GET", "POST", "batch", "batch, read as a whole", "evaluation", "evaluations", "OPA")


@pytest.mark.parametrize("way", WAYS)
def test_each_query_is_counted_once(way: str) -> None:
    """Whichever way a query comes, and how often, it is one decision of its kind each time, or one without any."""
    asked = caller()
    before = read(asked)
    for _ in range(4):
        for (_, _, _, reason), query in QUERIES.items():
            if reason == "query-malformed" and way in {"evaluation", "evaluations"}:
                continue
            through(asked, way, query)
    grown = increases(before, read(asked), "cors_decisions_total")
    expected = dict.fromkeys(QUERIES, 4.0)
    if way.startswith("evaluation"):
        del expected["none", "undecided", "", "query-malformed"]
    assert grown == expected


@pytest.mark.parametrize("channel", [QuickChannel, DecisionChannel], ids=["quick", "line by line"])
def test_gateways_are_counted(channel: type[DecisionChannel]) -> None:
    """What gateways ask is counted as the request that they ask about, made or remembered, over either reader."""
    made = tree()
    for name, sent in SINGLE.items():
        if name in {"POST", "GET", "HEAD", "batch"}:
            continue
        for _ in range(5):
            ask(made, sent, channel)
    found = read(Caller(made))
    assert found["cors_decisions_total"] == {("true", "preflight", "status", "allowed"): 25}
    assert found["cors_remembered_total"] == {("true",): 15, ("false",): 10}
    assert found["cors_requests_total"] == {
        ("/v1/auth-request", "204"): 5,
        ("/v1/enforce", "204"): 5,
        ("/v1/ext-authz", "204"): 5,
        ("/v1/forward-auth", "204"): 5,
        ("/v1/preflight", "204"): 5,
    }


def test_remembered() -> None:
    """A decision is remembered when it was made twice; who remembers, and who does not, is told apart exactly."""
    asked = caller()
    for _ in range(5):
        asked.post("/v1/decision", ALLOWED)
        asked.post("/access/v1/evaluation", evaluation(ALLOWED))
        asked.post("/v1/decisions", {"queries": [ALLOWED, ALLOWED]})
    remembered = read(asked)["cors_remembered_total"]
    # POST makes 2 of 5, the batch 2 of 10, AuthZEN all of 5.
    assert remembered == {("false",): 9, ("true",): 11}


def test_a_batch_that_is_refused_counts_nothing() -> None:
    """A batch with something in it that is not JSON is a request that was refused, and no decision."""
    asked = caller()
    body = b'{"queries": [%b, {"policy": nonsense}]}' % json.dumps(ALLOWED).encode()
    assert asked.ask("POST", "/v1/decisions", body, [("Content-Type", "application/json")]).status == 400
    found = read(asked)
    assert found["cors_requests_total"] == {("/v1/decisions", "400"): 1}
    assert "cors_decisions_total" not in found


def every_request() -> Iterator[tuple[str, str, str, int]]:
    """Give requests of every kind of path: method, path, what it is counted as, status."""
    yield "GET", "/", "none", 404
    yield "GET", "/nothing", "none", 404
    yield "GET", "/v1", "none", 404
    yield "GET", "/v1/nothing", "none", 404
    yield "GET", "/v1/decision/nothing", "none", 404
    yield "GET", "/v1/decision?policy=status", "/v1/decision", 200
    yield "PUT", "/v1/decision", "/v1/decision", 405
    yield "GET", "/v1/policies", "/v1/policies", 200
    yield "GET", "/v1/policies/status", "/v1/policies", 200
    yield "GET", "/v1/policies/absent", "/v1/policies", 404
    yield "GET", "/v1/policies/status/more", "none", 404
    yield "GET", "/v1/status", "/v1/status", 200
    yield "HEAD", "/livez", "/livez", 200
    yield "GET", "/readyz", "/readyz", 200
    yield "GET", "/openapi.json", "/openapi.json", 200
    yield "GET", "/.well-known/authzen-configuration", "/.well-known/authzen-configuration", 200
    yield "OPTIONS", "/v1/enforce/status/path", "/v1/enforce", 200
    yield "GET", "/metrics", "/metrics", 200


@pytest.mark.parametrize("channel", [QuickChannel, DecisionChannel], ids=["quick", "line by line"])
def test_each_request_is_counted_once(channel: type[DecisionChannel]) -> None:
    """Each answer is counted once, by the endpoint that gave it and its status; those that reach none, as such."""
    made = tree()
    expected: Counter[tuple[str, ...]] = Counter()
    for _ in range(3):
        for method, path, endpoint, status in every_request():
            said = ask(made, f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode("ascii"), channel)
            assert int(said.status) == status, path
            expected[endpoint, str(status)] += 1
    assert read(Caller(made))["cors_requests_total"] == expected


def test_durations() -> None:
    """How long an answer takes is measured for one request in 61, whoever reads them, and by endpoint."""
    made = tree()
    for channel in (QuickChannel, DecisionChannel):
        for _ in range(610):
            ask(made, SINGLE["GET"], channel)
    found = read(Caller(made))
    assert set(found["cors_request_duration_seconds_count"]) == {("/v1/decision",)}
    # Both readers take one of 61; what was asked in other tests decides where they begin.
    assert 19 <= found["cors_request_duration_seconds_count"]["/v1/decision",] <= 21
    assert found["cors_request_duration_seconds_sum"]["/v1/decision",] > 0
    buckets = found["cors_request_duration_seconds_bucket"]
    assert buckets["/v1/decision", "+Inf"] == found["cors_request_duration_seconds_count"]["/v1/decision",]


def test_openmetrics() -> None:
    """Who asks for OpenMetrics gets it, with the same counts; HEAD has the headers alone."""
    asked = caller()
    through(asked, "POST", ALLOWED)
    answer = asked.get("/metrics", [("Accept", OPENMETRICS)])
    assert (answer.header("Content-Type") or "").startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")
    assert answer.body.count(b"# EOF") == 1
    found = samples(answer.body, openmetrics=True)
    assert found["cors_decisions_total"] == {("true", "actual", "status", "allowed"): 1}
    assert asked.ask("HEAD", "/metrics").body == b""


def test_many_policies() -> None:
    """However many policies there are, a thousand have names; the rest is `other`, and how much that is, is counted."""
    # A policy may be called as all those are that have no name here.
    names = ["other", *(f"policy-{number}" for number in range(MOST_POLICIES + 9))]
    asked = caller({"version": 1, "policies": {name: {"origins": ["*"]} for name in names}})
    queries = [{"policy": name, "method": "GET"} for name in names]
    for start in range(0, len(queries), 500):
        asked.post("/v1/decisions", {"queries": queries[start : start + 500]})
    found = read(asked)
    counted = found["cors_decisions_total"]
    assert sum(counted.values()) == len(names)
    assert len(counted) == MOST_POLICIES
    assert counted["none", "no-origin", "other", "no-origin"] == 11
    assert found["cors_decisions_unnamed_total"] == {(): 10}
    assert asked.get("/metrics").body.count(b"# TYPE cors_decisions_total") == 1


def test_policies() -> None:
    """The metrics say which policies are active, since when, and that nothing is wrong."""
    clock = Clock()
    clock.advance(1000)
    document = read_document(POLICIES)
    made = decision_resource(document, clock=clock)
    found = read(Caller(made))
    assert found["cors_policies"] == {(): 3}
    assert found["cors_policy_info"] == {(revision(document),): 1}
    assert found["cors_policy_stale"] == {(): 0}
    assert found["cors_workers"] == {(): 1}
    assert found["cors_reloads_total"] == {("changed",): 0, ("failed",): 0, ("unchanged",): 0}
    assert "cors_connections" not in found


def test_no_metrics() -> None:
    """A service that counts nothing answers as any other, and has no metrics."""
    made: DecisionTree = decision_resource(read_document(POLICIES), clock=Clock(), tally=NoTally())
    asked = Caller(made)
    for way in WAYS:
        through(asked, way, ALLOWED)
    assert asked.get("/metrics").problem == (404, "not-found")

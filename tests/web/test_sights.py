"""Tests of single decisions, which have the name of the answer and the trace of the question."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally, Tally
from cors_service.policy import read_document
from cors_service.web import decision_resource
from tests.web.test_metrics import STRANGER, evaluation
from tests.web.traversal import POLICIES, Caller

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = ("Traceparent", f"00-{TRACE}-00f067aa0ba902b7-01")
JSON = ("Content-Type", "application/json")
QUERY: dict[str, Any] = {"policy": "status", "method": "GET", "origin": STRANGER}
ORIGINAL = [("X-Original-Method", "GET"), ("X-Original-URL", "https://api.example.com/"), ("Origin", STRANGER)]


@pytest.fixture
def sights() -> Sights:
    """Nothing yet."""
    return Sights(lambda: 1.0)


def logged(sights: Sights, *, is_logged: bool = True) -> Caller:
    """Ask a tree that notes what is new, or only what is refused."""
    tally = RowTally(Table(), sights) if is_logged else Tally(Table(), sights)
    return Caller(decision_resource(read_document(POLICIES), clock=Clock(), tally=tally))


ASKED = {
    "GET": ("GET", f"/v1/decision?policy=status&origin={STRANGER}", None, []),
    "POST": ("POST", "/v1/decision", json.dumps(QUERY), [JSON]),
    "batch": ("POST", "/v1/decisions", json.dumps({"queries": [QUERY]}), [JSON]),
    "evaluation": ("POST", "/access/v1/evaluation", json.dumps(evaluation(QUERY)), [JSON]),
    "OPA": ("POST", "/v1/data/cors/decision", json.dumps({"input": QUERY}), [JSON]),
    "gateway": ("GET", "/v1/auth-request/status", None, ORIGINAL),
}


@pytest.mark.parametrize("is_logged", [True, False], ids=["logged", "watched"])
@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_names(sights: Sights, asked: tuple[Any, ...], is_logged: bool) -> None:
    """Whichever way is asked, what is new has the name of its answer and the trace of its question, once."""
    method, path, body, lines = asked
    caller = logged(sights, is_logged=is_logged)
    answer = caller.ask(method, path, body and body.encode(), [*lines, TRACED])
    [sight] = sights.take()
    assert (sight.id, sight.trace) == (answer.header("Cors-Decision-Id"), TRACE)
    assert (sight.what.origin, sight.what.reason) == (STRANGER, "origin-not-allowed")
    for _ in range(3):
        caller.ask(method, path, body and body.encode(), [*lines, TRACED])
    assert sights.take() == []


def test_what_is_allowed_is_not_watched(sights: Sights) -> None:
    """Without a decision log, what is allowed is not noted."""
    caller = logged(sights, is_logged=False)
    caller.ask("GET", "/v1/decision?policy=prices&origin=https://a.example")
    assert sights.take() == []


@pytest.mark.parametrize("path", ["/v1/decisions", "/access/v1/evaluations"])
def test_long_batches(sights: Sights, path: str) -> None:
    """What is new in a long batch has the name of its answer, or none: other answers are given in between."""
    caller = logged(sights)
    queries = [QUERY | {"origin": f"https://{number}.example"} for number in range(150)]
    fields = (
        {"queries": queries} if path == "/v1/decisions" else {"evaluations": [evaluation(query) for query in queries]}
    )
    answer = caller.ask("POST", path, json.dumps(fields).encode(), [JSON, TRACED])
    assert answer.status == 200
    found = sights.take()
    assert found
    assert {sight.id for sight in found} <= {answer.header("Cors-Decision-Id"), None}
    caller.ask("GET", f"/v1/decision?policy=status&origin={STRANGER}")
    assert [sight.what.origin for sight in sights.take()] == [STRANGER]

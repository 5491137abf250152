"""Tests of requests for which there is nothing, nothing yet, or no method, and of faults."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from tests.web.traversal import METHODS, POLICIES, Caller, broken, caller, live, tree_of

QUERY = b'{"policy": "status", "method": "GET"}'


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "get", "__class__"]
)
@pytest.mark.parametrize(("path", "allow"), METHODS.items(), ids=METHODS)
def test_methods(path: str, allow: str, method: str) -> None:
    """A method that a path does not have is a 405 that names those that it has."""
    answer = caller().ask(method, path)
    if method in allow.split(", "):
        assert answer.status != 405
    else:
        assert answer.problem == (405, "method-not-allowed")
        assert allow == answer.header("Allow")


@pytest.mark.parametrize("path", [path for path, allow in METHODS.items() if allow == "POST"])
def test_head_where_get_is_not(path: str) -> None:
    """HEAD is a 405 where GET is one."""
    answer = caller().ask("HEAD", path)
    assert (answer.status, answer.header("Allow"), answer.body) == (405, "POST", b"")


NOWHERE = [
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v2/decision",
    "/V1/decision",
    "/v1/Decision",
    "/v1/decision/",
    "/v1//decision",
    "//v1/decision",
    "/v1/decision/status",
    "/v1/decision;a",
    "/v1/decision%2F",
    "/v1/decision%20",
    "/v1/decisions/0",
    "/v1/status/",
    "/v1/data",
    "/v1/data/cors",
    "/v1/data/cors/",
    "/v1/data/cors/decisions",
    "/v1/data/cors/decision/allowed",
    "/v1/data/system/main",
    "/access/v1",
    "/access/v1/search/subject",
    "/access/v1/evaluation/1",
    "/.well-known/",
    "/.well-known/authzen-configuration/tenant1",
    "/v1/./status",
    "/v1/../livez",
    "/v1/render",
    "/livez/",
    "/livez/livez",
    "/readyz/draining",
    "/openapi",
    "/openapi.yaml",
    "/favicon.ico",
    "/%00",
    "/%FF%FE",
]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("path", NOWHERE)
def test_nothing_there(path: str, method: str) -> None:
    """Where nothing is, every method gets a 404."""
    assert caller().ask(method, path).problem == (404, "not-found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/decision?policy=status", None),
        ("POST", "/v1/decision", b"not looked at"),
        ("POST", "/v1/decisions", b"not looked at"),
        ("POST", "/access/v1/evaluation", b"not looked at"),
        ("POST", "/access/v1/evaluations", b"not looked at"),
        ("POST", "/v1/data/cors/decision", b"not looked at"),
        ("GET", "/v1/policies", None),
        ("GET", "/v1/policies/status", None),
        ("GET", "/readyz", None),
    ],
)
def test_before_any_policy(method: str, path: str, body: bytes | None) -> None:
    """Before policies are active there is no decision and no access, but a time to ask again."""
    _, policies = live(POLICIES, Clock())
    answer = Caller(tree_of(policies)).ask(method, path, body)
    assert answer.problem == (503, "no-policies")
    assert int(answer.header("Retry-After") or "0") >= 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/decision?policy=status", None),
        ("POST", "/v1/decision", QUERY),
        ("POST", "/v1/decisions", b'{"queries": [{}]}'),
        ("GET", "/v1/policies", None),
        ("GET", "/v1/policies/status", None),
        ("GET", "/v1/status", None),
        ("GET", "/readyz", None),
    ],
)
def test_fault(method: str, path: str, body: bytes | None, nothing_left_behind: list[LogEvent]) -> None:
    """A fault of the service is a 500 that grants and reveals nothing; the log has it."""
    answer = Caller(broken()).ask(method, path, body)
    assert answer.problem == (500, "internal")
    assert answer.json["detail"] == "Internal error; the service's log has the details."
    (event,) = nothing_left_behind
    assert event["log_failure"].check(LookupError)
    nothing_left_behind.clear()

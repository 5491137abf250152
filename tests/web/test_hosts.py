"""A page that has its name resolved to the service reads nothing of it: requests by other names are misdirected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cors_service.server.plain import PlainHeaders, PlainRequest
from cors_service.web.hosts import Hosts
from tests.web.traversal import Caller, tree

EVALUATION = {
    "subject": {"type": "origin", "id": "null"},
    "action": {"name": "GET"},
    "resource": {"type": "policy", "id": "status"},
}
GUARDED: dict[str, Any] = {
    "/v1/decision?policy=status": None,
    "/v1/decisions": {"queries": []},
    "/v1/policies": None,
    "/v1/policies/status": None,
    "/v1/status": None,
    "/v1/data/cors/decision": {"input": {"policy": "status", "method": "GET"}},
    "/v1/data/cors/apisix/status": {"input": {"request": {"method": "GET"}}},
    "/access/v1/evaluation": EVALUATION,
    "/access/v1/evaluations": EVALUATION,
    "/.well-known/authzen-configuration": None,
}
"""What is asked by name, with a body where it takes one."""
LOOPBACK = [
    "localhost",
    "LOCALHOST:8080",
    "localhost.",
    "cors.localhost:1",
    "127.0.0.1",
    "127.8.9.10:8080",
    "[::1]",
    "[::1]:8080",
]
OTHERS = [
    "rebound.example",
    "rebound.example:8080",
    "localhost.example",
    "notlocalhost",
    "127.0.0.1.example",
    "128.0.0.1",
    "0.0.0.0",
    "127.1",
    "[::2]",
    "::1",
    "localhost:",
    "localhost:a",
    "user@localhost",
    "cors.internal",
    f"{'a' * 300}.localhost",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_names(host: str) -> None:
    """A loopback name is always answered, with any port, now and again."""
    hosts = Hosts()
    assert [hosts.answer(host.encode("ascii")) for _ in range(2)] == [True, True]


@pytest.mark.parametrize("host", OTHERS)
def test_other_names(host: str) -> None:
    """No other name is answered, now and again."""
    hosts = Hosts()
    assert [hosts.answer(host.encode("ascii")) for _ in range(2)] == [False, False]


def test_no_name() -> None:
    """A request without a Host, as HTTP/1.0 allows, or with an empty one is answered: no browser sends that."""
    endpoint = restricted().children[b"v1"].children[b"status"]
    for headers in (PlainHeaders(), PlainHeaders({b"host": [b""]})):
        assert endpoint.answer(PlainRequest(b"GET", b"/v1/status", headers, b"")).status == 200


def test_names_of_an_operator() -> None:
    """A listed name is answered with any port, or with the port that is listed, whatever its case."""
    hosts = Hosts(["Cors.Internal", "other.internal:8080", "[fd00::1]", "10.0.0.1."])
    for host in (
        "cors.internal",
        "CORS.internal:9",
        "cors.internal.",
        "other.internal:8080",
        "[FD00::1]:1",
        "10.0.0.1",
    ):
        assert hosts.answer(host.encode("ascii")), host
    for host in ("other.internal", "other.internal:80", "a.cors.internal", "10.0.0.2"):
        assert not hosts.answer(host.encode("ascii")), host


@pytest.mark.parametrize("name", ["", "a b", "http://a.example", "a.example/", "a:b", "*", "b\u00fccher.example", "[a"])
def test_what_is_no_name(name: str) -> None:
    """What can't be in a Host is refused."""
    with pytest.raises(ValueError, match="is not a name or an address"):
        Hosts([name])


def test_memory() -> None:
    """However many names are asked by, few are remembered, and the rest are answered all the same."""
    hosts = Hosts()
    assert all(hosts.answer(b"%d.localhost" % number) for number in range(2000))
    assert len(hosts.known) == 1000


def restricted(*names: str) -> Any:
    """A tree that answers only loopback names and these."""
    made = tree()
    made.restrict_to(Hosts(names))
    return made


@pytest.mark.parametrize("path", GUARDED)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_misdirected(path: str, method: str) -> None:
    """By another name, nothing is decided or read, whatever the method."""
    assert Caller(restricted()).ask(method, path).problem == (421, "misdirected")


@pytest.mark.parametrize("path", GUARDED)
def test_directed(path: str) -> None:
    """By a listed name, each is what it is where any name is answered."""
    body = GUARDED[path]
    method = "GET" if body is None else "POST"
    sent = json.dumps(body).encode("ascii")
    first, second = (Caller(made).ask(method, path, sent) for made in (restricted("cors.test"), tree()))
    assert first.status == second.status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/livez", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
        ("/v1/auth-request/status", 200),
        ("/v1/forward-auth/status", 200),
        ("/v1/ext-authz/status/path", 200),
        ("/v1/enforce/status", 200),
        ("/v1/preflight/status", 405),
    ],
)
def test_what_gateways_and_probes_ask(path: str, status: int) -> None:
    """Gateways send the Host of their applications, and probes that of the machine: both are answered."""
    lines = [("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")]
    assert Caller(restricted()).ask("GET", path, lines=lines).status == status


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.0.0.7:9090", True),
        ("[fd00::1]:9090", True),
        ("[fd00::1]", True),
        ("cors.test", True),
        ("localhost", True),
        ("evil.example", False),
        ("10.0.0.7.evil.example", False),
        ("10.0.0", False),
        ("1", False),
        ("[::g]", False),
    ],
)
def test_addresses(host: str, expected: bool) -> None:
    """Where addresses are answered, too, any is, since no page has a name that is one; and no further name is."""
    names = Hosts(["cors.test"])
    assert names.with_addresses().answer(host.encode("ascii")) is expected
    assert names.answer(host.encode("ascii")) is (host in {"cors.test", "localhost"})


def test_a_tree_of_operators() -> None:
    """What operators read is in a tree of its own, and no longer in the first, which decides as before."""
    made = tree()
    operators, others = Caller(made.split_off_operators()), Caller(made)
    for path in ("/v1/policies", "/v1/policies/status", "/v1/status"):
        assert operators.ask("GET", path).status == 200
        assert others.ask("GET", path).problem == (404, "not-found")
    for path in ("/livez", "/readyz", "/openapi.json"):
        assert operators.ask("GET", path).status == others.ask("GET", path).status == 200
    assert operators.ask("GET", "/v1/decision?policy=status").problem == (404, "not-found")
    assert others.ask("GET", "/v1/decision?policy=status").status == 200

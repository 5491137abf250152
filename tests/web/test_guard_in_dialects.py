"""Tests of guards in the dialects: what one stops is a denial, and the facts come from the headers of the question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.test_enforced_guard import APP, EVIL, TOOLS, URL
from tests.web.test_opa import acted_on, reported
from tests.web.traversal import Answer, Caller, tree

RULES = {name: TOOLS[name] for name in ("origins", "methods")}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "policies": {
        "tools": TOOLS,
        "reporting": {**RULES, "guard": {"hosts": ["tools.example.com"], "mode": "report"}},
        "changing": {**RULES, "guard": {"hosts": ["tools.example.com"], "requests": "state-changing"}},
        "plain": RULES,
    },
}
BY = Caller(tree(DOCUMENT))
Headers = dict[str, str]


@pytest.mark.parametrize(
    ("policy", "method", "origin", "headers", "permitted", "code"),
    [
        ("tools", "POST", APP, {}, True, "allowed"),
        ("tools", "POST", EVIL, {}, False, "origin-not-allowed"),
        ("tools", "GET", "", {"Sec-Fetch-Site": "cross-site"}, False, "cross-site"),
        ("tools", "GET", "", {"Sec-Fetch-Site": "same-origin"}, True, "own-page"),
        ("tools", "POST", "null", {"Sec-Fetch-Site": "same-origin"}, True, "own-page"),
        ("tools", "POST", APP, {"Host": "evil.example"}, False, "host-not-allowed"),
        ("reporting", "POST", EVIL, {}, True, "origin-not-allowed"),
        ("changing", "GET", EVIL, {}, True, None),
        ("changing", "POST", EVIL, {}, False, "origin-not-allowed"),
        ("plain", "GET", "", {"Sec-Fetch-Site": "cross-site"}, True, None),
        ("plain", "POST", "null", {"Sec-Fetch-Site": "same-origin"}, False, None),
    ],
)
@pytest.mark.parametrize("path", ["/access/v1/evaluation", "/access/v1/evaluations"])
def test_authzen(
    path: str, policy: str, method: str, origin: str, headers: Headers, permitted: bool, code: str | None
) -> None:
    """The decision is true where the service should take the request, as for `/v1/enforce`; the context says why."""
    one = {
        "subject": {"type": "origin", "id": origin},
        "action": {"name": method},
        "resource": {"type": "policy", "id": policy, "properties": {"url": URL}},
        "context": {"headers": headers},
    }
    batch = path.endswith("s")
    answer: Any = BY.post(path, {"evaluations": [one]} if batch else one).json
    found = answer["evaluations"][0] if batch else answer
    guard = found["context"]["guard"]
    assert (found["decision"], guard and guard["reason"]["code"]) == (permitted, code)


def test_opa() -> None:
    """The result for an input says what the guard says of its headers."""
    query = {"policy": "tools", "method": "GET", "url": URL, "headers": {"Sec-Fetch-Site": "cross-site"}}
    result = BY.post("/v1/data/cors/decision", {"input": query}).json["result"]
    assert (result["allowed"], result["guard"]["pass"], result["guard"]["mode"]) == (None, False, "enforce")


def asked(policy: str, method: str, headers: Headers) -> Answer:
    """Ask as APISIX does."""
    sent = {"host": "tools.example.com", **headers}
    return BY.post(f"/v1/data/cors/apisix/{policy}", reported(method, sent, host="tools.example.com"))


@pytest.mark.parametrize(
    ("policy", "method", "headers", "status", "reason"),
    [
        ("tools", "POST", {"origin": APP}, None, None),
        ("tools", "POST", {"origin": EVIL}, 403, "origin-not-allowed"),
        ("tools", "GET", {"sec-fetch-site": "cross-site"}, 403, "cross-site"),
        ("tools", "GET", {"host": "evil.example", "sec-fetch-site": "same-origin"}, 403, "host-not-allowed"),
        ("tools", "GET", {"origin": EVIL, "upgrade": "websocket"}, 403, "origin-not-allowed"),
        ("tools", "OPTIONS", {"origin": APP, "access-control-request-method": "POST"}, 204, None),
        ("reporting", "GET", {"sec-fetch-site": "cross-site"}, None, None),
        ("changing", "GET", {"origin": EVIL}, None, None),
        ("plain", "GET", {"sec-fetch-site": "cross-site"}, None, None),
        ("nothing", "GET", {}, 403, "unknown-policy"),
        ("-", "GET", {"host": "evil.example"}, 403, "no-policy-for-url"),
    ],
)
def test_apisix(policy: str, method: str, headers: Headers, status: int | None, reason: str | None) -> None:
    """The plugin answers with a 403 where a guard stops a request, or may be meant and nothing is decided."""
    answer = asked(policy, method, headers)
    found, told, body = acted_on(answer)
    assert (found, body) == (status, reason)
    if status == 403:
        assert "Access-Control-Allow-Origin" not in told

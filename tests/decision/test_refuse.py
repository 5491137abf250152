"""Tests of rules that refuse: their origins have no access, whatever later rules say."""

from typing import Any

import pytest

from cors_service.decision import Query
from tests.decision.queries import ACAO, CORP, PAGE, PREFLIGHT_VARY, STRANGER, VARY, asked, ruled, sent
from tests.policy.documents import codes_in, policy

SHUT: dict[str, Any] = {"origins": ["https://bad.example.com", "https://*.bad.example.com", "null"], "refuse": True}
OPEN: dict[str, Any] = {"origins": ["*"], "methods": ["*"], "request_headers": ["*"], "timing": True}
INCIDENT = ruled(SHUT, OPEN)

BAD = ["https://bad.example.com", "https://x.bad.example.com", "null"]


@pytest.mark.parametrize("origin", BAD)
@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "G T", "*", ""])
def test_actual(origin: str, method: str) -> None:
    """A request of an origin that is refused gets no access, whatever its method."""
    decision = INCIDENT.decide(sent(origin, method=method))
    assert (decision.kind, decision.allowed, decision.status, decision.rule) == ("actual", False, None, 1)
    assert decision.reason.code == "origin-refused"
    assert decision.headers == (VARY,)


@pytest.mark.parametrize("origin", BAD)
@pytest.mark.parametrize(("method", "line"), [("GET", "x-a"), ("PUT", "authorization"), ("G T", "("), ("TRACE", "")])
def test_preflight(origin: str, method: str, line: str) -> None:
    """A preflight of an origin that is refused is refused for that, whatever else is wrong with it."""
    decision = INCIDENT.decide(asked(origin, method, line))
    assert (decision.kind, decision.allowed, decision.status, decision.rule) == ("preflight", False, 403, 1)
    assert decision.reason.code == "origin-refused"
    assert decision.headers == (PREFLIGHT_VARY,)


def test_everybody_else() -> None:
    """A policy that refuses somebody is not public: each of its answers depends on Origin, and says so."""
    allowed = INCIDENT.decide(sent(STRANGER))
    assert (allowed.allowed, allowed.rule, allowed.headers[0], allowed.headers[-1]) == (True, 2, (ACAO, "*"), VARY)
    assert INCIDENT.decide(sent()).headers == (VARY,)
    assert INCIDENT.decide(asked(STRANGER, "PUT")).headers[-1] == PREFLIGHT_VARY


def test_everybody() -> None:
    """A rule that refuses everybody grants nothing to anybody."""
    closed = ruled({"origins": ["*"], "refuse": True})
    assert [closed.decide(sent(origin)).reason.code for origin in (PAGE, "null")] == ["origin-refused"] * 2
    assert closed.decide(sent(PAGE)).headers == (VARY,)
    assert closed.decide(sent()).headers == (VARY,)


def test_own_pages() -> None:
    """The service's own pages are not of another origin, so no rule keeps them out."""
    own = "https://bad.example.com"
    assert INCIDENT.decide(Query("GET", "a", f"{own}/x", (own,))).kind == "same-origin"


@pytest.mark.parametrize("value", ["same-site", "cross-origin"])
def test_resource_policy(value: str) -> None:
    """An origin that is refused is sent the resource policy that an origin without a rule is sent."""
    policies = ruled(
        {"origins": [PAGE], "resource_policy": "cross-origin"},
        {"origins": [STRANGER], "refuse": True},
        {"origins": ["https://*.example"], "resource_policy": value},
    )
    assert policies.decide(sent(STRANGER)).headers == ((CORP, value), VARY)


def test_order() -> None:
    """The first rule that covers an origin decides, whether it refuses or not; a late refusal is a mistake.

    A rule that an earlier one overrules by refusing is not: an incident takes one rule, and no rule away.
    """
    grant, refusal = {"origins": [PAGE]}, {"origins": [PAGE, STRANGER], "refuse": True}
    decisions = [ruled(grant, refusal).decide(sent(origin)) for origin in (PAGE, STRANGER)]
    assert [(decision.allowed, decision.rule) for decision in decisions] == [(True, 1), (False, 2)]
    assert codes_in(policy(rules=[grant, {**grant, "refuse": True}])) == ["rule-unreachable"]
    assert codes_in(policy(rules=[refusal, grant, grant])) == ["rule-unreachable"]


REFUSED = {
    "itself": [PAGE],
    "a set of origins": ["https://{page,other}.example"],
    "sub-domains": ["https://*.example"],
    "a glob": ["https://p-*.example.com"],
    "everybody": ["*"],
    "any host": ["https://*:*", "null", "file://"],
    "an expression": ["re:.*", "null", "file://"],
}
GRANTED = {
    "an origin": [PAGE],
    "null": ["null"],
    "a file": ["file://"],
    "sub-domains": ["https://*.example"],
    "a glob": ["https://p-*.example.com"],
    "everybody": ["*"],
}
ORIGINS = [PAGE, "null", "file://", "https://p-1.example.com", STRANGER]


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("granted", GRANTED.values(), ids=GRANTED)
def test_whatever_later_rules_say(refused: list[str], granted: list[str]) -> None:
    """No later rule grants anything to an origin that is refused, in whichever forms the two are written."""
    shut = ruled({"origins": refused, "refuse": True})
    both = ruled(
        {"origins": refused, "refuse": True},
        {"origins": granted, "dangerously_allow": ["null-origin", "file-origin"]},
    )
    for origin in ORIGINS:
        if shut.decide(sent(origin)).reason.code == "origin-refused":
            assert both.decide(sent(origin)).reason.code == "origin-refused"


def test_insecure_origins() -> None:
    """An expression that refuses covers insecure origins, too."""
    policies = ruled(
        {"origins": [r"re:https?://.*\.bad\.example\.com"], "refuse": True},
        {"origins": ["{http,https}://*.example.com"], "credentials": True, "dangerously_allow": ["insecure-origins"]},
    )
    assert policies.decide(sent("http://x.bad.example.com")).reason.code == "origin-refused"

"""Tests of Timing-Allow-Origin: a list of all origins that may measure, where it is short; else the one that asks."""

from typing import Any

import pytest

from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document
from tests.decision.queries import PAGE, STRANGER, TAO, VARY, active, asked, flat, ruled, sent, value_of

OTHER = "https://other.example"
URL = "https://api.example/x"

TWO = flat(PAGE, OTHER, timing=True)
BOTH = f"{PAGE}, {OTHER}"


def timing(policies: ActivePolicies, *origins: str, **keys: Any) -> str | None:
    """Who may measure the answer to a request."""
    return value_of(policies.decide(sent(*origins, **keys)).headers, TAO)


QUERIES = {
    "no origin": sent(),
    "one of them": sent(PAGE),
    "the other": sent(OTHER),
    "a stranger": sent(STRANGER),
    "null": sent("null"),
    "what is no origin": sent(PAGE + "/"),
    "several": sent(PAGE, OTHER),
    "another method": sent(PAGE, method="DELETE"),
    "the URL's own origin": Query("GET", "a", URL, ("https://api.example",)),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_every_actual_answer(query: Query) -> None:
    """Every actual answer lists all origins that may measure: images and scripts are asked for without an Origin."""
    headers = TWO.decide(query).headers
    assert value_of(headers, TAO) == BOTH
    assert headers[-1] == VARY


def test_preflight() -> None:
    """A preflight's answer is not measured."""
    assert value_of(TWO.decide(asked(PAGE, "GET")).headers, TAO) is None


LISTED: dict[str, tuple[ActivePolicies, str]] = {
    "alternatives": (flat("https://{a,b}.example", timing=True), "https://a.example, https://b.example"),
    "an origin twice": (flat(PAGE, OTHER, PAGE, timing=True), BOTH),
    "null": (flat(PAGE, "null", timing=True, dangerously_allow=["null-origin"]), f"{PAGE}, null"),
    "two rules": (ruled({"origins": [PAGE], "timing": True}, {"origins": [OTHER], "timing": True}), BOTH),
    "a rule without timing": (
        ruled({"origins": [STRANGER, "https://*.example.com"]}, {"origins": [PAGE, OTHER], "timing": True}),
        BOTH,
    ),
    "an origin that an earlier rule covers": (
        ruled({"origins": [STRANGER]}, {"origins": [PAGE, STRANGER, OTHER], "timing": True}),
        BOTH,
    ),
    "an origin that is refused": (
        ruled({"origins": ["https://*.bad.example"], "refuse": True}, {"origins": [PAGE, "https://x.bad.example"],
                                                                       "timing": True}),
        PAGE,
    ),
    "everybody else without timing": (ruled({"origins": [PAGE, OTHER], "timing": True}, {"origins": ["*"]}), BOTH),
    "credentials": (flat(PAGE, timing=True, credentials=True), PAGE),
}  # fmt: skip


@pytest.mark.parametrize(("policies", "expected"), LISTED.values(), ids=LISTED)
def test_listed(policies: ActivePolicies, expected: str) -> None:
    """The list has the origins with timing in their deciding rule, each once, in their order."""
    assert [timing(policies, *origins) for origins in ((), (PAGE,), (STRANGER,))] == [expected] * 3


NOT_LISTED: dict[str, ActivePolicies] = {
    "a wildcard": flat(PAGE, "https://*.other.example", timing=True),
    "any port": flat(PAGE, "http://localhost:*", timing=True),
    "an expression": flat(PAGE, "re:https://a", timing=True),
    "everybody in another rule": ruled({"origins": [PAGE], "timing": True}, {"origins": ["*"], "timing": True}),
}


def test_what_is_bound() -> None:
    """No origin is listed about which an earlier rule decides on some hosts, and grants it no timing there."""
    own = "http://app.example:3000"
    bound, listed = {"origins": ["http://<host>:*"], "refuse": True}, {"origins": [own], "timing": True}
    url = "http://app.example/"
    for rules, expected in (([bound, listed], None), ([listed, bound], own)):
        policies = active(a={"match": ["<host>/"], "rules": rules})
        queries = [Query("GET", "a", url, origins) for origins in ((own,), ())]
        assert [value_of(policies.decide(query).headers, TAO) for query in queries] == [expected, expected]


@pytest.mark.parametrize("policies", NOT_LISTED.values(), ids=NOT_LISTED)
def test_not_listed(policies: ActivePolicies) -> None:
    """Where others may measure than can be listed, an answer is for the origin that asks."""
    assert timing(policies, PAGE) == PAGE
    assert timing(policies) is None
    assert timing(policies, PAGE, method="DELETE") is None


def test_set() -> None:
    """The origins of a set are listed as those of a rule are."""
    document = {
        "version": 1,
        "origin_sets": {"both": [PAGE, OTHER]},
        "policies": {"a": {"origins": ["@both"], "timing": True}},
    }
    assert timing(ActivePolicies(read_document(document))) == BOTH


@pytest.mark.parametrize(("length", "listed"), [(1024, True), (1025, False)])
def test_length(length: int, *, listed: bool) -> None:
    """A list of more than a kibibyte is not sent."""
    origins = [f"https://{number:02}.{'a' * 80}.example" for number in range(9)]
    rest = length - len(", ".join(origins)) - len(", https://.example")
    origins.append(f"https://{'a' * rest}.example")
    assert len(", ".join(origins)) == length
    assert timing(flat(*origins, timing=True)) == (", ".join(origins) if listed else None)


def test_public() -> None:
    """Where everybody may measure, an answer says so without a list."""
    assert timing(flat("*", PAGE, timing=True)) == "*"


def test_what_is_compiled_once() -> None:
    """Policies that grant the same share it, whoever measures."""
    body = {"timing": True, "methods": ["GET"]}
    policies = {"a": {"origins": [PAGE], **body}, "b": {"origins": [OTHER], **body}}
    active = ActivePolicies(read_document({"version": 1, "policies": policies}))
    assert [timing(active, policy=name) for name in "ab"] == [PAGE, OTHER]
    assert active.compiled["a"].grants is active.compiled["b"].grants

"""Tests of policies that are one rule for everybody: their answers do not depend on Origin, so no Vary names it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, Query
from cors_service.policy import read_document
from tests.decision.queries import (
    ACAH,
    ACAM,
    ACAO,
    ACEH,
    ACMA,
    CORP,
    PAGE,
    PREFLIGHT_VARY,
    PUBLIC_PREFLIGHT_VARY,
    STRANGER,
    TAO,
    VARY,
    asked,
    flat,
    ruled,
    sent,
)

KEYS: dict[str, Any] = {
    "methods": ["GET", "PUT"],
    "request_headers": ["x-a"],
    "expose_headers": ["x-b"],
    "timing": True,
    "resource_policy": "cross-origin",
    "max_age": 5,
    "match": ["api.example/"],
}
FULL = flat("*", **KEYS)
BARE = flat("*")
URL = "https://api.example/x"

# Origin lines, and the kind of the decision and whether it allows.
ORIGINS: dict[str, tuple[tuple[str, ...], str, bool | None]] = {
    "none": ((), "no-origin", None),
    "a page's": ((PAGE,), "actual", True),
    "null": (("null",), "actual", True),
    "a malformed one": ((PAGE + "/",), "actual", True),
    "nothing": (("",), "actual", True),
    "what is not ASCII": (("\u00e9",), "actual", True),
    "two": ((PAGE, STRANGER), "actual", True),
    "many": (("null",) * 1000, "actual", True),
    "the URL's own": (("https://api.example",), "same-origin", True),
}


@pytest.mark.parametrize(("origins", "kind", "allowed"), ORIGINS.values(), ids=ORIGINS)
def test_actual(origins: tuple[str, ...], kind: str, allowed: bool | None) -> None:
    """Whatever the Origin, everybody gets the same headers, and no Vary."""
    decision = FULL.decide(Query("PUT", url=URL, origins=origins))
    assert (kind, allowed, None) == (decision.kind, decision.allowed, decision.status)
    assert decision.headers == ((ACAO, "*"), (ACEH, "x-b"), (TAO, "*"), (CORP, "cross-origin"))


@pytest.mark.parametrize("origins", [origins for origins, _, _ in ORIGINS.values()], ids=ORIGINS)
def test_bare(origins: tuple[str, ...]) -> None:
    """A rule that says nothing but `*` answers by `*` and nothing else."""
    assert BARE.decide(sent(*origins)).headers == ((ACAO, "*"),)


@pytest.mark.parametrize("origins", [origins for origins, _, _ in ORIGINS.values()], ids=ORIGINS)
@pytest.mark.parametrize("method", ["DELETE", "G T", ""])
def test_method_refused(method: str, origins: tuple[str, ...]) -> None:
    """Where the method is refused, it is to everybody alike: the same headers whatever the Origin."""
    assert FULL.decide(Query(method, url=URL, origins=origins)).headers == ((CORP, "cross-origin"),)
    assert BARE.decide(sent(*origins, method=method)).headers == ()


@given(
    st.lists(st.text() | st.just(PAGE) | st.just("https://api.example"), max_size=3), st.sampled_from(["GET", "PATCH"])
)
def test_any_origins(origins: list[str], method: str) -> None:
    """No Origin lines whatever change the headers of an answer."""
    without = FULL.decide(Query(method, url=URL))
    assert without.headers == FULL.decide(Query(method, url=URL, origins=tuple(origins))).headers


@pytest.mark.parametrize("origin", [PAGE, "null", PAGE + "/", "", "*", "\u00e9"])
def test_preflight(origin: str) -> None:
    """A preflight is allowed whatever its Origin, and its Vary names only what its answer depends on."""
    decision = FULL.decide(asked(origin, "PUT", "x-a"))
    assert (decision.kind, decision.allowed, decision.status, decision.rule) == ("preflight", True, 204, 1)
    lists = ((ACAM, "GET, HEAD, PUT"), (ACAH, "x-a"), (ACMA, "5"))
    assert ((ACAO, "*"), *lists, PUBLIC_PREFLIGHT_VARY) == decision.headers


@pytest.mark.parametrize("origin", [PAGE, "null", PAGE + "/", "", "*", "\u00e9"])
@pytest.mark.parametrize(("method", "line"), [("DELETE", "x-a"), ("PUT", "x-b"), ("", ""), ("PUT", "(")])
def test_preflight_refused(origin: str, method: str, line: str) -> None:
    """A preflight is refused for its method or headers whatever its Origin."""
    decision = FULL.decide(asked(origin, method, line))
    assert (
        decision.allowed,
        decision.status,
        decision.rule,
        decision.headers,
    ) == (False, 403, 1, (PUBLIC_PREFLIGHT_VARY,))


NOT_PUBLIC: dict[str, ActivePolicies] = {
    "another rule before": ruled({"origins": [PAGE]}, {"origins": ["*"]}),
    "a wildcard": flat("https://*.example"),
    "an expression for everything": flat("re:.*"),
    "null alone": flat("null", dangerously_allow=["null-origin"]),
}


@pytest.mark.parametrize("policies", NOT_PUBLIC.values(), ids=NOT_PUBLIC)
def test_not_public(policies: ActivePolicies) -> None:
    """Where there is anything but one rule for everybody, every answer says that it depends on Origin."""
    for query in (
        sent(),
        sent(PAGE),
        sent(STRANGER),
        sent("null"),
        sent("/"),
        sent(PAGE, PAGE),
        sent(PAGE, method="X"),
    ):
        assert policies.decide(query).headers[-1] == VARY
    for query in (asked(PAGE, "GET"), asked(STRANGER, "GET"), asked("null", "GET"), asked(PAGE, "X")):
        assert policies.decide(query).headers[-1] == PREFLIGHT_VARY
    assert policies.decide(sent()).headers == (VARY,)


PUBLIC_TOO: dict[str, list[str]] = {
    "alone": ["*"],
    "with origins beside": [PAGE, "*", "https://*.example"],
    "out of a set": ["@everybody"],
    "out of a set, with an origin beside": [PAGE, "@everybody"],
}


@pytest.mark.parametrize("origins", PUBLIC_TOO.values(), ids=PUBLIC_TOO)
def test_public_however_written(origins: list[str]) -> None:
    """A rule is for everybody wherever its `*` stands: beside other patterns, or in a set that it names."""
    document: dict[str, Any] = {"version": 1, "policies": {"a": {"origins": origins}}}
    if "@everybody" in origins:
        document["origin_sets"] = {"everybody": ["*"]}
    policies = ActivePolicies(read_document(document))
    queries = (sent(), sent(PAGE), sent(STRANGER), sent("null"), sent("/"), sent(PAGE, PAGE))
    assert [policies.decide(query).headers for query in queries] == [((ACAO, "*"),)] * 6


def test_everybody_out_of_a_set_behind_another_rule() -> None:
    """The last rule answers by `*` where its `*` stands in a set, as it does where it stands in the rule."""
    document = {
        "version": 1,
        "origin_sets": {"everybody": ["*"]},
        "policies": {"a": {"rules": [{"origins": [PAGE]}, {"origins": ["@everybody"]}]}},
    }
    policies = ActivePolicies(read_document(document))
    assert policies.decide(sent(STRANGER)).headers == ((ACAO, "*"), VARY)

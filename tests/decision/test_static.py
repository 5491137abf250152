"""Tests of static policies: every answer names the one origin, so that none depends on the Origin of its request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import Query
from tests.decision.queries import (
    ACAC,
    ACAH,
    ACAM,
    ACAO,
    ACEH,
    ACMA,
    CORP,
    PAGE,
    PUBLIC_PREFLIGHT_VARY,
    STRANGER,
    TAO,
    asked,
    flat,
    sent,
)

KEYS: dict[str, Any] = {
    "static": True,
    "methods": ["GET", "PUT"],
    "request_headers": ["x-a"],
    "expose_headers": ["x-b"],
    "credentials": True,
    "timing": True,
    "resource_policy": "same-site",
    "max_age": 5,
    "match": ["api.example/"],
}
FULL = flat(PAGE, **KEYS)
BARE = flat(PAGE, static=True)
URL = "https://api.example/x"

# Origin lines, and the kind of the decision, whether it allows, and the code of its reason.
ORIGINS: dict[str, tuple[tuple[str, ...], str, bool | None, str]] = {
    "none": ((), "no-origin", None, "no-origin"),
    "the page's": ((PAGE,), "actual", True, "allowed"),
    "a stranger's": ((STRANGER,), "actual", False, "origin-not-allowed"),
    "null": (("null",), "actual", False, "origin-not-allowed"),
    "a malformed one": ((PAGE + "/",), "actual", False, "origin-malformed"),
    "two": ((PAGE, PAGE), "actual", False, "multiple-origins"),
    "the URL's own": (("https://api.example",), "same-origin", True, "same-origin"),
}


@pytest.mark.parametrize(("origins", "kind", "allowed", "code"), ORIGINS.values(), ids=ORIGINS)
def test_actual(origins: tuple[str, ...], kind: str, allowed: bool | None, code: str) -> None:
    """Whoever asks gets the headers of the one origin, and no Vary; allowed is that origin alone."""
    decision = FULL.decide(Query("PUT", url=URL, origins=origins))
    assert (kind, allowed, None, code) == (decision.kind, decision.allowed, decision.status, decision.reason.code)
    assert set(decision.headers) == {(ACAO, PAGE), ACAC, (ACEH, "x-b"), (TAO, PAGE), (CORP, "same-site")}
    assert BARE.decide(sent(*origins)).headers == ((ACAO, PAGE),)


@pytest.mark.parametrize("origins", [row[0] for row in ORIGINS.values()], ids=ORIGINS)
def test_method_refused(origins: tuple[str, ...]) -> None:
    """Where the method is refused, no answer names anybody: the same headers whatever the Origin."""
    decision = FULL.decide(Query("DELETE", url=URL, origins=origins))
    assert set(decision.headers) == {(TAO, PAGE), (CORP, "same-site")}
    assert BARE.decide(sent(*origins, method="DELETE")).headers == ()


@given(st.lists(st.text() | st.sampled_from([PAGE, STRANGER, "https://api.example"]), max_size=3))
def test_any_origins(origins: list[str]) -> None:
    """No Origin lines whatever change the headers of an answer."""
    for method in ("GET", "PATCH"):
        without = FULL.decide(Query(method, url=URL))
        assert without.headers == FULL.decide(Query(method, url=URL, origins=tuple(origins))).headers


@pytest.mark.parametrize(("origin", "status"), [(PAGE, 204), (STRANGER, 403), ("null", 403), (PAGE + "/", 403)])
def test_preflight(origin: str, status: int) -> None:
    """A preflight's answer names the one origin as well, and is refused to every other."""
    decision = FULL.decide(asked(origin, "PUT", "x-a"))
    assert (decision.kind, decision.allowed, decision.status) == ("preflight", status == 204, status)
    lists = ((ACAM, "GET, HEAD, PUT"), (ACAH, "x-a"), (ACMA, "5"))
    assert ((ACAO, PAGE), ACAC, *lists, PUBLIC_PREFLIGHT_VARY) == decision.headers


@pytest.mark.parametrize("origin", [PAGE, STRANGER])
@pytest.mark.parametrize(("method", "line"), [("DELETE", "x-a"), ("PUT", "x-b"), ("", "")])
def test_preflight_refused(origin: str, method: str, line: str) -> None:
    """A preflight that asks for too much is refused without a name, whoever asks."""
    decision = FULL.decide(asked(origin, method, line))
    assert (decision.allowed, decision.status, decision.headers) == (False, 403, (PUBLIC_PREFLIGHT_VARY,))

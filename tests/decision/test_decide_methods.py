"""Tests of what counts as a preflight, and of the methods that are allowed to it and to actual requests."""

import pytest

from cors_service.decision import Query
from tests.decision.queries import ACAM, ACAO, PAGE, PREFLIGHT_VARY, VARY, asked, flat, preflight, sent, value_of

NOT_PREFLIGHTS: dict[str, Query] = {
    "OPTIONS alone": sent(PAGE, method="OPTIONS"),
    "OPTIONS with header names alone": Query("OPTIONS", "a", origins=(PAGE,), request_headers=("x-a",)),
    "OPTIONS that asks for two methods": Query("OPTIONS", "a", origins=(PAGE,), request_methods=("GET", "PUT")),
    "OPTIONS that asks for a method twice": Query("OPTIONS", "a", origins=(PAGE,), request_methods=("GET", "GET")),
    "OPTIONS of two origins": Query("OPTIONS", "a", origins=(PAGE, PAGE), request_methods=("GET",)),
    "GET that asks for a method": Query("GET", "a", origins=(PAGE,), request_methods=("PUT",)),
    "POST that asks for a method": Query("POST", "a", origins=(PAGE,), request_methods=("PUT",)),
    "a method that only looks like OPTIONS": Query("OPT\u0131ONS", "a", origins=(PAGE,), request_methods=("GET",)),
}


@pytest.mark.parametrize("query", NOT_PREFLIGHTS.values(), ids=NOT_PREFLIGHTS)
def test_not_a_preflight(query: Query) -> None:
    """What is not OPTIONS with one Origin and one method asked for is an actual request."""
    decision = flat().decide(query)
    assert (decision.kind, decision.status) == ("actual", None)
    assert decision.headers[-1] == VARY


def test_method_asked_for_by_get() -> None:
    """A GET that asks for a method is decided as a GET, whatever it asks for."""
    query = Query("GET", "a", origins=(PAGE,), request_methods=("PATCH",), request_headers=("x-other",))
    assert flat().decide(sent(PAGE)).headers == flat().decide(query).headers


def test_options_in_lower_case() -> None:
    """OPTIONS is normalised like the other methods of the standard before a preflight is looked for."""
    query = Query("options", "a", origins=(PAGE,), request_methods=("get",))
    assert (flat().decide(query).kind, flat().decide(query).allowed) == ("preflight", True)


def test_options_allowed() -> None:
    """OPTIONS that is no preflight is allowed where the rule lists it, like any other method."""
    policies = flat(methods=["OPTIONS"])
    assert policies.decide(sent(PAGE, method="OPTIONS")).headers == ((ACAO, PAGE), VARY)
    assert policies.decide(asked(PAGE, "OPTIONS")).headers == ((ACAO, PAGE), (ACAM, "OPTIONS"), PREFLIGHT_VARY)


METHODS: dict[str, tuple[list[str], str, bool]] = {
    "GET": (["GET"], "GET", True),
    "HEAD behind GET": (["GET"], "HEAD", True),
    "HEAD alone": (["HEAD"], "GET", False),
    "POST, though it needs no preflight": (["GET"], "POST", False),
    "PUT": (["GET"], "PUT", False),
    "put": (["PUT"], "put", True),
    "pUt in the document": (["pUt"], "PUT", True),
    "PATCH": (["PATCH"], "PATCH", True),
    "patch is not PATCH": (["PATCH"], "patch", False),
    "PATCH is not patch": (["patch"], "PATCH", False),
    "patch, listed": (["patch"], "patch", True),
    "any": (["*"], "patch", True),
    "any, in lower case": (["*"], "delete", True),
    "TRACE, though any": (["*"], "TRACE", False),
    "track, though any": (["*"], "track", False),
    "CONNECT, though any": (["*"], "Connect", False),
    "a method that is literally *": (["*"], "*", False),
    "a method that is literally *, where others are": (["GET"], "*", False),
    "nothing": (["*"], "", False),
    "a blank": (["*"], " GET", False),
    "two methods": (["*"], "GET, PUT", False),
    "what is not ASCII": (["*"], "G\u00cbT", False),
    "64 characters": (["*"], "A" * 64, True),
    "65 characters": (["*"], "A" * 65, False),
}


@pytest.mark.parametrize(("methods", "method", "allowed"), METHODS.values(), ids=METHODS)
def test_method(methods: list[str], method: str, allowed: bool) -> None:
    """A method is allowed to an actual request and to a preflight alike: by its normalised name, byte for byte."""
    policies = flat(methods=methods)
    actual = policies.decide(sent(PAGE, method=method))
    asking = policies.decide(asked(PAGE, method))
    assert (allowed, allowed) == (actual.allowed, asking.allowed)
    assert actual.headers == (((ACAO, PAGE), VARY) if allowed else (VARY,))

    assert asking.headers == (((ACAO, PAGE), (ACAM, listed(methods, method)), PREFLIGHT_VARY) if allowed else REFUSAL)


REFUSAL = (PREFLIGHT_VARY,)


def listed(methods: list[str], method: str) -> str:
    """What Access-Control-Allow-Methods says of these methods of a document, where one is asked for."""
    if methods == ["*"]:
        return {"delete": "DELETE"}.get(method, method)
    return ", ".join({"GET": "GET, HEAD", "pUt": "PUT"}.get(name, name) for name in methods)


LISTS: dict[str, tuple[list[str], str, str]] = {
    "in the order of the document": (["PUT", "DELETE", "PATCH"], "PATCH", "PUT, DELETE, PATCH"),
    "HEAD behind GET": (["PUT", "GET", "DELETE"], "PUT", "PUT, GET, HEAD, DELETE"),
    "HEAD before GET": (["HEAD", "GET"], "GET", "HEAD, GET"),
    "each once": (["get", "GET", "HEAD", "post"], "GET", "GET, HEAD, POST"),
    "cases that differ": (["PATCH", "patch"], "patch", "PATCH, patch"),
    "any": (["*"], "PATCH", "PATCH"),
    "any, normalised": (["*"], "put", "PUT"),
    "any, not normalised": (["*"], "patch", "patch"),
    "any beside one": (["GET", "*"], "PUT", "PUT"),
}


@pytest.mark.parametrize(("methods", "method", "value"), LISTS.values(), ids=LISTS)
def test_list_of_methods(methods: list[str], method: str, value: str) -> None:
    """A preflight is told the methods of the rule, or the one asked for where the rule has `*`."""
    assert value == value_of(preflight(flat(methods=methods), method).headers, ACAM)


@pytest.mark.parametrize("credentials", [False, True])
@pytest.mark.parametrize("method", ["*", "TRACE"])
def test_any_method_but_these(method: str, credentials: bool) -> None:
    """`*` is no method that can be had, and is told to no preflight, with credentials or without."""
    policies = flat(methods=["*"], credentials=credentials)
    assert preflight(policies, method).headers == REFUSAL
    assert "*" not in {value for _, value in preflight(policies, "GET").headers}


def test_case_of_a_method() -> None:
    """The message to whoever sends `patch` says that it is not PATCH."""
    message = preflight(flat(methods=["PATCH"]), "patch").reason.message
    assert "case-sensitive" in message
    assert "must send PATCH" in message


def test_case_of_no_method() -> None:
    """The message says nothing of case where case is not what is wrong."""
    assert "case" not in preflight(flat(methods=["PATCH"]), "lock").reason.message
    assert "case" not in preflight(flat(methods=["*"]), "trace").reason.message

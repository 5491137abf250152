"""Tests of one decision over HTTP, asked for by JSON."""

from __future__ import annotations

from typing import Any

import pytest

from cors_service.decision.decision import REASONS
from cors_service.policy import read_document, revision
from cors_service.web import Limits
from tests.web.traversal import POLICIES, caller

PARTNER, STRANGER, OWN = "https://partner.example", "https://stranger.example", "https://api.example.com"
PREFLIGHT = {
    "Origin": PARTNER,
    "Access-Control-Request-Method": "PUT",
    "Access-Control-Request-Headers": "content-type",
}
URL = f"{OWN}/catalogue/7"


def test_decision() -> None:
    """A decision says what the request was, whether and why it is allowed, the exact headers, and what decided."""
    decision = caller().decide(policy="catalogue", origin=PARTNER, method="OPTIONS", headers=PREFLIGHT)
    message = decision["reason"].pop("message")
    assert PARTNER in message
    assert {
        "kind": "preflight",
        "allowed": True,
        "status": 204,
        "reason": {"code": "allowed"},
        "headers": [
            ["Access-Control-Allow-Origin", PARTNER],
            ["Access-Control-Allow-Credentials", "true"],
            ["Access-Control-Allow-Methods", "GET, HEAD, PUT, DELETE"],
            ["Access-Control-Allow-Headers", "content-type"],
            ["Access-Control-Max-Age", "600"],
            ["Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"],
        ],
        "policy": "catalogue",
        "rule": 1,
        "revision": revision(read_document(POLICIES)),
        "guard": None,
        "ttl": 5,
    } == decision


HEADERS: dict[str, Any] = {
    "a value for each name": PREFLIGHT,
    "a list for each name": {name: [value] for name, value in PREFLIGHT.items()},
    "values and lists mixed": PREFLIGHT | {"Origin": [PARTNER], "Accept": ["text/html", "*/*"]},
    "pairs": [[name, value] for name, value in PREFLIGHT.items()],
    "pairs in another order": [[name, value] for name, value in reversed(PREFLIGHT.items())],
    "names in lower case": {name.lower(): value for name, value in PREFLIGHT.items()},
    "names in upper case": [[name.upper(), value] for name, value in PREFLIGHT.items()],
    "other lines among them": [["Host", "api.example.com"], *PREFLIGHT.items(), ["Cookie", "a=b"], ["", ""]],
    "a list of no values": PREFLIGHT | {"Accept": []},
    "names that fold to the real ones in Unicode": PREFLIGHT | {"or\u0131g\u0131n": STRANGER, "\u212arigin": STRANGER},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_forms_of_headers(headers: object) -> None:
    """The header lines of a request mean the same in each of the forms in which they can be told."""
    expected = caller().decide(policy="catalogue", method="OPTIONS", headers=PREFLIGHT)
    assert expected == caller().decide(policy="catalogue", method="OPTIONS", headers=headers)


NO_ORIGIN: dict[str, dict[str, Any]] = {
    "headers absent": {},
    "headers null": {"headers": None},
    "headers an empty object": {"headers": {}},
    "headers an empty list": {"headers": []},
    "headers without it": {"headers": {"Accept": "*/*"}},
    "headers with a list of none": {"headers": {"Origin": []}},
    "origin null": {"origin": None, "headers": {}},
}


@pytest.mark.parametrize("fields", NO_ORIGIN.values(), ids=NO_ORIGIN)
def test_no_origin(fields: dict[str, Any]) -> None:
    """A request has no Origin if neither the field nor the headers have one."""
    decision = caller().decide(policy="catalogue", method="GET", **fields)
    assert (decision["kind"], decision["allowed"]) == ("no-origin", None)


ORIGIN: dict[str, dict[str, Any]] = {
    "field alone": {"origin": PARTNER},
    "header alone": {"headers": {"Origin": PARTNER}},
    "header, and null as field": {"origin": None, "headers": {"Origin": PARTNER}},
    "both, and the same": {"origin": PARTNER, "headers": [["origin", PARTNER]]},
    "field, and headers without it": {"origin": PARTNER, "headers": {"Host": "api.example.com"}},
}


@pytest.mark.parametrize("fields", ORIGIN.values(), ids=ORIGIN)
def test_origin(fields: dict[str, Any]) -> None:
    """The Origin may be told by the field, by the headers, or by both if they agree."""
    decision = caller().decide(policy="catalogue", method="DELETE", **fields)
    assert decision["headers"] == [
        ["Access-Control-Allow-Origin", PARTNER],
        ["Access-Control-Allow-Credentials", "true"],
        ["Access-Control-Expose-Headers", "x-request-id"],
        ["Vary", "Origin"],
    ]


CONTRADICTIONS: dict[str, Any] = {
    "another": {"Origin": STRANGER},
    "another in case": {"ORIGIN": PARTNER.upper()},
    "an empty one": {"Origin": ""},
    "the same twice": {"Origin": [PARTNER, PARTNER]},
    "the same and another": [["Origin", PARTNER], ["origin", STRANGER]],
}


@pytest.mark.parametrize("headers", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradiction(headers: object) -> None:
    """An origin that is not the one Origin of the headers is an error, never a decision about either."""
    fields = {"policy": "catalogue", "origin": PARTNER, "method": "GET", "headers": headers}
    answer = caller().post("/v1/decision", fields)
    assert answer.problem == (400, "query-malformed")


def test_unknown_fields() -> None:
    """Fields that the service does not know change nothing, whatever they hold."""
    known = {"policy": "catalogue", "origin": PARTNER, "method": "GET"}
    unknown = {"Policy": "status", "ttl": -1, "credentials": [True, {"a": None}], "": 1.5}
    assert caller().decide(**known) == caller().decide(**known, **unknown)


SELECTED: dict[str, tuple[dict[str, Any], tuple[str, str]]] = {
    "policy": ({"policy": "status"}, ("status", "actual")),
    "url": ({"url": URL}, ("catalogue", "actual")),
    "url, upper-case host": ({"url": "HTTPS://API.example.COM/prices/"}, ("prices", "actual")),
    "url, default port": ({"url": "https://api.example.com:443/prices/?a=//b/../"}, ("prices", "actual")),
    "policy null": ({"policy": None, "url": URL}, ("catalogue", "actual")),
    "url null": ({"policy": "status", "url": None}, ("status", "actual")),
    "both, and they agree": ({"policy": "catalogue", "url": URL}, ("catalogue", "actual")),
    "both: policy decides": ({"policy": "status", "url": URL}, ("status", "actual")),
    "both: no policy matches the URL": ({"policy": "status", "url": "https://www.example.com/"}, ("status", "actual")),
    "beyond ASCII": ({"url": f"{OWN}/catalogue/\u00fc"}, ("catalogue", "actual")),
    "half an escape": ({"url": f"{OWN}/catalogue/%"}, ("catalogue", "actual")),
    "an encoded slash beneath": ({"url": f"{OWN}/catalogue/a%2Fb//c"}, ("catalogue", "actual")),
    "a WebSocket": ({"url": "wss://api.example.com/catalogue/"}, ("catalogue", "actual")),
    "both: the URL is none": ({"policy": "status", "url": "catalogue"}, ("status", "actual")),
    "both: an odd path": ({"policy": "status", "url": f"{OWN}/a//../%2F\0"}, ("status", "actual")),
    "both: user information": ({"policy": "status", "url": f"{STRANGER}@www.example.com/"}, ("status", "actual")),
    "both: a long path": ({"policy": "status", "url": f"{STRANGER}/{'a' * 10_000}"}, ("status", "same-origin")),
    "both: url tells the own origin": ({"policy": "status", "url": f"{STRANGER}/a"}, ("status", "same-origin")),
}


@pytest.mark.parametrize(("fields", "expected"), SELECTED.values(), ids=SELECTED)
def test_which_policy(fields: dict[str, Any], expected: tuple[str, str]) -> None:
    """The policy is the named one, or else the one that the URL finds; the URL has the service's own origin."""
    decision = caller().decide(origin=STRANGER, method="GET", **fields)
    assert expected == (decision["policy"], decision["kind"])


NOT_SELECTED: dict[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "neither": ({}, (400, "no-selector")),
    "both null": ({"policy": None, "url": None}, (400, "no-selector")),
    "unknown policy": ({"policy": "nothing"}, (404, "unknown-policy")),
    "policy in another case": ({"policy": "Catalogue"}, (404, "unknown-policy")),
    "an empty policy": ({"policy": ""}, (404, "unknown-policy")),
    "unknown policy, known URL": ({"policy": "nothing", "url": URL}, (404, "unknown-policy")),
    "another host": ({"url": "https://www.example.com/catalogue/"}, (404, "no-policy-for-url")),
    "another port": ({"url": "https://api.example.com:8443/catalogue/"}, (404, "no-policy-for-url")),
    "another path": ({"url": f"{OWN}/cataloguer/"}, (404, "no-policy-for-url")),
    "path in another case": ({"url": f"{OWN}/Catalogue/"}, (404, "no-policy-for-url")),
    "an empty URL": ({"url": ""}, (400, "url-malformed")),
    "no scheme": ({"url": "//api.example.com/catalogue/"}, (400, "url-malformed")),
    "another scheme": ({"url": "ftp://api.example.com/catalogue/"}, (400, "url-malformed")),
    "a path alone": ({"url": "/catalogue/7"}, (400, "url-malformed")),
    "user information": ({"url": "https://api.example.com@www.example.com/"}, (400, "url-malformed")),
    "a password": ({"url": "https://api.example.com:443@www.example.com/"}, (400, "url-malformed")),
    "a Unicode host": ({"url": "https://b\u00fccher.example/"}, (400, "url-malformed")),
    "a port that is none": ({"url": "https://api.example.com:65536/catalogue/"}, (400, "url-malformed")),
    "a newline before": ({"url": f"\n{URL}"}, (400, "url-malformed")),
    "too long": ({"url": f"{URL}/{'a' * 8192}"}, (400, "url-malformed")),
    "dot segments": ({"url": f"{OWN}/prices/../catalogue/"}, (400, "url-ambiguous")),
    "encoded dot segments": ({"url": f"{OWN}/prices/%2e%2e/catalogue/"}, (400, "url-ambiguous")),
    "dot segments with a parameter": ({"url": f"{OWN}/prices/..;a/catalogue/"}, (400, "url-ambiguous")),
    "an empty segment": ({"url": f"{OWN}//catalogue/7"}, (400, "url-ambiguous")),
    "an encoded slash": ({"url": f"{OWN}/catalogue%2F7"}, (400, "url-ambiguous")),
    "an encoded backslash": ({"url": f"{OWN}/catalogue%5C7"}, (400, "url-ambiguous")),
    "an encoded letter": ({"url": f"{OWN}/%63atalogue/7"}, (400, "url-ambiguous")),
    "an encoded NUL": ({"url": f"{OWN}/catalogue/%00"}, (400, "url-ambiguous")),
    "a backslash": ({"url": f"{OWN}/catalogue\\7"}, (400, "url-ambiguous")),
    "a space": ({"url": f"{OWN}/prices /"}, (400, "url-ambiguous")),
    "a newline": ({"url": f"{URL}\n"}, (400, "url-ambiguous")),
    "a parameter that hides a prefix": ({"url": f"{OWN}/prices;a/catalogue/"}, (400, "url-ambiguous")),
}


@pytest.mark.parametrize(("fields", "expected"), NOT_SELECTED.values(), ids=NOT_SELECTED)
def test_no_policy(fields: dict[str, Any], expected: tuple[int, str]) -> None:
    """What does not exist is a 404, what does not parse or can be read in two ways a 400; neither is a decision."""
    assert expected == caller().post("/v1/decision", {"origin": STRANGER, "method": "GET"} | fields).problem


def preflight(method: str, *names: str) -> dict[str, Any]:
    """The fields of a preflight of a partner."""
    lines = [("Origin", PARTNER), ("Access-Control-Request-Method", method)]
    lines += [("Access-Control-Request-Headers", name) for name in names]
    return {"policy": "catalogue", "method": "OPTIONS", "headers": lines}


TENANTS = {"match": ["<tenant>.api.example.com/"], "origins": ["https://<tenant>.app.example.com"]}
WITH_TENANTS: dict[str, Any] = POLICIES | {"policies": POLICIES["policies"] | {"tenants": TENANTS}}
DECIDED: dict[str, tuple[str, dict[str, Any], bool | None, int | None]] = {
    "allowed": ("actual", {"policy": "status", "origin": "https://status.example.com", "method": "GET"}, True, None),
    "no-origin": ("no-origin", {"policy": "catalogue", "method": "GET"}, None, None),
    "same-origin": ("same-origin", {"url": URL, "origin": OWN, "method": "POST"}, True, None),
    "multiple-origins": (
        "actual",
        {"policy": "status", "headers": {"Origin": ["https://status.example.com"] * 2}, "method": "GET"},
        False,
        None,
    ),
    "origin-malformed": ("actual", {"policy": "status", "origin": "https://a.test/", "method": "GET"}, False, None),
    "origin-not-allowed": ("actual", {"policy": "status", "origin": STRANGER, "method": "GET"}, False, None),
    "origin-needs-url": (
        "actual",
        {"policy": "tenants", "origin": "https://acme.app.example.com", "method": "GET"},
        False,
        None,
    ),
    "origin-refused": ("actual", {"policy": "shut", "origin": STRANGER, "method": "GET"}, False, None),
    "method-malformed": ("actual", {"policy": "catalogue", "origin": PARTNER, "method": "GET "}, False, None),
    "method-not-allowed": ("actual", {"policy": "catalogue", "origin": PARTNER, "method": "POST"}, False, None),
    "header-malformed": ("preflight", preflight("PUT", "x catalogue"), False, 403),
    "header-not-allowed": ("preflight", preflight("PUT", "content-type", "x-other"), False, 403),
    "too-many-headers": ("preflight", preflight("PUT", "content-type," * 100), False, 403),
}


@pytest.mark.parametrize("code", DECIDED)
def test_reasons(code: str) -> None:
    """Each reason comes with its kind, its status and its verdict; a refusal has no Access-Control-* header."""
    kind, fields, allowed, status = DECIDED[code]
    shut = {"origins": [STRANGER], "refuse": True}
    decision = caller({**WITH_TENANTS, "policies": {**WITH_TENANTS["policies"], "shut": shut}}).decide(**fields)
    assert (code, kind, allowed, status) == (
        decision["reason"]["code"],
        decision["kind"],
        decision["allowed"],
        decision["status"],
    )
    names = {name.lower() for name, _ in decision["headers"]}
    assert "vary" in names
    assert allowed or not any(name.startswith("access-control-") for name in names)


def test_reasons_are_all_there() -> None:
    """The table above has every reason."""
    assert set(DECIDED) == REASONS


@pytest.mark.parametrize(
    ("origin", "covered"), [("https://status.example.com", True), (STRANGER, False), ("null", False)]
)
def test_vary(origin: str, covered: bool) -> None:
    """Answers that depend on Origin say so whether they allow or not."""
    decision = caller().decide(policy="status", origin=origin, method="GET")
    assert (covered, ["Vary", "Origin"]) == (decision["allowed"], decision["headers"][-1])


@pytest.mark.parametrize("fields", [{}, {"origin": "null"}, {"origin": STRANGER}, {"origin": "https://a.test/"}])
def test_public_policy(fields: dict[str, str]) -> None:
    """Where a policy is one anonymous `*`, the headers do not depend on Origin, and need no Vary."""
    decision = caller().decide(policy="prices", method="GET", **fields)
    assert decision["headers"] == [["Access-Control-Allow-Origin", "*"]]


@pytest.mark.parametrize("ttl", [0, 1, 86400])
def test_ttl(ttl: int) -> None:
    """A decision says for how long it may be used again; no cache keeps the answer to a POST."""
    answer = caller(limits=Limits(ttl=ttl)).post("/v1/decision", {"policy": "status", "method": "GET"})
    assert (ttl, "no-store", None) == (answer.json["ttl"], answer.header("Cache-Control"), answer.header("ETag"))


def test_same_query_same_bytes() -> None:
    """Equal policies give equal queries the same bytes, in any process and at any time."""
    fields = {"policy": "catalogue", "origin": PARTNER, "method": "GET"}
    one, other = caller(), caller()
    expected = one.post("/v1/decision", fields).body
    assert expected == one.post("/v1/decision", fields).body
    assert expected == other.post("/v1/decision", fields).body

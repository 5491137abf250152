"""Tests of the endpoints that proxies ask."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.web.resource import Resource

from cors_service.policy import read_document
from cors_service.web import Limits, decision_resource
from tests.observing import observed_by
from tests.web.traversal import POLICIES, Answer, Caller, Lines, caller, live, on_the_wire, tree, tree_of

PARTNER, STRANGER = "https://partner.example", "https://stranger.example"
VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
URL = "https://api.example.com/catalogue/7?policy=prices"
PROXIES = ["auth-request", "forward-auth", "ext-authz", "enforce"]
"""The endpoints that take actual requests."""


def asked(
    endpoint: str, policy: str, method: str, lines: Lines = (), *, url: str = URL, by: Caller | None = None
) -> Answer:
    """Ask as the proxies of an endpoint do."""
    by = by or caller()
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if endpoint == "auth-request":
        told = [("X-Original-Method", method), ("X-Original-URL", url)]
        return by.ask("GET", f"/v1/auth-request{policy}", lines=[*told, *lines])
    if endpoint in {"forward-auth", "enforce"}:
        told = [
            ("X-Forwarded-Method", method),
            ("X-Forwarded-Proto", scheme),
            ("X-Forwarded-Host", host),
            ("X-Forwarded-Uri", slash + path),
        ]
        return by.ask("GET", f"/v1/{endpoint}{policy}", lines=[*told, *lines])
    told = [("Host", host), ("X-Forwarded-Proto", scheme)]
    return by.ask(method, f"/v1/{endpoint}{policy or '/-'}{slash}{path}", lines=[*told, *lines])


def page(origin: str, method: str | None = None, headers: str | None = None) -> list[tuple[str, str]]:
    """The header lines that a browser sends for a page; those of a preflight if a method is asked for."""
    lines = [("Origin", origin)]
    if method is not None:
        lines.append(("Access-Control-Request-Method", method))
    if headers is not None:
        lines.append(("Access-Control-Request-Headers", headers))
    return lines


def cors_headers(answer: Answer) -> dict[str, str]:
    """The headers that browsers read."""
    return {name: value for name, value in answer.lines if name.lower().startswith(("access-control-", "vary"))}


@pytest.mark.parametrize("policy", ["/catalogue", "/-", ""], ids=["by name", "by URL, with -", "by URL"])
@pytest.mark.parametrize("endpoint", PROXIES)
def test_allowed(endpoint: str, policy: str) -> None:
    """An actual request that is allowed is a 200 with the headers of the decision, however the policy is found."""
    answer = asked(endpoint, policy, "PUT", page(PARTNER))
    assert (answer.status, answer.body) == (200, b"")
    assert cors_headers(answer) == {
        "Access-Control-Allow-Origin": PARTNER,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "x-request-id",
        "Vary": "Origin",
    }
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("allowed", "allowed")
    assert answer.header("Cors-Policy-Revision") == caller().get("/v1/status").json["revision"]
    assert answer.header("Cache-Control") == "max-age=5"
    assert answer.header("Cors-Decision-Id")


@pytest.mark.parametrize(
    ("endpoint", "status"), [("auth-request", 200), ("forward-auth", 200), ("ext-authz", 200), ("enforce", 403)]
)
def test_refused(endpoint: str, status: int) -> None:
    """A mismatch is a 200 without CORS headers, and `Vary`; but where it is enforced, a 403."""
    answer = asked(endpoint, "/status", "GET", page(STRANGER))
    assert (answer.status, cors_headers(answer)) == (status, {"Vary": "Origin"})
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("refused", "origin-not-allowed")


@pytest.mark.parametrize("endpoint", PROXIES)
def test_no_origin(endpoint: str) -> None:
    """A request without Origin is a 200, and none of our business."""
    answer = asked(endpoint, "/catalogue", "POST")
    assert (answer.status, cors_headers(answer)) == (200, {"Vary": "Origin"})
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("none", "no-origin")


@pytest.mark.parametrize("endpoint", [*PROXIES, "preflight"])
def test_allowed_preflight(endpoint: str) -> None:
    """A preflight that is allowed is a 204 with the headers of the decision."""
    answer = asked(endpoint, "/catalogue", "OPTIONS", page(PARTNER, "PUT", "x-catalogue-a"))
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "Access-Control-Allow-Origin": PARTNER,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET, HEAD, PUT, DELETE",
        "Access-Control-Allow-Headers": "x-catalogue-a",
        "Access-Control-Max-Age": "600",
        "Vary": VARY,
    }


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [("auth-request", 200), ("forward-auth", 200), ("ext-authz", 403), ("preflight", 403), ("enforce", 403)],
)
def test_refused_preflight(endpoint: str, status: int) -> None:
    """A preflight that is refused gets `Vary` alone; the status is a 403 where it is the client's answer."""
    answer = asked(endpoint, "/catalogue", "OPTIONS", page(PARTNER, "PATCH"))
    assert (answer.status, cors_headers(answer)) == (status, {"Vary": VARY})
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("refused", "method-not-allowed")


@pytest.mark.parametrize(
    ("lines", "code", "detail"),
    [
        (page(STRANGER), "origin-not-allowed", "This origin has no access at all."),
        (page("https://status.example.com/"), "origin-malformed", "This origin has no access at all."),
        (page("https://status.example.com", "DELETE"), "method-not-allowed", "This origin may not do this."),
        (page("https://status.example.com", "GET", "x-a"), "header-not-allowed", "This origin may not do this."),
    ],
)
def test_enforced(lines: Lines, code: str, detail: str) -> None:
    """An enforced refusal says whether the origin has no access at all or may not do this, and no more."""
    answer = asked("enforce", "/status", "OPTIONS" if len([*lines]) > 1 else "GET", lines)
    assert (answer.problem, answer.json["detail"]) == ((403, code), detail)


ODD_PATHS = [
    "//catalogue/transfer",
    "/prices/%2e%2e/catalogue/transfer",
    "/prices/..;/catalogue/transfer",
    "/catalogue/../elsewhere",
    "/catalogue%2Ftransfer",
    "/catalogue%5ctransfer",
    "/catalogue\\transfer",
    "/%63atalogue/transfer",
    "/catalogue;v=1/transfer",
    "/catalogue/transfer%0A",
    "/catalogue/transfer%00",
    "/catalogue/transfer%7f",
    "/elsewhere",
    "@stranger.example/catalogue/transfer",
    ".stranger.example/catalogue/transfer",
    ":123456/catalogue/transfer",
    ":/catalogue/transfer",
    ":0443/catalogue/transfer",
    "../catalogue/transfer",
]
"""What follows the host in URLs that find no policy, or could find several."""

SPELLINGS = [
    "/catalogue//transfer",
    "/catalogue/./transfer",
    "/catalogue/../catalogue/transfer",
    "/catalogue/a%2Ftransfer",
    "/catalogue/a\\transfer",
    "/catalogue/%74ransfer",
    "/catalogue/transfer;v=1",
    "/catalogue/transfer%",
    "/catalogue/transfer%zz",
    "/catalogue/{transfer}",
    "/catalogue/transfer%C3%A9",
]
"""What follows the host in URLs that may be read in several ways, and find the same policy in all."""


@pytest.mark.parametrize("rest", ODD_PATHS)
@pytest.mark.parametrize("origin", [STRANGER, PARTNER, "https://api.example.com", "null", ""])
def test_enforced_where_nothing_can_be_decided(rest: str, origin: str) -> None:
    """No spelling of a URL takes a request with an Origin past what enforces; without one nothing would stop it."""
    answer = asked("enforce", "", "POST", [("Origin", origin)], url=f"https://api.example.com{rest}")
    status, code = answer.problem
    assert (status, answer.header("Cors-Decision")) == (403, "no-policy")
    assert code == answer.header("Cors-Decision-Reason")
    assert answer.json["detail"] == "Nothing can be decided about this request."
    without = asked("enforce", "", "POST", url=f"https://api.example.com{rest}")
    assert (without.status, cors_headers(without)) == (200, {"Vary": "Origin"})


@pytest.mark.parametrize("rest", SPELLINGS)
@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth", "ext-authz", "enforce"])
def test_several_readings(endpoint: str, rest: str) -> None:
    """A URL is decided if all its readings find one policy: strangers are refused, and stopped where enforced."""
    url = f"https://api.example.com{rest}"
    for origin in (STRANGER, "null", ""):
        answer = asked(endpoint, "", "PUT", [("Origin", origin)], url=url)
        assert (answer.status, answer.header("Cors-Decision")) == (403 if endpoint == "enforce" else 200, "refused")
    answer = asked(endpoint, "", "PUT", page(PARTNER), url=url)
    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (200, PARTNER)
    own = asked(endpoint, "", "PUT", page("https://api.example.com"), url=url)
    assert (own.status, own.header("Cors-Decision-Reason")) == (200, "same-origin")


@pytest.mark.parametrize("endpoint", [*PROXIES, "preflight"])
@pytest.mark.parametrize("rest", SPELLINGS)
def test_preflights_of_several_readings(endpoint: str, rest: str) -> None:
    """So is a preflight for such a URL: it is refused to strangers everywhere."""
    url = f"https://api.example.com{rest}"
    refused = asked(endpoint, "", "OPTIONS", page(STRANGER, "PUT"), url=url)
    allowed = asked(endpoint, "", "OPTIONS", page(PARTNER, "PUT"), url=url)
    assert (refused.header("Cors-Decision-Reason"), allowed.header("Cors-Decision-Reason")) == (
        "method-not-allowed",
        "allowed",
    )


@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth", "enforce"])
def test_bytes_beyond_ascii(endpoint: str) -> None:
    """Bytes that some clients send without encoding them are read as if they had."""
    by = caller({"version": 1, "policies": {"cafe": {"origins": [PARTNER], "match": ["api.example.com/caf\u00e9/"]}}})
    for path in ("/caf\u00c3\u00a9/x", "/caf%C3%A9", "/caf%c3%a9/"):
        answer = asked(endpoint, "", "GET", page(PARTNER), url=f"https://api.example.com{path}", by=by)
        assert answer.header("Access-Control-Allow-Origin") == PARTNER


@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth", "ext-authz"])
@pytest.mark.parametrize(("scheme", "own"), [("wss", "https"), ("ws", "http"), ("WSS", "https"), ("https", "https")])
def test_websockets(endpoint: str, scheme: str, own: str) -> None:
    """A WebSocket is opened to the origin of the host's pages, so theirs is the service's own."""
    answer = asked(endpoint, "/catalogue", "GET", page(f"{own}://api.example.com"), url=f"{scheme}://api.example.com/")
    assert answer.header("Cors-Decision-Reason") == "same-origin"
    other = {"https": "http", "http": "https"}[own]
    answer = asked(
        endpoint, "/catalogue", "GET", page(f"{other}://api.example.com"), url=f"{scheme}://api.example.com/"
    )
    assert answer.header("Cors-Decision-Reason") == "allowed"


FORWARDED = {
    "X-Forwarded-Method": "POST",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "api.example.com",
    "X-Forwarded-Uri": "/catalogue/7",
}


@pytest.mark.parametrize("name", FORWARDED)
@pytest.mark.parametrize("number", [0, 2])
def test_enforced_without_a_fact(name: str, number: int) -> None:
    """A header that the proxy does not send, or sends twice, is not taken for another: a 403 for a page."""
    told = [line for line in FORWARDED.items() for _ in range(number if line[0] == name else 1)]
    for lines, status in ((page(STRANGER), 403), (page(PARTNER), 403), ([], 200)):
        answer = caller().ask("POST", "/v1/enforce", lines=[*told, *lines])
        assert (answer.status, answer.header("Cors-Decision")) == (status, "no-policy")


def test_enforced_without_policies() -> None:
    """Before any policy is active, nobody knows what is guarded: all requests are stopped by a 503."""
    clock = Clock()
    _, policies = live(POLICIES, clock)
    by = Caller(tree_of(policies, clock))
    for policy in ("/catalogue", "/-", ""):
        for lines in (page(PARTNER), page(PARTNER, "PUT")):
            method = "OPTIONS" if len(lines) > 1 else "PUT"
            answer = asked("enforce", policy, method, lines, by=by)
            assert (answer.problem, answer.header("Retry-After")) == ((503, "no-policies"), "1")
            assert answer.header("Access-Control-Allow-Origin") is None
        assert asked("enforce", policy, "PUT", by=by).problem == (503, "no-policies")


@pytest.mark.parametrize("lines", [(), page(PARTNER), [("Access-Control-Request-Method", "PUT")]])
def test_options_that_is_no_preflight(lines: Lines) -> None:
    """An OPTIONS request that is not a preflight goes on to the application; `/v1/preflight` refuses it."""
    for endpoint in ("auth-request", "forward-auth", "ext-authz"):
        assert asked(endpoint, "/prices", "OPTIONS", lines).status == 200
    assert asked("preflight", "/prices", "OPTIONS", lines).problem == (405, "not-a-preflight")


def test_status_of_preflights() -> None:
    """The status that a policy sets is the client's; Envoy, to which a 200 means to go on, gets its 204."""
    by = caller({"version": 1, "policies": {"old": {"origins": [PARTNER], "preflight_status": 200}}})
    statuses = {
        endpoint: asked(endpoint, "/old", "OPTIONS", page(PARTNER, "GET"), by=by).status
        for endpoint in ("preflight", "ext-authz")
    }
    assert statuses == {"preflight": 200, "ext-authz": 204}


@pytest.mark.parametrize("endpoint", [*PROXIES, "preflight"])
@pytest.mark.parametrize(
    ("policy", "url", "code"),
    [
        ("/nothing", URL, "unknown-policy"),
        ("/-", "https://api.example.com/elsewhere", "no-policy-for-url"),
        ("/-", "https://api.example.com/catalogue/%2e%2e/prices/", "url-ambiguous"),
        ("/-", "https://api.example.com:123456/catalogue/", "url-malformed"),
    ],
)
def test_no_policy(endpoint: str, policy: str, url: str, code: str) -> None:
    """Where no policy can be found, actual requests go on without CORS headers, and preflights are refused."""
    preflight = asked(endpoint, policy, "OPTIONS", page(PARTNER, "PUT"), url=url)
    assert (preflight.status, cors_headers(preflight)) == (403, {"Vary": VARY})
    assert (preflight.header("Cors-Decision"), preflight.header("Cors-Decision-Reason")) == ("no-policy", code)
    if endpoint != "preflight":
        actual = asked(endpoint, policy, "PUT", page(PARTNER), url=url)
        status = 403 if endpoint == "enforce" else 200
        assert (actual.status, cors_headers(actual)) == (status, {"Vary": "Origin"})
        assert (actual.header("Cors-Decision"), actual.header("Cache-Control")) == ("no-policy", "no-store")


@pytest.mark.parametrize("endpoint", [*PROXIES, "preflight"])
@pytest.mark.parametrize("path", ["/a%2Fb", "//a", "/a/../b", "/%61", "/a;b=1", "/%", "/%zz", "/a/./b"])
def test_odd_paths(endpoint: str, path: str) -> None:
    """Where the policy is named, the path decides about nothing, and may be as odd as it likes."""
    answer = asked(endpoint, "/catalogue", "OPTIONS", page(PARTNER, "PUT"), url=f"https://api.example.com{path}")
    assert answer.header("Access-Control-Allow-Origin") == PARTNER


@pytest.mark.parametrize("endpoint", PROXIES)
def test_same_origin(endpoint: str) -> None:
    """The origin of the URL itself needs no grant."""
    answer = asked(endpoint, "/catalogue", "PATCH", page("https://api.example.com"))
    assert (answer.status, answer.header("Cors-Decision-Reason")) == (200, "same-origin")


@pytest.mark.parametrize("endpoint", PROXIES)
@pytest.mark.parametrize("host", ["https://forged.example", "https://api.example.com:8443"])
def test_forged_host(endpoint: str, host: str) -> None:
    """A host that is none of the named policy's is nobody's own origin, whatever the Host says."""
    by = caller({"version": 1, "policies": {"app": {"origins": [PARTNER], "match": ["api.example.com/catalogue/"]}}})
    own = asked(endpoint, "/app", "POST", page("https://api.example.com"), by=by)
    assert (own.status, own.header("Cors-Decision-Reason")) == (200, "same-origin")
    answer = asked(endpoint, "/app", "POST", page(host), url=f"{host}/catalogue/7", by=by)
    assert answer.status == (403 if endpoint == "enforce" else 200)
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("refused", "origin-not-allowed")


@pytest.mark.parametrize("endpoint", PROXIES)
def test_no_authority(endpoint: str) -> None:
    """A URL without a host that could be compared has no origin of its own, and the rules decide."""
    answer = asked(endpoint, "/catalogue", "PUT", page(PARTNER), url="https://a_$:x/")
    assert answer.header("Access-Control-Allow-Origin") == PARTNER


def test_repeated_origin() -> None:
    """The client's repeated Origin is a refusal and no error: an error of ours would be an outage."""
    for endpoint in PROXIES[:3]:
        answer = asked(endpoint, "/catalogue", "GET", [*page(PARTNER), *page(STRANGER)])
        assert (answer.status, answer.header("Cors-Decision-Reason")) == (200, "multiple-origins")


def test_origin_that_is_not_ascii() -> None:
    """Neither is one with bytes that no browser sends."""
    answer = asked("auth-request", "/status", "GET", page("https://partnär.example"))
    assert (answer.status, answer.header("Cors-Decision-Reason")) == (200, "origin-malformed")


FORGED = {
    "auth-request": [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", "forged.example"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Uri", "/prices/"),
        ("X-HTTP-Method-Override", "GET"),
    ],
    "forward-auth": [("X-Original-Method", "GET"), ("X-Original-URL", "https://api.example.com/prices/")],
    "ext-authz": [
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "https://api.example.com/prices/"),
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Host", "forged.example"),
        ("X-Forwarded-Uri", "/prices/"),
    ],
}
FORGED["enforce"] = FORGED["forward-auth"]


@pytest.mark.parametrize("endpoint", FORGED)
def test_forged_headers(endpoint: str) -> None:
    """The headers of another family of proxies, which a client can send, change nothing."""
    for lines in (page(PARTNER), page(STRANGER), page("https://forged.example")):
        honest = asked(endpoint, "", "DELETE", lines)
        forged = asked(endpoint, "", "DELETE", [*lines, *FORGED[endpoint]])
        assert (honest.status, cors_headers(honest)) == (forged.status, cors_headers(forged))


@pytest.mark.parametrize(("endpoint", "status"), [("auth-request", 200), ("forward-auth", 200), ("enforce", 403)])
def test_no_method(endpoint: str, status: int) -> None:
    """Without a method, or with two, there are no CORS headers: no outage, but a 403 where it is enforced."""
    by = caller()
    for lines in (page(PARTNER), [*page(PARTNER), *[("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET")] * 2]):
        answer = by.ask("GET", f"/v1/{endpoint}/catalogue", lines=lines)
        assert (answer.status, cors_headers(answer)) == (status, {"Vary": "Origin"})
        assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == ("no-policy", "no-method")


@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth"])
def test_url_is_not_told(endpoint: str) -> None:
    """Where the proxy sends no URL, a named policy still decides."""
    lines = [("X-Original-Method", "PUT"), ("X-Forwarded-Method", "PUT"), *page(PARTNER)]
    answer = caller().ask("GET", f"/v1/{endpoint}/catalogue", lines=lines)
    assert answer.header("Access-Control-Allow-Origin") == PARTNER
    answer = caller().ask("GET", f"/v1/{endpoint}", lines=lines)
    assert (answer.status, answer.header("Cors-Decision-Reason")) == (200, "url-malformed")


@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth"])
def test_methods_of_the_subrequest(endpoint: str) -> None:
    """HEAD equals GET; no other method is one of a subrequest, whatever the original request was."""
    lines = [("X-Original-Method", "PUT"), ("X-Forwarded-Method", "PUT"), *page(PARTNER)]
    get, head = (caller().ask(method, f"/v1/{endpoint}/catalogue", lines=lines) for method in ("GET", "HEAD"))
    assert (get.status, cors_headers(get)) == (head.status, cors_headers(head))
    refused = caller().ask("OPTIONS", f"/v1/{endpoint}/catalogue", lines=lines)
    assert (refused.problem, refused.header("Allow")) == ((405, "method-not-allowed"), "GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND", "M-SEARCH", "OPTIONS", "HEAD", "CONNECT"])
def test_any_method(method: str) -> None:
    """Envoy asks with the method of the request that it received, and others enforce with any."""
    assert asked("ext-authz", "/prices", method, page(STRANGER)).status == 200
    lines = [("X-Forwarded-Method", "GET"), *page(STRANGER)]
    assert caller().ask(method, "/v1/enforce/prices", lines=lines).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_only_options_are_preflights(method: str) -> None:
    """A request that is not OPTIONS is not a preflight."""
    refused = caller().ask(method, "/v1/preflight/catalogue/7", lines=page(PARTNER, "PUT"))
    assert (refused.status, refused.header("Allow")) == (405, "OPTIONS")


def test_query_is_ignored() -> None:
    """A client can't choose its policy: its query string, which proxies append to the path, is ignored."""
    query = (
        "?policy=prices&origin=https%3A%2F%2Fpartner.example&method=GET&url=https%3A%2F%2Fapi.example.com%2Fprices%2F"
    )
    lines = [("X-Original-Method", "GET"), ("X-Forwarded-Method", "GET"), *page(STRANGER)]
    for endpoint in ("auth-request", "forward-auth", "ext-authz"):
        answer = caller().ask("GET", f"/v1/{endpoint}/status{query}", lines=lines)
        assert answer.header("Cors-Decision-Reason") == "origin-not-allowed"


@pytest.mark.parametrize("endpoint", ["auth-request", "forward-auth"])
def test_nothing_behind_the_policy(endpoint: str) -> None:
    """A path where none belongs is a mistake in the proxy's configuration, and an error."""
    assert caller().get(f"/v1/{endpoint}/catalogue/7").problem == (404, "not-found")


def test_below_another_path() -> None:
    """The path of a request that was received is found wherever the tree lies in a site."""
    root, folder = Resource(), Resource()
    root.putChild(b"internal", folder)
    folder.putChild(b"cors", tree())
    lines = [("Host", "api.example.com"), *page(PARTNER)]
    answer = Caller(root).ask("PUT", "/internal/cors/v1/ext-authz/-/catalogue/7", lines=lines)
    assert answer.header("Access-Control-Allow-Origin") == PARTNER


def test_old_http() -> None:
    """By default nginx asks by HTTP/1.0 and reads until the connection ends."""
    head = (
        b"GET /v1/auth-request/prices HTTP/1.0\r\nConnection: close\r\nTE: trailers\r\nX-Original-Method: GET\r\n\r\n"
    )
    answer = on_the_wire(tree(), head)
    assert answer.startswith((b"HTTP/1.0 200 ", b"HTTP/1.1 200 "))
    assert b"\r\nAccess-Control-Allow-Origin: *\r\n" in answer
    assert b"\r\nContent-Length: 0\r\n" in answer


def test_lifetime() -> None:
    """What may not be used again is not to be kept by the proxy either."""
    by = caller(limits=Limits(ttl=0))
    assert asked("auth-request", "/prices", "GET", page(STRANGER), by=by).header("Cache-Control") == "no-store"


def test_before_any_policy() -> None:
    """Before any policy is active, sites are served, without CORS headers, and preflights are refused."""
    clock = Clock()
    _, policies = live(POLICIES, clock)
    by = Caller(tree_of(policies, clock))
    actual = asked("auth-request", "/catalogue", "GET", page(PARTNER), by=by)
    preflight = asked("preflight", "/catalogue", "OPTIONS", page(PARTNER, "PUT"), by=by)
    assert (actual.status, cors_headers(actual)) == (200, {"Vary": "Origin"})
    assert (preflight.status, cors_headers(preflight)) == (403, {"Vary": VARY})
    assert (actual.header("Cors-Decision-Reason"), actual.header("Cors-Policy-Revision")) == ("no-policies", None)


@pytest.fixture
def told() -> Any:
    """The warnings in the log."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event["log_level"].name == "warn":
            lines.append(event["what"])

    with observed_by(observe):
        yield lines


def test_warnings(told: list[str]) -> None:
    """A policy that is not there is in the log once a minute, and callers can't flood the log with names."""
    clock = Clock()
    by = Caller(decision_resource(read_document(POLICIES), clock=clock))
    for seconds in (0, 30, 29, 1, 30):
        clock.advance(seconds)
        asked("auth-request", "/nothing", "GET", by=by)
        asked("auth-request", "/neither", "GET", by=by)
    assert told == [
        f"A proxy asks what can't be decided: There is no policy {name}." for name in ["'nothing'", "'neither'"] * 2
    ]
    for number in range(1000):
        asked("auth-request", f"/policy-{number}", "GET", by=by)
    assert len(told) == 258
    clock.advance(60)
    asked("auth-request", "/last", "GET", by=by)
    assert "'last'" in told[-1]


@pytest.mark.parametrize("policy", ["/nothing", "/-"])
@pytest.mark.parametrize("lines", [(), page(PARTNER)])
def test_no_preflight_and_no_policy(policy: str, lines: Lines) -> None:
    """A request that is not a preflight is none, whether there is a policy or not."""
    answer = asked("preflight", policy, "OPTIONS", lines, url="https://api.example.com/elsewhere")
    assert answer.problem == (405, "not-a-preflight")


def test_preflights_are_cross_origin() -> None:
    """The rules decide about a preflight even if its Origin looks like the host, whose port may be lost."""
    answer = asked(
        "preflight",
        "/catalogue",
        "OPTIONS",
        page(PARTNER, "PUT"),
        url=f"{PARTNER}/catalogue/7",
    )
    assert (answer.status, answer.header("Access-Control-Allow-Origin")) == (
        204,
        PARTNER,
    )


@pytest.mark.parametrize("origin", ["", "\n", "https://api.example.com", "null"])
def test_preflights_from_nowhere(origin: str) -> None:
    """Whatever the Origin of a preflight is, it is not taken for the host's own."""
    answer = asked("preflight", "/catalogue", "OPTIONS", page(origin, "PUT"))
    assert (answer.status, answer.header("Cors-Decision")) == (403, "refused")


@pytest.mark.parametrize(
    ("host", "path"),
    [
        ("api.exam", "ple.com/catalogue/"),
        ("api.example.com/catalogue/?", "/"),
        ("", "/catalogue/"),
    ],
)
def test_host_and_path_stay_apart(host: str, path: str) -> None:
    """The path does not become a part of the host, nor the other way round."""
    lines = [
        ("X-Forwarded-Method", "PUT"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", host),
        ("X-Forwarded-Uri", path),
        *page(PARTNER),
    ]
    answer = caller().ask("GET", "/v1/forward-auth", lines=lines)
    assert (answer.header("Cors-Decision"), answer.header("Cors-Decision-Reason")) == (
        "no-policy",
        "url-malformed",
    )


def test_target_begins_with_a_slash() -> None:
    """A target in another form is not a path here."""
    head = b"GET xv1/auth-request/prices HTTP/1.1\r\nHost: a\r\nX-Original-Method: GET\r\n\r\n"
    assert on_the_wire(tree(), head).startswith(b"HTTP/1.1 400 ")


def test_urls_are_no_subjects(told: list[str]) -> None:
    """Clients, who choose the URLs, neither fill the log nor keep other warnings out of it."""
    by = Caller(decision_resource(read_document(POLICIES), clock=Clock()))
    for number in range(300):
        asked("auth-request", "", "GET", url=f"https://{number}.example/", by=by)
    asked("auth-request", "/nothing", "GET", by=by)
    assert [line.rpartition(": ")[2] for line in told] == [
        "No policy matches 'https://0.example/'.",
        "There is no policy 'nothing'.",
    ]

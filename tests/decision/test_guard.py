"""Tests of the guard: each row of its table, and all of them against a slow reading that shares no code."""

from collections import Counter
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, GuardVerdict, Query
from cors_service.decision.decision import PASSES, REFUSALS
from tests import naive_guard
from tests.decision.queries import active, flat
from tests.examples import are_many, examples

TOOLS: dict[str, Any] = {
    "match": ["tools.example.com/"],
    "origins": ["https://app.example.com", "http://localhost:*"],
    "guard": {"hosts": ["tools.example.com", "localhost:*", "127.0.0.1:*"]},
}
URL = "https://tools.example.com/mcp"


def tools(**guard: Any) -> ActivePolicies:
    """Compile the policy of docs/guard.md, with other keys of its guard."""
    return active(tools={**TOOLS, "guard": {**TOOLS["guard"], **guard}})


def verdict(
    policies: ActivePolicies, method: str, *lines: tuple[str, str], url: str | None = URL
) -> GuardVerdict | None:
    """What the guard says of a request with these header lines."""
    return policies.decide(Query.received(method, lines, policy="tools", url=url)).guard


def said(policies: ActivePolicies, method: str, *lines: tuple[str, str], url: str | None = URL) -> tuple[bool, str]:
    """Whether a request passes, and by which code."""
    found = verdict(policies, method, *lines, url=url)
    assert found is not None
    return found.passes, found.reason.code


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("tools.example.com", True),
        ("TOOLS.example.com.", True),
        ("tools.example.com:443", True),
        ("tools.example.com:8443", False),
        ("localhost:8080", True),
        ("127.0.0.1", True),
        ("rebound.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("tools.example.com@evil.example", False),
        ("tools.example.com/x", False),
        ("", False),
    ],
)
def test_a_host_that_is_not_listed(host: str, passes: bool) -> None:
    """A page that makes its own name lead to the service calls it by that name, and gets nothing."""
    lines = (("Host", host), ("Sec-Fetch-Site", "same-origin"))
    expected = (True, "own-page") if passes else (False, "host-not-allowed")
    assert said(tools(), "POST", *lines, url=None) == expected


def test_each_name_counts() -> None:
    """Host and URL must both be listed; without either, or with two Hosts, nobody knows how the service is called."""
    host, foreign = ("Host", "tools.example.com"), ("Host", "evil.example")
    assert said(tools(), "POST", host)[0]
    assert said(tools(), "POST", foreign) == (False, "host-not-allowed")
    assert said(tools(), "POST", host, url="https://evil.example/") == (False, "host-not-allowed")
    assert said(tools(), "POST", host, host) == (False, "host-not-allowed")
    assert said(tools(), "POST", url=None) == (False, "host-not-allowed")


@pytest.mark.parametrize(
    ("origin", "method", "passed"),
    [
        ("https://app.example.com", "POST", (True, "allowed")),
        ("http://localhost:5173", "GET", (True, "allowed")),
        ("https://tools.example.com", "DELETE", (True, "same-origin")),
        ("https://app.example.com", "DELETE", (False, "method-not-allowed")),
        ("https://evil.example", "POST", (False, "origin-not-allowed")),
        ("null", "POST", (False, "origin-not-allowed")),
        ("https://app.example.com/", "POST", (False, "origin-malformed")),
    ],
)
def test_with_an_origin(origin: str, method: str, passed: tuple[bool, str]) -> None:
    """A request with an Origin passes if it is the service's own, or a rule covers it and its method."""
    assert said(tools(), method, ("Origin", origin)) == passed


def test_own_origins_by_other_hosts() -> None:
    """The origin of any host that is listed is the service's own, also where `match` has another host."""
    for url, origin in (
        ("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080"),
        ("ws://127.0.0.1:8080/mcp", "http://127.0.0.1:8080"),
        ("https://localhost/", "https://localhost"),
    ):
        assert said(tools(), "POST", ("Origin", origin), url=url) == (True, "same-origin")
        assert said(tools(), "POST", ("Origin", origin)) == (False, "origin-not-allowed")
    rebound = "http://rebound.example:8080"
    assert said(tools(), "POST", ("Origin", rebound), url=rebound) == (False, "host-not-allowed")


def test_a_page_that_hides_its_origin() -> None:
    """Pages with `Referrer-Policy: no-referrer` send `Origin: null` to their own origin."""
    null = ("Origin", "null")
    assert said(tools(), "POST", null, ("Sec-Fetch-Site", "same-origin")) == (True, "own-page")
    for site in ("same-site", "cross-site", "none"):
        assert said(tools(), "POST", null, ("Sec-Fetch-Site", site)) == (False, "origin-not-allowed")
    # Whoever names an origin is judged by it.
    foreign = ("Origin", "https://evil.example")
    assert said(tools(), "POST", foreign, ("Sec-Fetch-Site", "same-origin")) == (False, "origin-not-allowed")


@pytest.mark.parametrize(
    ("method", "site", "mode", "dest", "passed"),
    [
        ("GET", "same-origin", "no-cors", "image", (True, "own-page")),
        ("GET", "none", "navigate", "document", (True, "user-initiated")),
        ("GET", "cross-site", "navigate", "document", (True, "navigation")),
        ("GET", "same-site", "navigate", "document", (True, "navigation")),
        ("POST", "cross-site", "navigate", "document", (False, "cross-site")),
        ("GET", "cross-site", "navigate", "iframe", (False, "cross-site")),
        ("GET", "cross-site", "no-cors", "image", (False, "cross-site")),
        ("GET", "same-site", "no-cors", "script", (False, "cross-site")),
        ("GET", "elsewhere", "no-cors", "script", (False, "fetch-metadata-malformed")),
    ],
)
def test_without_an_origin(method: str, site: str, mode: str, dest: str, passed: tuple[bool, str]) -> None:
    """Without an Origin the browser's Sec-Fetch-Site decides; a sub-domain is not trusted, and a link is."""
    lines = (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode), ("Sec-Fetch-Dest", dest))
    assert said(tools(), method, *lines) == passed


def test_several_sites() -> None:
    """A request with a repeated Sec-Fetch-Site does not come from a browser."""
    site = ("Sec-Fetch-Site", "same-origin")
    assert said(tools(), "POST", site, site) == (False, "fetch-metadata-malformed")


def test_without_either() -> None:
    """Native clients and servers send neither header; the guard says whether they may."""
    assert said(tools(), "POST") == (True, "no-origin")
    assert said(tools(without_origin="refuse"), "POST") == (False, "origin-missing")


UPGRADE = ("Upgrade", "websocket")


@pytest.mark.parametrize(
    ("method", "url", "lines"),
    [
        ("GET", URL, (UPGRADE,)),
        ("GET", URL, (("Upgrade", "h2c, WebSocket"),)),
        ("GET", "wss://tools.example.com/mcp", ()),
        ("CONNECT", URL, (("Sec-WebSocket-Version", "13"),)),
        ("GET", URL, (("Sec-WebSocket-Version", "13"),)),
    ],
)
def test_websocket(method: str, url: str, lines: tuple[tuple[str, str], ...]) -> None:
    """A handshake passes if a rule covers its Origin, whatever methods that grants; without one, as the guard says."""
    policies = active(
        tools={**TOOLS, "methods": ["POST"], "guard": {"requests": ["websocket"], "without_origin": "refuse"}}
    )
    foreign = ("Origin", "https://evil.example")
    assert said(policies, method, ("Origin", "https://app.example.com"), *lines, url=url)[0]
    assert said(policies, method, ("Origin", "https://tools.example.com"), *lines, url=url) == (True, "same-origin")
    assert said(policies, method, foreign, *lines, url=url) == (False, "origin-not-allowed")
    assert said(policies, method, *lines, url=url) == (False, "origin-missing")
    # No browser sends a handshake without an Origin, so no other header vouches for it.
    assert said(policies, method, ("Sec-Fetch-Site", "same-origin"), *lines, url=url) == (False, "origin-missing")
    link = (("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
    assert said(policies, method, *link, *lines, url=url) == (False, "cross-site")
    assert verdict(policies, "GET", foreign) is None


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "get", "TRACE"])
def test_kinds(method: str) -> None:
    """A guard of what changes state is about any method but GET, HEAD and OPTIONS, as servers read them."""
    guarded = verdict(tools(requests="state-changing"), method, ("Origin", "https://evil.example"))
    assert (guarded is None) == (method in {"GET", "HEAD", "OPTIONS"})


def test_report() -> None:
    """A guard that reports says what it would refuse, and stops nothing."""
    found = verdict(tools(mode="report"), "POST", ("Origin", "https://evil.example"))
    assert found is not None
    assert (found.passes, found.mode, found.stops) == (False, "report", False)


def test_hosts_of_match() -> None:
    """Without `hosts` the service may be called by the hosts of its policy's `match`, bound ones included."""
    bound = active(tools={"match": ["<tenant>.example.com/"], "origins": ["*"], "guard": {}})
    wild = active(tools={"match": ["*.example.com/", "api.example.org:8443/v1/"], "origins": ["*"], "guard": {}})
    for policies, host, passes in (
        (bound, "a.example.com", True),
        (bound, "a.b.example.com", False),
        (wild, "a.b.example.com", True),
        (wild, "example.com", False),
        (wild, "api.example.org:8443", True),
        (wild, "api.example.org", False),
    ):
        assert said(policies, "GET", url=f"https://{host}/")[0] == passes


def test_no_guard() -> None:
    """A policy without a guard has none to say anything, however odd the headers are."""
    policies = flat("https://app.example.com")
    odd = [("Sec-Fetch-Site", "?"), ("Host", "evil example"), ("Upgrade", ",,")]
    plain = policies.decide(Query.received("POST", (), policy="a"))
    assert policies.decide(Query.received("POST", odd, policy="a")) == plain
    assert plain.guard is None


def test_decisions_stay() -> None:
    """A guard changes nothing else of a decision."""
    bare, guarded = active(tools={key: TOOLS[key] for key in ("match", "origins")}), tools()
    for method, origin in product(["GET", "OPTIONS", "DELETE"], ["https://app.example.com", "https://evil.example"]):
        query = Query.received(method, [("Origin", origin), ("Access-Control-Request-Method", "GET")], url=URL)
        one, other = bare.decide(query), guarded.decide(query)
        assert (one.headers, one.reason, one.status) == (other.headers, other.reason, other.status)


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ([("Host", "evil.example")], "add it to hosts"),
        ([("Sec-Fetch-Site", "cross-site")], "fetch with CORS"),
        ([("Origin", "https://evil.example")], ""),
    ],
)
def test_hints(lines: list[tuple[str, str]], hint: str) -> None:
    """Where a person asks, a refusal of the guard says what to write; that of an Origin has its hint in its reason."""
    decision = tools().advise(Query.received("POST", lines, policy="tools", url=URL))
    assert decision.guard is not None
    assert hint in decision.guard.reason.hint
    assert decision.reason.hint or hint


HOSTS = ["tools.example.com", "a.tools.example.com", "localhost", "127.0.0.1", "evil.example", "[::1]"]
PORTS = ["", ":80", ":443", ":8080"]
OWN = ["https://tools.example.com", "https://127.0.0.1:8080", "http://a.tools.example.com"]
ORIGINS = ["https://app.example.com", *OWN, "https://evil.example", "null", "x"]
SITES = ["same-origin", "none", "same-site", "cross-site", "?"]

AUTHORITIES = st.builds(lambda host, port: host + port, st.sampled_from(HOSTS), st.sampled_from(PORTS))
NAVIGATION = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]
# Each code has to be found among some thousands, also what is rare.
TELLING = [
    *[NAVIGATION, [("Sec-Fetch-Site", "none")], [("Sec-Fetch-Site", "same-origin")]] * 2,
    *([("Origin", origin)] for origin in ORIGINS),
]
LINES = st.sampled_from(TELLING) | st.lists(
    st.one_of(
        st.tuples(st.just("Host"), AUTHORITIES),
        st.tuples(st.just("Origin"), st.sampled_from(ORIGINS)),
        st.tuples(st.just("Sec-Fetch-Site"), st.sampled_from(SITES)),
        st.tuples(st.just("sec-fetch-mode"), st.sampled_from(["navigate", "cors", "websocket"])),
        st.tuples(st.just("Sec-Fetch-Dest"), st.sampled_from(["document", "empty", "iframe"])),
        st.tuples(st.just("Upgrade"), st.sampled_from(["websocket", "h2c", "h2c, WEBSOCKET"])),
        st.tuples(st.just("Sec-WebSocket-Version"), st.just("13")),
    ),
    max_size=5,
)
LISTED = st.lists(
    st.sampled_from(["tools.example.com", "*.example.com", "localhost:*", "127.0.0.1:8080", "[::1]:*"]), max_size=3
)
GUARDS = st.builds(
    lambda kinds, without, hosts: {
        "requests": kinds, "without_origin": without, **({"hosts": hosts} if hosts else {})
    },
    st.sampled_from(["all", "state-changing", "websocket", ["state-changing", "websocket"]]),
    st.sampled_from(["allow", "refuse"]),
    st.just([]) | LISTED,
)  # fmt: skip


@pytest.mark.hypothesis
def test_the_naive_judge_agrees() -> None:
    """Every verdict is that of the table, read row by row; each code is used."""
    used: Counter[str] = Counter()

    @examples(3_000)
    @given(
        GUARDS,
        st.sampled_from(["GET", "GET", "GET", "POST", "DELETE", "OPTIONS", "CONNECT", "get"]),
        st.one_of(
            st.just(URL),
            st.sampled_from([URL, None]),
            st.builds(
                lambda scheme, host: f"{scheme}://{host}/x", st.sampled_from(["https", "http", "wss"]), AUTHORITIES
            ),
        ),
        LINES,
    )
    def check(guard: dict[str, Any], method: str, url: str | None, lines: list[tuple[str, str]]) -> None:
        policies = active(tools={**TOOLS, "guard": guard})
        decision = policies.decide(Query.received(method, lines, policy="tools", url=url))
        called = naive_guard.is_called_rightly(guard.get("hosts", ["tools.example.com"]), url, lines)
        code, rule = decision.reason.code, decision.rule is not None
        expected = naive_guard.judge(guard, method, url, lines, code, rule=rule, called=called)
        found = decision.guard
        assert (None if found is None else (found.passes, found.reason.code)) == expected
        if found is not None:
            assert found.reason.code in (PASSES if found.passes else REFUSALS)
            used[found.reason.code] += 1

    check()
    if are_many():
        assert set(used) >= PASSES | {"host-not-allowed", "cross-site", "origin-missing"}

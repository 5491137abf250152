"""Tests of cases about guarded policies: what a guard stops, no page can read."""

from __future__ import annotations

from itertools import product
from typing import Any, Final

import pytest

from cors_service.browser import Request, fetch_verdict, preflight_headers
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.decision import ActivePolicies
from cors_service.policy import read_document
from cors_service.suites.cases import Page
from cors_service.suites.exchange import exchange
from cors_service.suites.reading import SuiteDraft
from cors_service.suites.report import failures_in_words
from cors_service.suites.running import Outcome, run
from tests.web.test_proxies import asked
from tests.web.traversal import caller

APP: Final = "https://a.example"
URL: Final = "https://mcp.example.com/x"
PLAIN: Final = "http://mcp.example.com/x"
ELSEWHERE: Final = ["other.example.com"]


def document(**guard: Any) -> dict[str, Any]:
    """Write a guarded policy."""
    policy = {
        "match": ["mcp.example.com/"],
        "origins": [APP],
        "methods": ["GET", "POST"],
        "request_headers": ["content-type"],
        "expose_headers": ["etag"],
        "timing": True,
        "guard": guard,
    }
    return {"version": 1, "policies": {"g": policy}}


def outcome(case: str, **guard: Any) -> Outcome:
    """Run one case."""
    active = ActivePolicies(read_document(document(**guard)))
    draft = SuiteDraft("a.test.toml", f"version = 1\n[[cases]]\n{case}")
    return run(draft.with_policies(active), active).outcomes[0]


def case(url: str | None = URL, origin: str = APP, method: str = "POST", more: str = "") -> str:
    """Write a case that a page of an origin can read what comes of a request."""
    target = 'policy = "g"' if url is None else f'url = "{url}"'
    return f'{target}\norigins = ["{origin}"]\nmethods = ["{method}"]\n{more}\nexpect = "readable"'


@pytest.mark.parametrize("headers", ["", 'headers = ["content-type"]'], ids=["simple", "preflight"])
@pytest.mark.parametrize("requests", [["all"], ["state-changing"]], ids=str)
def test_host_that_is_not_listed(headers: str, requests: list[str]) -> None:
    """A case about a host that the guard does not list fails, with the guard's code as the reason."""
    done = outcome(case(more=headers), hosts=ELSEWHERE, requests=requests)
    [failure] = done.failures
    assert failure.problems == ("expected readable, and the page is blocked",)
    assert failure.exchange.codes == ("host-not-allowed", "acao-missing")
    assert failure.hint == "If people call the service by this host, add it to hosts of the guard."
    blocked = case(more=f'{headers}\nreason = "host-not-allowed"').replace("readable", "blocked")
    assert outcome(blocked, hosts=ELSEWHERE, requests=requests).failures == ()
    wrong = blocked.replace("host-not-allowed", "allowed")
    [failure] = outcome(wrong, hosts=ELSEWHERE, requests=requests).failures
    assert failure.problems == ("expected the reason allowed, and it is host-not-allowed or acao-missing",)


def test_nothing_to_read_or_to_measure() -> None:
    """Where a guard stops a request, the page reads no header of the service, and measures nothing of it."""
    for origin in (APP, "https://mcp.example.com"):
        active = ActivePolicies(read_document(document(hosts=ELSEWHERE)))
        done = exchange(Page(None, URL, origin, "GET", (), False), active)
        assert (done.is_readable, done.may_measure, done.readable(("etag",))) == (False, False, frozenset())


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        (case(), {"hosts": ELSEWHERE, "mode": "report"}),
        (case(method="GET"), {"hosts": ELSEWHERE, "requests": "state-changing"}),
        (case(), {"hosts": ELSEWHERE, "requests": "websocket"}),
        (case(origin="https://mcp.example.com", method="GET"), {"without_origin": "refuse"}),
        (case(origin="https://mcp.example.com", method="DELETE"), {}),
    ],
    ids=["report", "safe method", "no WebSocket", "own page's GET", "own page"],
)
def test_passes(text: str, guard: dict[str, Any]) -> None:
    """A guard that only reports, one that is not about the request, and one that lets it pass change nothing."""
    assert outcome(text, **guard).failures == ()


def test_own_page_without_tls() -> None:
    """A page's own GET says nothing of where it comes from if browsers send no fetch metadata."""
    text = case(url=PLAIN, origin="http://mcp.example.com", method="GET")
    assert outcome(text).failures == ()
    [failure] = outcome(text, without_origin="refuse").failures
    assert failure.exchange.codes[0] == "origin-missing"


@pytest.mark.parametrize(
    "hosts", [None, ["localhost:*"], ["*.example.com"], ["*.example.com:*"], ["127.0.0.1:8080"], ["[::1]:*"]], ids=str
)
@pytest.mark.parametrize("match", ["mcp.example.com/", "<tenant>.example.com/", "*.example.com/"])
def test_policy_without_a_url(hosts: list[str] | None, match: str) -> None:
    """A case that names only a policy is about a host that its guard lists."""
    written = document() if hosts is None else document(hosts=hosts)
    written["policies"]["g"]["match"] = [match]
    active = ActivePolicies(read_document(written))
    for origin, readable in ((APP, True), ("https://evil.example", False), ("null", False)):
        done = exchange(Page("g", None, origin, "POST", (("content-type", "application/json"),), False), active)
        assert done.is_readable == readable
        assert done.codes[0] == ("allowed" if readable else "origin-not-allowed")


@pytest.mark.parametrize("origin", [APP, "https://mcp.example.com"])
@pytest.mark.parametrize("url", [URL, None])
def test_report(url: str | None, origin: str) -> None:
    """A failure says that a guard stops the request and why, and names a command that shows the same."""
    guard = {"hosts": ELSEWHERE}
    wanted = case(url, origin=origin if url else "https://evil.example")
    done = outcome(wanted, **guard)
    text = failures_in_words(done, read_document(document(**guard)), "g.toml")
    code = "host-not-allowed" if url else "origin-not-allowed"
    assert f"guard      stops it with a 403 [{code}]: " in text
    assert "lets the page read the answer" not in text
    assert f"-H 'Host: {'mcp' if url else 'other'}.example.com'" in text
    assert text.count("hosts of the guard." if url else "to the origins of a rule.") == 1


GUARDS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"hosts": ELSEWHERE},
    {"hosts": ELSEWHERE, "mode": "report"},
    {"hosts": ELSEWHERE, "requests": "state-changing"},
    {"without_origin": "refuse"},
)
SITES: Final = {
    APP: "cross-site",
    "https://evil.example": "cross-site",
    "null": "cross-site",
    "https://www.example.com": "same-site",
    "https://mcp.example.com": "same-origin",
}
HEADERS: Final = ((), (("content-type", "application/json"),), (("x-other", "1"),))


@pytest.mark.parametrize("guard", GUARDS, ids=str)
def test_as_behind_enforce(guard: dict[str, Any]) -> None:
    """A page can read what a case says if, and only if, a browser can behind a gateway that asks `/v1/enforce`."""
    written = document(**guard)
    active, by = ActivePolicies(read_document(written)), caller(written)
    for (origin, site), method, headers, url in product(SITES.items(), ("GET", "POST", "PUT"), HEADERS, (URL, PLAIN)):
        own = url.removesuffix("/x")
        request = Request(origin, url, own, method, headers)
        metadata = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]
        sent = metadata if url == URL else []
        answer = asked("enforce", "", method, [*actual_headers(request), *sent], url=url, by=by)
        preflight = None
        if needs_preflight(request):
            about = asked("enforce", "", "OPTIONS", [*preflight_headers(request), *sent], url=url, by=by)
            preflight = about.status, about.lines
        verdict = fetch_verdict(request, answer.lines, preflight)
        # The application answers only what the gateway lets through.
        expected = verdict.allowed and answer.status == 200
        done = exchange(Page(None, url, origin, method, headers, False), active)
        assert done.is_readable == expected, (origin, method, headers, url)

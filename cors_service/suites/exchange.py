"""What comes of a page's request: the policies decide, and a browser judges the headers."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cors_service.browser import Request, Verdict, fetch_verdict, preflight_headers
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.browser.sharing import exposed_headers, tao_check
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.decision.own_origin import own_origin
from cors_service.suites.cases import Page

_NAMELESS: Final = "https://service.invalid/"
"""The URL of a request about which only the policy is known (RFC 2606, section 2)."""


class Exchange(Struct, frozen=True):
    """A request of a page, and what comes of it.

    Attributes:
        page: What the page asks.
        request: The same as the browser has it.
        preflight: What is decided about the preflight; None if browsers send none.
        actual: What is decided about the request itself, also where the browser never sends it.
        verdict: What the browser says.
        queries: What was decided about: the preflight, if there is one, and the request.
    """

    page: Page
    request: Request
    preflight: Decision | None
    actual: Decision
    verdict: Verdict
    queries: tuple[Query, ...]

    @property
    def decision(self) -> Decision:
        """The decision on which the verdict depends."""
        return self.preflight if self.preflight is not None and self.verdict.preflight else self.actual

    @property
    def query(self) -> Query:
        """What that was decided about."""
        return self.queries[0] if self.decision is self.preflight else self.queries[-1]

    @property
    def rules(self) -> frozenset[int]:
        """The numbers of the rules that decided."""
        numbers = (self.actual.rule, None if self.preflight is None else self.preflight.rule)
        return frozenset(number for number in numbers if number is not None)

    @property
    def may_measure(self) -> bool:
        """Whether the page can measure how long it took."""
        return self.verdict.allowed and tao_check(self.request, self.actual.headers)

    def readable(self, names: tuple[str, ...]) -> frozenset[str]:
        """Say which headers of an answer the page can read, if the service sends all of these."""
        if not self.verdict.allowed:
            return frozenset()
        sent = [*self.actual.headers, *((name, "value") for name in names)]
        return exposed_headers(self.request, sent)


def exchange(page: Page, active: ActivePolicies) -> Exchange:
    """Let a page ask.

    Raises:
        BadQuery: There is no decision about it.
    """
    request = Request(
        origin=page.origin,
        url=page.url or _NAMELESS,
        url_origin=None if page.url is None else own_origin(page.url),
        method=page.method,
        headers=page.headers,
        credentials=page.credentials,
    )
    queries = []
    if needs_preflight(request):
        queries.append(_query("OPTIONS", preflight_headers(request), page))
    queries.append(_query(request.method, actual_headers(request), page))
    *asked, actual = map(active.decide, queries)
    answer = (asked[0].status or 200, asked[0].headers) if asked else None
    verdict = fetch_verdict(request, actual.headers, answer)
    return Exchange(page, request, asked[0] if asked else None, actual, verdict, tuple(queries))


def _query(method: str, headers: tuple[tuple[str, str], ...], page: Page) -> Query:
    return Query.received(method, headers, policy=page.policy, url=page.url)

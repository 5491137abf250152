"""What comes of a page's request: the policies decide, a guard may stop it, and a browser judges the headers."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cors_service.browser import Request, Verdict, fetch_verdict, preflight_headers
from cors_service.browser.request import actual_headers, needs_preflight
from cors_service.browser.sharing import exposed_headers, tao_check
from cors_service.decision import ActivePolicies, Decision, Query, Reason
from cors_service.decision.enforced import answer_of, circumstances_of, listed_host
from cors_service.decision.own_origin import own_origin
from cors_service.suites.cases import Lines, Page

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
    def stopped_by(self) -> Reason | None:
        """Why a guard keeps from the service that on which the verdict depends; None if none does."""
        guard = self.decision.guard
        return guard.reason if guard is not None and guard.stops else None

    @property
    def is_readable(self) -> bool:
        """Whether the page can read what the service answers, and not only the 403 of a guard."""
        return self.verdict.allowed and self.stopped_by is None

    @property
    def codes(self) -> tuple[str, str]:
        """The reason for what comes of it: that of the guard or else of the decision, and the step of the browser."""
        return (self.stopped_by or self.decision.reason).code, str(self.verdict.step)

    @property
    def rules(self) -> frozenset[int]:
        """The numbers of the rules that decided."""
        numbers = (self.actual.rule, None if self.preflight is None else self.preflight.rule)
        return frozenset(number for number in numbers if number is not None)

    @property
    def may_measure(self) -> bool:
        """Whether the page can measure how long it took."""
        return self.is_readable and tao_check(self.request, self.actual.headers)

    def readable(self, names: tuple[str, ...]) -> frozenset[str]:
        """Say which headers of an answer the page can read, if the service sends all of these."""
        if not self.is_readable:
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
    circumstances = _circumstances(page, active)
    queries = []
    if needs_preflight(request):
        queries.append(_query("OPTIONS", (*preflight_headers(request), *circumstances), page))
    queries.append(_query(request.method, (*actual_headers(request), *circumstances), page))
    *asked, actual = map(active.decide, queries)
    verdict = fetch_verdict(request, answer_of(actual)[1], answer_of(asked[0]) if asked else None)
    return Exchange(page, request, asked[0] if asked else None, actual, verdict, tuple(queries))


def _circumstances(page: Page, active: ActivePolicies) -> Lines:
    own = None if page.url is None else own_origin(page.url)
    if own is not None:
        return circumstances_of(page.origin, own, "cors")
    # A policy that is named without a URL is asked by one of its own hosts. More than that, a guard needs to know only
    # of requests without an Origin, which come from pages of the URL's own origin.
    policy = active.policy_set.policies.get(page.policy or "")
    host = None if policy is None else listed_host(policy)
    return () if host is None else (("Host", host),)


def _query(method: str, headers: Lines, page: Page) -> Query:
    return Query.received(method, headers, policy=page.policy, url=page.url)

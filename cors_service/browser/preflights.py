"""The preflights that a browser sends for requests which pages make one after another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from cors_service.browser.browsers import FIREFOX_MAX_AGE_CAP, MAX_AGE_CAPS, Behaviour
from cors_service.browser.cache import CacheEntry, preflight_cache_entries, satisfied_by_cache
from cors_service.browser.checks import cors_check, preflight_check
from cors_service.browser.headers import HeaderLines
from cors_service.browser.request import Request, needs_preflight

_ONE_ANSWER = (Behaviour.CHROMIUM, Behaviour.WEBKIT)
"""The engines that keep one answer for an origin and a URL; the others add to the methods and names that they have."""

_Token = tuple[bool, str | None, str | None]


class Answers(Protocol):
    """Whoever answers the requests of pages."""

    def preflight(self, request: Request) -> tuple[int, HeaderLines]:
        """Give the status and the header lines of the answer to the preflight of a request."""

    def actual(self, request: Request) -> HeaderLines:
        """Give the header lines of the answer to a request itself."""


class PreflightCache:
    """What one browser has kept of the answers to preflights, while time goes by.

    Network partitions are left out, and so is how much a browser keeps: Firefox keeps answers for 100 URLs.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        """Begin with nothing.

        Args:
            behaviour: The browser to model; the standard itself sets no cap, and gets that of Firefox.
        """
        self._behaviour = behaviour
        self._cap = MAX_AGE_CAPS.get(behaviour, FIREFOX_MAX_AGE_CAP)
        self._kept: dict[tuple[str, str], dict[_Token, tuple[CacheEntry, float]]] = {}

    def covers(self, request: Request, now: float) -> bool:
        """Say whether a request goes without a preflight.

        Args:
            request: The request.
            now: The time in seconds, from any beginning.
        """
        kept = self._kept.get((request.origin, request.url), {})
        live = [entry for entry, until in kept.values() if now < until]
        return satisfied_by_cache(request, live, behaviour=self._behaviour)

    def keep(self, request: Request, status: int, headers: HeaderLines, now: float) -> None:
        """Keep what came of a preflight.

        Args:
            request: The request that needed it.
            status: The status of the answer.
            headers: The header lines of the answer.
            now: The time in seconds.
        """
        # What did not suffice is gone, or is so because the preflight fails; see `preflight_cache_after`.
        if self._behaviour in _ONE_ANSWER or not preflight_check(request, status, headers, self._behaviour).allowed:
            self.forget(request)
        # Which opaque origin it is, is not known here, and there they share nothing.
        if request.origin == "null" and self._behaviour in _ONE_ANSWER:
            return
        kept = self._kept.setdefault((request.origin, request.url), {})
        for entry in preflight_cache_entries(request, status, headers, self._cap, self._behaviour):
            kept[entry.credentials, entry.method, entry.header_name] = entry, now + entry.max_age

    def forget(self, request: Request) -> None:
        """Forget what was kept for the origin and the URL of a request."""
        self._kept.pop((request.origin, request.url), None)


def sent_preflights(
    requests: Iterable[tuple[float, Request]], answers: Answers, behaviour: Behaviour
) -> Iterator[bool]:
    """Say for each request whether a browser sends a preflight before it.

    Args:
        requests: The requests in order, each with its time in seconds.
        answers: Whoever answers them.
        behaviour: The browser to model.

    Yields:
        Whether there is a preflight.
    """
    cache = PreflightCache(behaviour)
    for now, request in requests:
        asks = needs_preflight(request) and not cache.covers(request, now)
        yield asks
        passes = True
        if asks:
            status, headers = answers.preflight(request)
            passes = preflight_check(request, status, headers, behaviour).allowed
            cache.keep(request, status, headers, now)
        # https://fetch.spec.whatwg.org/#main-fetch, step 12: also where no preflight was needed.
        if request.same_origin or not passes or behaviour in _ONE_ANSWER:
            continue
        if not cors_check(request, answers.actual(request)).allowed:
            cache.forget(request)

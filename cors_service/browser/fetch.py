"""A whole fetch: the preflight, if one is needed, and the answer itself."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeAlias

from cors_service.browser.browsers import Behaviour
from cors_service.browser.cache import CacheEntry, satisfied_by_cache
from cors_service.browser.checks import cors_check, preflight_check, verdict
from cors_service.browser.headers import HeaderLines
from cors_service.browser.request import Request, is_forbidden_method
from cors_service.browser.verdict import Step, Verdict

PreflightAnswer: TypeAlias = tuple[int, HeaderLines]


def fetch_verdict(
    request: Request,
    headers: HeaderLines,
    preflight: PreflightAnswer | None = None,
    cached: Collection[CacheEntry] = (),
    age: float = 0.0,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> Verdict:
    """Say whether a page gets to read an answer: https://fetch.spec.whatwg.org/#main-fetch, step 12.

    One hop: of a redirected request, each answer is judged by itself.

    Args:
        request: The page's request.
        headers: The (name, value) lines of the answer to it; its status does not matter.
        preflight: Status and lines of the answer to its preflight; ignored where none is sent.
        cached: What the preflight cache holds.
        age: How many seconds ago that was stored.
        behaviour: The browser to model.

    Returns:
        Allowed, or the first step that failed; its ``preflight`` says whether the request was never sent.

    Raises:
        ValueError: If the request needs a preflight and there is neither an answer to it nor a cache entry.
    """
    if is_forbidden_method(request.method):
        return verdict(request, Step.METHOD_FORBIDDEN, request.method)
    if request.same_origin:
        return verdict(request, Step.SAME_ORIGIN)
    if not satisfied_by_cache(request, cached, age, behaviour):
        if preflight is None:
            raise ValueError("this request needs a preflight: give the answer to it")
        asked = preflight_check(request, *preflight, behaviour)
        if not asked.allowed:
            return asked
    return cors_check(request, headers)

"""The CORS-preflight cache: https://fetch.spec.whatwg.org/#cors-preflight-cache."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from cors_service.browser.browsers import CHROMIUM_MAX_AGE_CAP, Behaviour
from cors_service.browser.checks import NON_WILDCARD_NAME, allowed_methods, preflight_check
from cors_service.browser.headers import HeaderLines, byte_lowercase, extract_list, values_of
from cors_service.browser.request import Request, is_safelisted_method, needs_preflight, unsafe_request_header_names

DEFAULT_MAX_AGE = 5
"""For how long an answer without a well-formed Access-Control-Max-Age is kept, in seconds."""

_DELTA_SECONDS = re.compile(r"[0-9]+")  # RFC 9111, section 1.2.2
_SIGNED = re.compile(r"[+-]?[0-9]+")  # base::StringToInt64, parseInteger<int64_t>
_INT64_MAX = 2**63 - 1
_ONE_ANSWER = (Behaviour.CHROMIUM, Behaviour.WEBKIT)
"""The engines that keep one answer for a page's origin and a URL."""


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A method or a header that a preflight allowed.

    The network partition key is left out: entries are compared within one partition.

    Attributes:
        origin: The serialised origin of the page.
        url: The URL that was asked for.
        credentials: Whether the request that caused the preflight had the credentials mode "include".
        max_age: For how many seconds the entry lives.
        method: The method allowed, ``*`` for any, or None.
        header_name: The lower-case header name allowed, ``*`` for any but ``authorization``, or None. With
            neither a method nor a name it says that an engine has kept an answer, whatever that lists.
    """

    origin: str
    url: str
    credentials: bool
    max_age: int
    method: str | None = None
    header_name: str | None = None


def preflight_max_age(
    headers: HeaderLines,
    cap: int = CHROMIUM_MAX_AGE_CAP,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> int:
    """Read Access-Control-Max-Age: https://fetch.spec.whatwg.org/#cors-preflight-fetch-0, steps 7.8 to 7.10.

    Args:
        headers: The (name, value) lines of the answer to a preflight.
        cap: The longest time for which the browser keeps an answer, in seconds.
        behaviour: The browser to model.

    Returns:
        Seconds, from 0 to ``cap``; 5 if the value is missing, malformed or repeated.
    """
    values = values_of(headers, "access-control-max-age")
    syntax = _SIGNED if behaviour in _ONE_ANSWER else _DELTA_SECONDS
    missing = min(DEFAULT_MAX_AGE, cap)
    # Firefox does not keep what it can't read.
    malformed = 0 if behaviour is Behaviour.FIREFOX and any(values) else missing
    # Of a single-valued header, two lines are a failure: #extract-header-list-values, step 2.
    if len(values) != 1 or not syntax.fullmatch(values[0]):
        return malformed
    digits = values[0].lstrip("+-").lstrip("0")
    if len(digits) > len(str(_INT64_MAX)) or int(digits or "0") > _INT64_MAX:
        return malformed if behaviour in _ONE_ANSWER else cap
    return 0 if values[0].startswith("-") else min(int(digits or "0"), cap)


def preflight_cache_entries(
    request: Request,
    status: int,
    headers: HeaderLines,
    cap: int = CHROMIUM_MAX_AGE_CAP,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> tuple[CacheEntry, ...]:
    """List what a browser keeps of one preflight: #cors-preflight-fetch-0, steps 7.8 to 7.15.

    Args:
        request: The page's request, which the preflight asked for.
        status: The status of the answer.
        headers: The (name, value) lines of the answer.
        cap: The longest time for which the browser keeps an answer, in seconds.
        behaviour: The browser to model.

    Returns:
        An entry for each method and each header name listed, asked for or not; in engines, also one for the
        answer as such. None if the preflight fails.
    """
    if not preflight_check(request, status, headers, behaviour).allowed:
        return ()
    methods = allowed_methods(request, headers, behaviour)
    names = extract_list(headers, "access-control-allow-headers") or ()
    max_age = preflight_max_age(headers, cap, behaviour)
    key = (request.origin, request.url, request.credentials, max_age)
    return (
        *((CacheEntry(*key),) if behaviour is not Behaviour.STANDARD else ()),
        *(CacheEntry(*key, method=method) for method in dict.fromkeys(methods)),
        *(CacheEntry(*key, header_name=name) for name in dict.fromkeys(map(byte_lowercase, names))),
    )


def preflight_cache_after(
    request: Request,
    status: int,
    headers: HeaderLines,
    cached: Collection[CacheEntry],
    cap: int = CHROMIUM_MAX_AGE_CAP,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> tuple[CacheEntry, ...]:
    """List the entries of a cache after a preflight.

    In the standard a preflight that succeeds adds to what was there (#cors-preflight-fetch-0, steps 7.12 to
    7.15), and one that fails clears it (https://fetch.spec.whatwg.org/#main-fetch, step 12); so it is in Firefox.
    Chromium and WebKit remove entries that did not suffice before they send the preflight
    (``PreflightCache::CheckIfRequestCanSkipPreflight``, ``CrossOriginPreflightResultCache::canSkipPreflight``).

    Args:
        request: The page's request, which the preflight asked for.
        status: The status of the answer.
        headers: The (name, value) lines of the answer.
        cached: What the cache held before; all of it is taken to be as old as this answer.
        cap: The longest time for which the browser keeps an answer, in seconds.
        behaviour: The browser to model. In Chromium and WebKit nothing is held for an opaque origin: which of them
            made a request is not known here, and they share nothing.

    Returns:
        The entries, those of other origins and URLs first.
    """
    key = (request.origin, request.url)
    others = tuple(entry for entry in cached if (entry.origin, entry.url) != key)
    if not preflight_check(request, status, headers, behaviour).allowed:
        return others
    fresh = preflight_cache_entries(request, status, headers, cap, behaviour)
    if behaviour in _ONE_ANSWER:
        return others if request.origin == "null" else others + fresh
    renewed = {(entry.credentials, entry.method, entry.header_name) for entry in fresh}
    kept = [entry for entry in cached if (entry.origin, entry.url) == key]
    return (
        *others,
        *(entry for entry in kept if (entry.credentials, entry.method, entry.header_name) not in renewed),
        *fresh,
    )


def satisfied_by_cache(
    request: Request,
    entries: Collection[CacheEntry],
    age: float = 0.0,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> bool:
    """Say whether a request goes without a new preflight.

    https://fetch.spec.whatwg.org/#http-fetch, step 4.1.

    In the standard a ``*`` that was cached with credentials matches any method and name later on, although it
    is a literal for the preflight that fetched it (#concept-cache-match-method, #concept-cache-match-header).

    Args:
        request: The later request.
        entries: What the cache holds, in Chromium and WebKit of the last preflight for origin and URL alone; see
            :func:`preflight_cache_after`.
        age: How many seconds ago the entries were stored.
        behaviour: The browser to model.

    Returns:
        Whether the entries allow it, or it needs no preflight in the first place.
    """
    if not needs_preflight(request):
        return True
    live = [entry for entry in entries if age < entry.max_age and _serves(entry, request, behaviour)]
    wildcards = _wildcards(live, request, behaviour)
    any_method = any(entry.method == "*" for entry in wildcards)
    method_matches = any_method or request.method in {entry.method for entry in live}
    # Engines take the flag for settled by any answer that they have kept; Firefox's cache knows no HEAD.
    flagged = request.use_cors_preflight and (behaviour is Behaviour.STANDARD or not live)
    needs_naming = flagged or (behaviour is Behaviour.FIREFOX and request.method == "HEAD")
    if not method_matches and (needs_naming or not is_safelisted_method(request.method)):
        return False
    names = {entry.header_name for entry in live}
    any_name = any(entry.header_name == "*" for entry in wildcards)
    return all(
        name in names or (any_name and (name != NON_WILDCARD_NAME or behaviour is Behaviour.WEBKIT))
        for name in unsafe_request_header_names(request.headers)
    )


def _serves(entry: CacheEntry, request: Request, behaviour: Behaviour) -> bool:
    """Say whether an entry was kept for requests such as this one."""
    if (entry.origin, entry.url) != (request.origin, request.url):
        return False
    if behaviour is Behaviour.FIREFOX:
        return entry.credentials == request.credentials
    return entry.credentials or not request.credentials


def _wildcards(entries: Collection[CacheEntry], request: Request, behaviour: Behaviour) -> list[CacheEntry]:
    """List the entries of which a ``*`` stands for any name."""
    match behaviour:
        case Behaviour.STANDARD:
            return list(entries)
        case Behaviour.CHROMIUM:
            return [entry for entry in entries if not entry.credentials]
        case Behaviour.FIREFOX:
            return []
        case Behaviour.WEBKIT:
            return [] if request.credentials else list(entries)

"""What is asked, and in which order. A plan that takes each answer before it goes on, and asks nobody by itself."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Final, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

from cors_service.browser import Behaviour, Request, cors_check, preflight_check, preflight_headers
from cors_service.browser.headers import byte_lowercase
from cors_service.browser.redirects import redirected
from cors_service.browser.request import needs_preflight
from cors_service.decision.own_origin import own_origin
from cors_service.doctor.exchanges import Exchange, Question, Role
from cors_service.doctor.near_misses import near_misses, stranger
from cors_service.doctor.target import host_of, read_url
from cors_service.grammar.origin import is_insecure_origin
from cors_service.grammar.site import same_site

MOST: Final = 15
"""Requests in a visit."""

_HOPS: Final = 3
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
_MARK: Final = "cors-service-doctor"

Visit: TypeAlias = Generator[Question, Exchange, None]


def visit(request: Request, mark: str, *, sends: bool = False, follows: bool = False) -> Visit:
    """Plan a visit.

    Args:
        request: The page's request.
        mark: A word that is in no URL yet: caches and applications have not seen what it is part of.
        sends: Whether a method other than GET is sent, and not only asked about by a preflight.
        follows: Whether redirects are followed to other hosts.

    Yields:
        What to ask next; takes what came of it.
    """
    asked, actual = yield from _as_page(request, Role.PREFLIGHT, Role.ACTUAL, sends=sends)
    yield from _redirects(request, actual, sends=sends, follows=follows)
    yield _get(Role.ERROR, request, _nowhere(request.url, mark))
    fresh = f"{request.url}{'&' if urlsplit(request.url).query else '?'}{_MARK}={mark}"
    other = stranger(request.origin)
    seen = yield from _one_after_another(request, fresh, other, page_first=not actual.grants)
    if asked is not None and asked.answer is not None:
        yield _preflight(Role.STRANGER_PREFLIGHT, replace(request, origin=other))
    if seen.grants or seen.allowed_origin == "*" or not (passes(actual) or (asked is not None and passes(asked))):
        return
    by_preflight = asked is not None and passes(asked)
    for near in near_misses(request.origin):
        if by_preflight:
            yield _preflight(Role.NEAR_MISS, replace(request, origin=near.origin))
        else:
            yield _get(Role.NEAR_MISS, request, request.url, near.origin)


def passes(exchange: Exchange) -> bool:
    """Say whether a browser goes on after an answer to a page, with cookies or without."""
    question, answer = exchange.question, exchange.answer
    if answer is None:
        return False
    plain = replace(question.request, credentials=False)
    if question.role.is_preflight_of_page:
        return preflight_check(plain, answer.status, answer.lines).allowed
    return cors_check(plain, answer.lines).allowed


def _as_page(
    request: Request, preflight: Role, actual: Role, *, sends: bool
) -> Generator[Question, Exchange, tuple[Exchange | None, Exchange]]:
    asked = None
    if needs_preflight(request):
        asked = yield _preflight(preflight, request)
    method = request.method if sends else "GET"
    return asked, (yield Question(actual, request, method, request.url, _lines(request, request.origin)))


def _one_after_another(
    request: Request, fresh: str, other: str, *, page_first: bool
) -> Generator[Question, Exchange, Exchange]:
    """Ask for a URL that no cache knows for several origins; give what came of another's.

    If the page was not given its origin, a cache may have kept what was made for others: then it is the first here.
    """
    again = _get(Role.FRESH_AGAIN, request, fresh)
    if page_first:
        yield again
    yield _get(Role.FRESH_NO_ORIGIN, request, fresh, None)
    seen = yield _get(Role.FRESH_STRANGER, request, fresh, other)
    if not page_first:
        yield again
    yield _get(Role.FRESH_NULL, request, fresh, "null")
    return seen


def _redirects(request: Request, actual: Exchange, *, sends: bool, follows: bool) -> Visit:
    host, been = host_of(request.url), [request]
    for _ in range(_HOPS):
        following = after_redirect(request, actual)
        if following is None or following in been or not (follows or host_of(following.url) == host):
            return
        request = following
        been.append(request)
        _, actual = yield from _as_page(request, Role.REDIRECTED_PREFLIGHT, Role.REDIRECTED, sends=sends)


def after_redirect(request: Request, exchange: Exchange) -> Request | None:
    """Follow a redirect, as Chromium does.

    Args:
        request: The page's request.
        exchange: What came of it.

    Returns:
        The next request; None if it is not redirected, or not to where it can go.
    """
    answer = exchange.answer
    url = None if answer is None or answer.location is None else _following(request.url, answer.location)
    there = None if url is None else own_origin(url)
    if answer is None or url is None or there is None:
        return None
    return redirected(request, answer.status, url, there, Behaviour.CHROMIUM)


def _following(url: str, location: str) -> str | None:
    try:
        return read_url(urljoin(url, quote(location.encode("latin-1"), safe=_ASCII)))
    except ValueError:
        return None


def _preflight(role: Role, request: Request) -> Question:
    lines = (*preflight_headers(request), *_metadata(request.origin, request.url))
    return Question(role, request, "OPTIONS", request.url, lines)


def _get(role: Role, request: Request, url: str, origin: str | None = "") -> Question:
    """A GET; of the page, if no origin is named."""
    origin = request.origin if origin == "" else origin
    page = replace(request, url=url, origin=origin or request.origin)
    return Question(role, page, "GET", url, _lines(page, origin))


def _lines(request: Request, origin: str | None) -> tuple[tuple[str, str], ...]:
    """The headers that the page sets, but no credentials, and the origin."""
    own = [line for line in request.headers if byte_lowercase(line[0]) != "authorization"]
    accept = [] if any(byte_lowercase(name) == "accept" for name, _ in own) else [("Accept", "*/*")]
    asks = () if origin is None else (("Origin", origin), *_metadata(origin, request.url))
    return (*accept, *own, *asks)


def _metadata(origin: str, url: str) -> tuple[tuple[str, str], ...]:
    """What browsers say of a request besides: https://w3c.github.io/webappsec-fetch-metadata/."""
    there = own_origin(url) or "null"
    # They say it to nobody else.
    if is_insecure_origin(there):
        return ()
    site = "same-site" if same_site(origin, there) else "cross-site"
    return (("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty"))


def _nowhere(url: str, mark: str) -> str:
    """The URL of something beside another that is not there."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path.rpartition('/')[0]}/{_MARK}-{mark}"

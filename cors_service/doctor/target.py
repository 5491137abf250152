"""What a visit is about: the request of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from cors_service.browser import Request
from cors_service.browser.headers import is_token
from cors_service.browser.request import is_forbidden_method, is_forbidden_request_header
from cors_service.decision.own_origin import own_origin
from cors_service.grammar.mistakes import shown
from cors_service.grammar.origin import is_insecure_origin, read_origin

_LONGEST: Final = 8000


def read_target(
    url: str, origin: str, method: str = "GET", headers: Sequence[str] = (), *, credentials: bool = False
) -> Request:
    """Read what the page asks for.

    Args:
        url: The URL of the live site.
        origin: The page's origin, or `null`.
        method: The method that the page uses.
        headers: The header lines that it sets.
        credentials: Whether it sends cookies.

    Raises:
        ValueError: No page can ask for this, or CORS has nothing to do with it.
    """
    where = read_url(url)
    if where is None:
        raise ValueError(f"{shown(url)} is not a URL to ask: write http:// or https://, a host and a path, in ASCII.")
    if origin != "null" and read_origin(origin) is None:
        hint = "scheme, host and port as location.origin prints them, without a path or a slash at the end"
        raise ValueError(f"{shown(origin)} is not an origin: write {hint}.")
    if not is_token(method) or is_forbidden_method(method):
        raise ValueError(f"{shown(method)} is not a method that a page can use.")
    request = Request(origin, where, own_origin(where), method, tuple(map(_line, headers)), credentials)
    if origin.startswith("https:") and is_insecure_origin(own_origin(where) or ""):
        raise ValueError(f"{shown(where)} is mixed content for a page over https: its browser sends no request.")
    if request.same_origin:
        raise ValueError(f"{shown(where)} has the page's own origin: browsers need no CORS headers for it.")
    return request


def read_url(text: str) -> str | None:
    """Read a URL as a browser sends it, without its fragment; None if it is not one to ask."""
    if len(text) > _LONGEST or not (text.isascii() and text.isprintable()) or " " in text or "\\" in text:
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), parts.netloc.lower()
    if scheme not in {"http", "https"} or not host or "@" in host:
        return None
    origin = own_origin(f"{scheme}://{host}/")
    query = f"?{parts.query}" if parts.query else ""
    return None if origin is None else f"{origin}{parts.path or '/'}{query}"


def host_of(url: str) -> str:
    """The host of a URL that was read."""
    return urlsplit(url).hostname or ""


def _line(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not is_token(name) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"{shown(text)} is not a header: write 'name: value'.")
    if is_forbidden_request_header(name, value):
        raise ValueError(f"{shown(name)} is not a header that a page can set.")
    return name, value.strip()

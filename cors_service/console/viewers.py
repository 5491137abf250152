"""Who looks at a page: somebody with a session, a person whom a proxy has signed in, or a caller that the API knows."""

from __future__ import annotations

from typing import Any, Final, cast

from cors_service.access.callers import Caller
from cors_service.admin.endpoint import LOCAL
from cors_service.console.console import Console
from cors_service.console.sessions import LONGEST_SECONDS
from cors_service.web.callers import known_callers
from cors_service.web.hosts import Hosts
from cors_service.web.request import AnyRequest

# A browser takes a cookie with this prefix only over TLS, for all paths, and from this very host
# (https://www.rfc-editor.org/rfc/rfc6265#section-4.1.3.2 as revised).
_SECURE: Final = "__Host-cors-session"
_PLAIN: Final = "cors-session"
_LOOPBACK: Final = Hosts()


def callers_of(console: Console, request: AnyRequest, *, is_use: bool = True) -> list[Caller]:
    """Give the known callers that a request shows to be from.

    Args:
        console: What pages share.
        request: The request.
        is_use: Whether somebody does something, so that the session goes on.
    """
    if console.desk.access is None:
        return [LOCAL]
    access = console.desk.access.active
    session = console.sessions.find(secret_of(request), is_use=is_use)
    caller = None if session is None else access.by_digest(session.token)
    if caller is not None:
        return [caller]
    person = console.proxy.person(request)
    caller = None if person is None else access.by_person(person)
    return [caller] if caller is not None else list(known_callers(request, access))


def has_session(console: Console, request: AnyRequest) -> bool:
    """Whether a request shows a session, which can be ended."""
    return console.sessions.find(secret_of(request), is_use=False) is not None


def secret_of(request: AnyRequest) -> str:
    """Give the secret of the session that a request shows; empty if it shows none."""
    found: dict[str, str] = {}
    for line in request.requestHeaders.getRawHeaders(b"cookie") or ():
        for pair in line.decode("ascii", "replace").split(";"):
            name, _, value = pair.strip().partition("=")
            found.setdefault(name, value)
    # Another host of the domain can set a cookie without the prefix, and so sign somebody in as somebody else.
    return found.get(_SECURE) or ("" if _is_secure(request) else found.get(_PLAIN, ""))


def cookie(request: AnyRequest, secret: str) -> str:
    """Write the cookie that holds a secret, or that takes it away if it is empty."""
    age = int(LONGEST_SECONDS) if secret else 0
    common = f"Path=/; Max-Age={age}; HttpOnly; SameSite=Strict"
    return f"{_SECURE}={secret}; Secure; {common}" if _is_secure(request) else f"{_PLAIN}={secret}; {common}"


def _is_secure(request: AnyRequest) -> bool:
    """Whether the browser speaks TLS, be it with a proxy: then the Origin of a form says so, or Sec-Fetch-Site.

    Browsers send Sec-Fetch-Site only to URLs that they trust, which have TLS or a loopback name
    (https://www.w3.org/TR/fetch-metadata/, https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy).
    """
    if cast(Any, request).isSecure():
        return True
    headers = request.requestHeaders
    if any(one.lower().startswith(b"https://") for one in headers.getRawHeaders(b"origin") or ()):
        return True
    hosts = headers.getRawHeaders(b"host") or ()
    return headers.hasHeader(b"sec-fetch-site") and not all(map(_LOOPBACK.answer, hosts))

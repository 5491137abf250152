"""What becomes of a request that is redirected: https://fetch.spec.whatwg.org/#http-redirect-fetch."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cors_service.browser.browsers import Behaviour
from cors_service.browser.headers import HeaderLines, byte_lowercase
from cors_service.browser.request import Request, needs_preflight

_BODY_HEADERS = {"content-encoding", "content-language", "content-location", "content-type"}
"""https://fetch.spec.whatwg.org/#request-body-header-name"""


def redirected(
    request: Request, status: int, url: str, url_origin: str, behaviour: Behaviour = Behaviour.STANDARD
) -> Request:
    """Follow a redirect.

    Args:
        request: The request that was answered so; the origin of its URL is known.
        status: The status of the answer.
        url: The URL to which it leads, resolved.
        url_origin: The serialised origin of that.
        behaviour: The browser to model.

    Returns:
        The request that is made next. In Firefox its preflight names the origin of the page, also where the request
        itself is from ``null``; in WebKit it asks for ``Authorization``, also where the request itself goes without.
    """
    method, headers = request.method, request.headers
    if (status in {301, 302} and method == "POST") or (status == 303 and method not in {"GET", "HEAD"}):  # step 12
        method = "GET"
        headers = _without(headers, _BODY_HEADERS)
    elsewhere = url_origin != request.url_origin
    # https://fetch.spec.whatwg.org/#concept-request-tainted-origin
    origin = "null" if elsewhere and not request.same_origin else request.origin
    # All three ask again where the request needs it, but two of them also where they have asked before.
    again = needs_preflight(request) and behaviour in (Behaviour.FIREFOX, Behaviour.WEBKIT)
    following = replace(
        request,
        url=url,
        url_origin=url_origin,
        method=method,
        headers=_without(headers, {"authorization"}) if elsewhere else headers,  # step 13
        origin=origin,
        use_cors_preflight=request.use_cors_preflight or again,
        asked_as=None,
    )
    if behaviour is Behaviour.FIREFOX:
        before = request.asked_as or request
        return replace(following, asked_as=replace(following, origin=before.origin))
    if again:  # WebKit
        return replace(following, asked_as=replace(following, headers=headers))
    return following


def _without(headers: HeaderLines, names: Collection[str]) -> tuple[tuple[str, str], ...]:
    return tuple(line for line in headers if byte_lowercase(line[0]) not in names)

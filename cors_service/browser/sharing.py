"""What else an answer shares: headers, timing, and its use by pages that cannot read it."""

from __future__ import annotations

from cors_service.browser.checks import cors_check
from cors_service.browser.headers import (
    HeaderLines,
    ListSyntaxError,
    byte_lowercase,
    extract_list,
    get,
    get_decode_split,
)
from cors_service.browser.request import Request

_SAFELISTED_RESPONSE_HEADERS = frozenset(
    {
        "cache-control",
        "content-language",
        "content-length",
        "content-type",
        "expires",
        "last-modified",
        "pragma",
    }
)
_FORBIDDEN_RESPONSE_HEADERS = frozenset({"set-cookie", "set-cookie2"})


def exposed_headers(request: Request, headers: HeaderLines) -> frozenset[str]:
    """Name the headers that a script can read: https://fetch.spec.whatwg.org/#main-fetch, step 14.

    Args:
        request: The page's request.
        headers: The (name, value) lines of the answer.

    Returns:
        Lower-case names out of ``headers``, those of a CORS filtered response
        (https://fetch.spec.whatwg.org/#concept-filtered-response-cors), or of a basic one within an origin;
        none if the CORS check fails.
    """
    present = frozenset(byte_lowercase(name) for name, _ in headers) - _FORBIDDEN_RESPONSE_HEADERS
    if request.same_origin:
        return present
    if not cors_check(request, headers).allowed:
        return frozenset()
    try:
        listed = extract_list(headers, "access-control-expose-headers") or ()
    except ListSyntaxError:  # step 14.1.3: a failure names nothing
        listed = ()
    if "*" in listed and not request.credentials:  # step 14.1.2
        return present
    return present & (_SAFELISTED_RESPONSE_HEADERS | {byte_lowercase(name) for name in listed})


def tao_check(request: Request, headers: HeaderLines) -> bool:
    """Say whether timing may be shared: https://fetch.spec.whatwg.org/#tao-check.

    Args:
        request: The page's request, not redirected before.
        headers: The (name, value) lines of the answer.

    Returns:
        Whether Resource Timing shows the details.
    """
    values = get_decode_split(headers, "timing-allow-origin")  # step 3
    return "*" in values or request.origin in values or request.same_origin  # steps 4, 5 and 7


def corp_check(
    origin: str,
    url_origin: str,
    headers: HeaderLines,
    *,
    same_site: bool = False,
    require_corp: bool = False,
) -> bool:
    """Check Cross-Origin-Resource-Policy, for answers to requests of mode "no-cors".

    https://fetch.spec.whatwg.org/#cross-origin-resource-policy-internal-check, not for a navigation.

    Args:
        origin: The serialised origin of the page.
        url_origin: The serialised origin of the answer's URL.
        headers: The (name, value) lines of the answer.
        same_site: Whether the two are schemelessly same site, which takes the list of public suffixes.
        require_corp: Whether the page's embedder policy is ``require-corp``.

    Returns:
        Whether the page may embed the answer.
    """
    policy = get(headers, "cross-origin-resource-policy")  # step 2
    if policy not in ("same-origin", "same-site", "cross-origin"):  # steps 3 and 4
        policy = "same-origin" if require_corp else "cross-origin"
    if policy == "cross-origin" or (origin == url_origin and origin != "null"):
        return True
    secure = origin.startswith("https:") or not url_origin.startswith("https:")
    return policy == "same-site" and same_site and secure

"""Methods and header names: tokens, their normal forms, and those that no policy may grant."""

from __future__ import annotations

import re
from typing import Final

_TOKEN_CHARS: Final = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DROP_TOKEN_CHARS: Final = dict.fromkeys(map(ord, _TOKEN_CHARS))

# https://fetch.spec.whatwg.org/#concept-method-normalize: these and no others are upper-cased.
_NORMALIZED: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})
# https://fetch.spec.whatwg.org/#forbidden-method
_FORBIDDEN_METHODS: Final = frozenset({"CONNECT", "TRACE", "TRACK"})
# A bar is a character of method names, but nobody has such methods; nor one for what other systems call all of them.
_SEVERAL: Final = re.compile(r"[A-Za-z]+(?:\|[A-Za-z]+)+|(?i:any|all)")

# https://fetch.spec.whatwg.org/#forbidden-request-header, step 1 and 2. Step 3 is about values: X-HTTP-Method and the
# like can be granted.
_FORBIDDEN_REQUEST_HEADERS: Final = frozenset(
    {
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
_FORBIDDEN_REQUEST_PREFIXES: Final = ("proxy-", "sec-")

# https://fetch.spec.whatwg.org/#forbidden-response-header-name, then names that only requests or preflight
# answers carry.
_FORBIDDEN_EXPOSED_HEADERS: Final = frozenset(
    {
        "set-cookie",
        "set-cookie2",
        "origin",
        "cookie",
        "cookie2",
        "host",
        "access-control-request-method",
        "access-control-request-headers",
        "access-control-allow-methods",
        "access-control-allow-headers",
        "access-control-max-age",
    }
)


def is_token(text: str) -> bool:
    """Say whether the text is a token (RFC 9110, 5.6.2): one or more of its ASCII characters and nothing else."""
    return bool(text) and not text.translate(_DROP_TOKEN_CHARS)


def is_method_name(text: str) -> bool:
    """Say whether the text is a token that can be meant as the name of one method."""
    return is_token(text) and not _SEVERAL.fullmatch(text)


def normalize_method(method: str) -> str:
    """Normalise a method (Fetch, #concept-method-normalize): six methods are upper-cased, `patch` is not."""
    if method in _NORMALIZED:
        return method
    # str.upper would map some non-ASCII letters into ASCII (`ı` to `I`); what is not ASCII is left alone.
    upper = method.upper() if method.isascii() else method
    return upper if upper in _NORMALIZED else method


def is_forbidden_method(method: str) -> bool:
    """Say whether no page may send this method (Fetch, #forbidden-method), whatever its case."""
    return method.upper() in _FORBIDDEN_METHODS


def is_forbidden_request_header(name: str) -> bool:
    """Say whether no page can set this lower-case request header name."""
    return name in _FORBIDDEN_REQUEST_HEADERS or is_forbidden_request_prefix(name)


def is_forbidden_request_prefix(prefix: str) -> bool:
    """Say whether no page can set a request header with this lower-case prefix."""
    return prefix.startswith(_FORBIDDEN_REQUEST_PREFIXES)


def is_forbidden_exposed_header(name: str) -> bool:
    """Say whether this lower-case name can't be exposed to a page or has no place in an actual response."""
    return name in _FORBIDDEN_EXPOSED_HEADERS

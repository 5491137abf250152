"""The request that a page makes, and the preflight it needs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cors_service.browser.headers import TOKEN, HeaderLines, byte_lowercase, get_decode_split, is_token

_NORMALIZED_METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"}
_SAFELISTED_METHODS = {"GET", "HEAD", "POST"}
_FORBIDDEN_METHODS = {"connect", "trace", "track"}

_FORBIDDEN_REQUEST_HEADERS = frozenset(
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
_METHOD_OVERRIDES = {"x-http-method", "x-http-method-override", "x-method-override"}

_SAFELISTED_ESSENCES = {"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}
_UNSAFE_BYTE = re.compile(r'[\x00-\x08\x0a-\x1f"():<>?@\[\\\]{}\x7f]')
_LANGUAGES = re.compile(r"[0-9A-Za-z *,\-.;=]*")
_MIME_TYPE = re.compile(rf"({TOKEN}/{TOKEN})[ \t]*(?:;.*)?", re.DOTALL)
_SIMPLE_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")

MAX_SAFELISTED_VALUE = 128
MAX_SAFELISTED_VALUES = 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request of mode "cors", as a page makes it with ``fetch()``.

    The method is normalised, values lose the whitespace around them, and headers that a page may not set
    vanish, as ``new Request()`` does it: https://fetch.spec.whatwg.org/#dom-request and
    https://fetch.spec.whatwg.org/#headers-validate.

    Attributes:
        origin: The serialised origin of the page, or ``null`` for an opaque one.
        url: The URL asked for; it keys the preflight cache and appears in console messages.
        url_origin: The serialised origin of the URL; None stands for "another than the page's".
        method: The method, as the page names it.
        headers: The (name, value) lines that the page sets.
        credentials: Whether the credentials mode is "include".
        use_cors_preflight: The use-CORS-preflight flag, e.g. of an upload with progress listeners.
        asked_as: The request that the preflight asks about, where that is another one; see
            :func:`~cors_service.browser.redirects.redirected`.

    Raises:
        ValueError: If no page can make this request: a method or name that is not a token; a value or origin
            with NUL, CR, LF or a code point above U+00FF.
    """

    origin: str
    url: str
    url_origin: str | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    credentials: bool = False
    use_cors_preflight: bool = False
    asked_as: Request | None = None

    def __post_init__(self) -> None:
        """Normalise the method and the headers, or refuse them."""
        headers = tuple((name, value.strip(" \t\r\n")) for name, value in self.headers)
        for token in (self.method, *(name for name, _ in headers)):
            if not is_token(token):
                raise ValueError(f"not a token: {token!r}")
        for value in (self.origin, *(value for _, value in headers)):
            if any(char in "\0\r\n" or char > "\xff" for char in value):
                raise ValueError(f"not a header value: {value!r}")
        object.__setattr__(self, "method", normalize_method(self.method))
        object.__setattr__(self, "headers", tuple(h for h in headers if not is_forbidden_request_header(*h)))

    @property
    def same_origin(self) -> bool:
        """Whether page and URL share an origin; an opaque origin is shared by nobody."""
        return self.origin != "null" and self.origin == self.url_origin


def normalize_method(method: str) -> str:
    """Upper-case six methods and no other: https://fetch.spec.whatwg.org/#concept-method-normalize.

    Args:
        method: A method, e.g. ``get`` or ``patch``.

    Returns:
        The method to send, e.g. ``GET`` or ``patch``.
    """
    return upper if (upper := method.upper()) in _NORMALIZED_METHODS and method.isascii() else method


def is_safelisted_method(method: str) -> bool:
    """Say whether no list needs to name a method: https://fetch.spec.whatwg.org/#cors-safelisted-method."""
    return method in _SAFELISTED_METHODS


def is_forbidden_method(method: str) -> bool:
    """Say whether a page may not use a method: https://fetch.spec.whatwg.org/#forbidden-method."""
    return byte_lowercase(method) in _FORBIDDEN_METHODS


def is_forbidden_request_header(name: str, value: str) -> bool:
    """Say whether a page may not set a header: https://fetch.spec.whatwg.org/#forbidden-request-header.

    Args:
        name: The header's name, in any case.
        value: Its value; it matters for the headers that override a method.

    Returns:
        Whether the browser drops it.
    """
    name = byte_lowercase(name)
    if name in _FORBIDDEN_REQUEST_HEADERS or name.startswith(("proxy-", "sec-")):
        return True
    return name in _METHOD_OVERRIDES and any(
        is_forbidden_method(method) for method in get_decode_split([(name, value)], name)
    )


def is_safelisted_request_header(name: str, value: str) -> bool:
    """Say whether a header needs no preflight: https://fetch.spec.whatwg.org/#cors-safelisted-request-header.

    Args:
        name: The header's name, in any case.
        value: Its value, one code point for each byte.

    Returns:
        Whether a form could have sent it, nearly.
    """
    if len(value) > MAX_SAFELISTED_VALUE:
        return False
    match byte_lowercase(name):
        case "accept":
            return _UNSAFE_BYTE.search(value) is None
        case "accept-language" | "content-language":
            return _LANGUAGES.fullmatch(value) is not None
        case "content-type":
            # https://mimesniff.spec.whatwg.org/#parse-a-mime-type; parameters never make it fail.
            mime_type = None if _UNSAFE_BYTE.search(value) else _MIME_TYPE.fullmatch(value)
            return mime_type is not None and byte_lowercase(mime_type[1]) in _SAFELISTED_ESSENCES
        case "range":
            # https://fetch.spec.whatwg.org/#simple-range-header-value, with a start
            simple = _SIMPLE_RANGE.fullmatch(value)
            return simple is not None and (not simple[2] or int(simple[1]) <= int(simple[2]))
    return False


def unsafe_request_header_names(headers: HeaderLines) -> tuple[str, ...]:
    """Name the headers that need a preflight: https://fetch.spec.whatwg.org/#cors-unsafe-request-header-names.

    Args:
        headers: The (name, value) lines that a page sets.

    Returns:
        The names in lower case, sorted, each once.
    """
    unsafe: set[str] = set()
    potentially_unsafe: set[str] = set()
    safelisted_size = 0
    for name, value in headers:
        if is_safelisted_request_header(name, value):
            potentially_unsafe.add(byte_lowercase(name))
            safelisted_size += len(value)
        else:
            unsafe.add(byte_lowercase(name))
    if safelisted_size > MAX_SAFELISTED_VALUES:
        unsafe |= potentially_unsafe
    return tuple(sorted(unsafe))


def needs_preflight(request: Request) -> bool:
    """Say whether a request needs a preflight: https://fetch.spec.whatwg.org/#main-fetch, step 12.

    Args:
        request: The request; the preflight cache is not considered.

    Returns:
        Whether the browser asks first.
    """
    return not request.same_origin and (
        request.use_cors_preflight
        or not is_safelisted_method(request.method)
        or bool(unsafe_request_header_names(request.headers))
    )


def preflight_headers(request: Request) -> tuple[tuple[str, str], ...]:
    """List what a preflight says: https://fetch.spec.whatwg.org/#cors-preflight-fetch-0, steps 2 to 6.

    Args:
        request: The request that needs it.

    Returns:
        The (name, value) lines of the ``OPTIONS`` request that matter to CORS, ``Origin`` among them.
    """
    request = request.asked_as or request
    lines = [("Accept", "*/*"), ("Access-Control-Request-Method", request.method)]
    if names := unsafe_request_header_names(request.headers):
        lines.append(("Access-Control-Request-Headers", ",".join(names)))
    return (*lines, ("Origin", request.origin))


def actual_headers(request: Request) -> tuple[tuple[str, str], ...]:
    """List what the request itself says: https://fetch.spec.whatwg.org/#append-a-request-origin-header.

    Args:
        request: The request.

    Returns:
        The (name, value) lines that the page set, and ``Origin`` where browsers send it: across origins, and
        with every method but GET and HEAD.
    """
    if request.same_origin and request.method in ("GET", "HEAD"):
        return request.headers
    return (*request.headers, ("Origin", request.origin))

"""The two checks of the CORS protocol: of any answer, and of the answer to a preflight."""

from __future__ import annotations

import re

from cors_service.browser.browsers import Behaviour
from cors_service.browser.console import Failure, console_lines
from cors_service.browser.headers import HeaderLines, ListSyntaxError, byte_lowercase, extract_list, get, values_of
from cors_service.browser.request import Request, is_safelisted_method, unsafe_request_header_names
from cors_service.browser.verdict import Step, Verdict

NON_WILDCARD_NAME = "authorization"
"""The one CORS non-wildcard request-header name.

https://fetch.spec.whatwg.org/#cors-non-wildcard-request-header-name
"""

_KNOWN = {"authorization", "cache-control", "content-language", "content-type", "pragma", "range"}
"""Header names that WebKit looks at before others, and writes in its own way: some of ``HTTPHeaderNames.in``."""

_REDIRECTS = {301, 302, 303, 307, 308}

# Roughly what a URL parser takes: a scheme, and a host if the scheme is special.
_URL = re.compile(
    r"(?:https?|wss?|ftp):[/\\]*[^\s/\\?#:<>^|%\]].*|(?!(?:https?|wss?|ftp):)[a-z][a-z0-9+.-]*:.*",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)


def verdict(request: Request, step: Step, value: str = "", *, preflight: bool = False) -> Verdict:
    """Put a verdict together with its sentence."""
    failure = Failure(step, request.url, request.origin, value, preflight)
    return Verdict(step, value, preflight, "\n".join(console_lines(Behaviour.CHROMIUM, failure)))


def cors_check(request: Request, headers: HeaderLines, *, preflight: bool = False) -> Verdict:
    """Check whether an answer may be shared: https://fetch.spec.whatwg.org/#cors-check.

    Args:
        request: The page's request, also where the answer is a preflight's.
        headers: The (name, value) lines of the answer; its status does not matter.
        preflight: Whether it answers a preflight; only the verdict's wording depends on it.

    Returns:
        Allowed, or the step that failed: ``acao-*`` or ``acac-not-true``.
    """
    step, value = _cors_check(request, headers)
    return verdict(request, step, value, preflight=preflight)


def _cors_check(request: Request, headers: HeaderLines) -> tuple[Step, str]:
    origin = get(headers, "access-control-allow-origin")  # step 1
    if origin is None:  # step 2
        return Step.ACAO_MISSING, ""
    if origin == "*" and not request.credentials:  # step 3
        return Step.ALLOWED, ""
    if origin != request.origin:  # step 4; what follows only says it better, as Chromium's CheckAccess does
        if origin == "*":
            return Step.ACAO_WILDCARD_WITH_CREDENTIALS, origin
        if "," in origin or " " in origin:
            return Step.ACAO_MULTIPLE, origin
        if origin != "null" and not _URL.fullmatch(origin):
            return Step.ACAO_INVALID, origin
        return Step.ACAO_MISMATCH, origin
    if not request.credentials:  # step 5
        return Step.ALLOWED, ""
    credentials = get(headers, "access-control-allow-credentials")  # step 6
    if credentials == "true":  # step 7
        return Step.ALLOWED, ""
    return Step.ACAC_NOT_TRUE, credentials or ""  # step 8


def preflight_check(
    request: Request,
    status: int,
    headers: HeaderLines,
    behaviour: Behaviour = Behaviour.STANDARD,
) -> Verdict:
    """Check the answer to a preflight: https://fetch.spec.whatwg.org/#cors-preflight-fetch-0, steps 7 and 8.

    Args:
        request: The page's request, which the preflight asked for.
        status: The status of the answer.
        headers: The (name, value) lines of the answer.
        behaviour: The browser to model.

    Returns:
        Allowed if the request may be sent, or else the step that failed. ``authorization-not-in-acah`` is
        step 7.6, which the standard takes before any other name (step 7.7) and no engine takes.
    """
    step, value = _preflight_check(request, status, headers, behaviour)
    return verdict(request, step, value, preflight=True)


def _preflight_check(
    request: Request,
    status: int,
    headers: HeaderLines,
    behaviour: Behaviour,
) -> tuple[Step, str]:
    request = request.asked_as or request
    redirected = status in _REDIRECTS and bool(values_of(headers, "location"))
    status_fails = not 200 <= status <= 299
    failing = Step.PREFLIGHT_REDIRECT if redirected else Step.PREFLIGHT_STATUS
    if (redirected and behaviour is Behaviour.CHROMIUM) or (status_fails and behaviour is Behaviour.WEBKIT):
        return failing, str(status)
    step, value = _cors_check(request, headers)  # step 7
    if not step.allows:
        return step, value
    if status_fails:  # steps 7 and 8
        return failing, str(status)

    try:
        methods = allowed_methods(request, headers, behaviour)
    except ListSyntaxError:  # step 7.3
        return Step.ACAM_MALFORMED, get(headers, "access-control-allow-methods") or ""
    method_is_allowed = is_safelisted_method(request.method) or any(
        method == request.method or (method == "*" and not request.credentials) for method in methods
    )
    if not method_is_allowed and behaviour is Behaviour.FIREFOX:
        return Step.METHOD_NOT_IN_ACAM, request.method
    try:
        listed = extract_list(headers, "access-control-allow-headers") or ()  # step 7.2
    except ListSyntaxError:  # step 7.3
        return Step.ACAH_MALFORMED, get(headers, "access-control-allow-headers") or ""
    if not method_is_allowed:  # step 7.5
        return Step.METHOD_NOT_IN_ACAM, request.method
    return _headers_check(request, listed, behaviour)


def _headers_check(request: Request, listed: tuple[str, ...], behaviour: Behaviour) -> tuple[Step, str]:
    names = {byte_lowercase(name) for name in listed}
    unsafe_names = unsafe_request_header_names(request.headers)
    if behaviour is Behaviour.STANDARD and NON_WILDCARD_NAME in set(unsafe_names) - names:  # step 7.6
        return Step.AUTHORIZATION_NOT_IN_ACAH, NON_WILDCARD_NAME
    any_name = "*" in names and not request.credentials
    missing = [] if any_name else [name for name in unsafe_names if name not in names]  # step 7.7
    if not missing:
        return Step.ALLOWED, ""
    return Step.HEADER_NOT_IN_ACAH, _as_set(request, missing) if behaviour is Behaviour.WEBKIT else missing[0]


def _as_set(request: Request, missing: list[str]) -> str:
    """Name the header that WebKit finds first: it writes names as the page does, those that it knows in its own way."""
    lines = [name for name, _ in request.headers if byte_lowercase(name) in missing]
    known = [name.title() for name in lines if byte_lowercase(name) in _KNOWN]
    return (known or lines)[0]


def allowed_methods(request: Request, headers: HeaderLines, behaviour: Behaviour) -> tuple[str, ...]:
    """Read Access-Control-Allow-Methods: https://fetch.spec.whatwg.org/#cors-preflight-fetch-0, step 7.1.

    Args:
        request: The page's request, which the preflight asked for.
        headers: The (name, value) lines of the answer.
        behaviour: The browser to model; without the header and with the use-CORS-preflight flag, the
            standard (step 7.4) takes the method asked for as listed.

    Returns:
        The methods listed, as written.

    Raises:
        ListSyntaxError: If the value is not a list of tokens.
    """
    methods = extract_list(headers, "access-control-allow-methods")
    if methods is None and request.use_cors_preflight and behaviour is Behaviour.STANDARD:
        return (request.method,)
    return methods or ()

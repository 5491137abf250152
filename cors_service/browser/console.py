"""The sentences of Chromium's console: ``cors_error_string.cc``, ``GetErrorStringForConsoleMessage``."""

from __future__ import annotations

from cors_service.browser.request import Request
from cors_service.browser.verdict import Step

_VALID_VALUE = " Have the server send the header with a valid value."
_IN_PREFLIGHT = " in preflight response."
_NOT_LISTED = "Request header field {value} is not allowed by Access-Control-Allow-Headers" + _IN_PREFLIGHT

_SENTENCES = {
    Step.ACAO_MISSING: "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
    Step.ACAO_MULTIPLE: (
        "The 'Access-Control-Allow-Origin' header contains multiple values '{value}',"
        " but only one is allowed." + _VALID_VALUE
    ),
    Step.ACAO_INVALID: (
        "The 'Access-Control-Allow-Origin' header contains the invalid value '{value}'." + _VALID_VALUE
    ),
    Step.ACAO_MISMATCH: (
        "The 'Access-Control-Allow-Origin' header has a value '{value}'"
        " that is not equal to the supplied origin." + _VALID_VALUE
    ),
    Step.ACAO_WILDCARD_WITH_CREDENTIALS: (
        "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*'"
        " when the request's credentials mode is 'include'."
    ),
    Step.ACAC_NOT_TRUE: (
        "The value of the 'Access-Control-Allow-Credentials' header in the response is '{value}'"
        " which must be 'true' when the request's credentials mode is 'include'."
    ),
    Step.PREFLIGHT_STATUS: "It does not have HTTP ok status.",
    Step.PREFLIGHT_REDIRECT: "Redirect is not allowed for a preflight request.",
    Step.ACAM_MALFORMED: "Cannot parse Access-Control-Allow-Methods response header field" + _IN_PREFLIGHT,
    Step.ACAH_MALFORMED: "Cannot parse Access-Control-Allow-Headers response header field" + _IN_PREFLIGHT,
    Step.METHOD_NOT_IN_ACAM: "Method {value} is not allowed by Access-Control-Allow-Methods" + _IN_PREFLIGHT,
    Step.AUTHORIZATION_NOT_IN_ACAH: _NOT_LISTED,
    Step.HEADER_NOT_IN_ACAH: _NOT_LISTED,
}

_AFTER_ACCESS_CONTROL = {
    Step.ACAM_MALFORMED,
    Step.ACAH_MALFORMED,
    Step.METHOD_NOT_IN_ACAM,
    Step.AUTHORIZATION_NOT_IN_ACAH,
    Step.HEADER_NOT_IN_ACAH,
}


def console_sentence(request: Request, step: Step, value: str, *, preflight: bool) -> str:
    """Write the sentence that Chromium prints when it blocks a ``fetch()``.

    Args:
        request: The page's request.
        step: The step that decided.
        value: What that step objects to.
        preflight: Whether it was the answer to the preflight that failed.

    Returns:
        One sentence or two; empty if the step allows.
    """
    if step.allows:
        return ""
    if step is Step.METHOD_FORBIDDEN:
        return f"TypeError: Failed to execute 'fetch' on 'Window': '{value}' HTTP method is unsupported."
    blocked = f"Access to fetch at '{request.url}' from origin '{request.origin}'"
    blocked += " has been blocked by CORS policy: "
    if preflight and step not in _AFTER_ACCESS_CONTROL:
        blocked += "Response to preflight request doesn't pass access control check: "
    return blocked + _SENTENCES[step].format(value=_printable(value))


def _printable(text: str) -> str:
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04X}" for char in text)

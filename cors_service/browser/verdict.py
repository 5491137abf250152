"""What a browser decides, and by which step of the standard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urljoin

_FETCH = "https://fetch.spec.whatwg.org/"


class Step(StrEnum):
    """The step that decided. The codes are API."""

    ALLOWED = "allowed"
    SAME_ORIGIN = "same-origin"
    METHOD_FORBIDDEN = "method-forbidden"
    ACAO_MISSING = "acao-missing"
    ACAO_MULTIPLE = "acao-multiple"
    ACAO_INVALID = "acao-invalid"
    ACAO_MISMATCH = "acao-mismatch"
    ACAO_WILDCARD_WITH_CREDENTIALS = "acao-wildcard-with-credentials"
    ACAC_NOT_TRUE = "acac-not-true"
    PREFLIGHT_STATUS = "preflight-status"
    PREFLIGHT_REDIRECT = "preflight-redirect"
    ACAM_MALFORMED = "acam-malformed"
    ACAH_MALFORMED = "acah-malformed"
    METHOD_NOT_IN_ACAM = "method-not-in-acam"
    AUTHORIZATION_NOT_IN_ACAH = "authorization-not-in-acah"
    HEADER_NOT_IN_ACAH = "header-not-in-acah"
    # What no header of an answer decides, so that neither check gives it; consoles print it.
    NETWORK_ERROR = "network-error"
    URL_SCHEME = "url-scheme"
    REDIRECT_SCHEME = "redirect-scheme"
    REDIRECT_LIMIT = "redirect-limit"
    REDIRECT_WITH_CREDENTIALS = "redirect-with-credentials"
    RESOURCE_POLICY = "resource-policy"
    OPAQUE_RESPONSE = "opaque-response"
    BLOCKED_BY_CLIENT = "blocked-by-client"
    MIXED_CONTENT = "mixed-content"
    CONTENT_SECURITY_POLICY = "content-security-policy"
    LOCAL_NETWORK = "local-network"

    @property
    def allows(self) -> bool:
        """Whether the request goes through."""
        return self in (Step.ALLOWED, Step.SAME_ORIGIN)

    @property
    def anchor(self) -> str:
        """The URL of the section, mostly of the Fetch Standard."""
        return urljoin(_FETCH, _RULES[self][0])

    @property
    def clause(self) -> str:
        """The section's name and step."""
        return _RULES[self][1]


_RULES = {
    Step.ALLOWED: ("#http-fetch", "HTTP fetch, steps 4.1 and 4.4"),
    Step.SAME_ORIGIN: ("#main-fetch", "Main fetch, step 12"),
    Step.METHOD_FORBIDDEN: ("#forbidden-method", "Methods, forbidden method"),
    Step.ACAO_MISSING: ("#cors-check", "CORS check, step 2"),
    Step.ACAO_MULTIPLE: ("#cors-check", "CORS check, step 4"),
    Step.ACAO_INVALID: ("#cors-check", "CORS check, step 4"),
    Step.ACAO_MISMATCH: ("#cors-check", "CORS check, step 4"),
    Step.ACAO_WILDCARD_WITH_CREDENTIALS: ("#cors-check", "CORS check, step 4"),
    Step.ACAC_NOT_TRUE: ("#cors-check", "CORS check, step 8"),
    Step.PREFLIGHT_STATUS: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 8"),
    Step.PREFLIGHT_REDIRECT: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 8"),
    Step.ACAM_MALFORMED: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 7.3"),
    Step.ACAH_MALFORMED: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 7.3"),
    Step.METHOD_NOT_IN_ACAM: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 7.5"),
    Step.AUTHORIZATION_NOT_IN_ACAH: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 7.6"),
    Step.HEADER_NOT_IN_ACAH: ("#cors-preflight-fetch-0", "CORS-preflight fetch, step 7.7"),
    Step.NETWORK_ERROR: ("#http-network-fetch", "HTTP-network fetch"),
    Step.URL_SCHEME: ("#main-fetch", "Main fetch, step 12"),
    Step.REDIRECT_SCHEME: ("#http-redirect-fetch", "HTTP-redirect fetch, step 6"),
    Step.REDIRECT_LIMIT: ("#http-redirect-fetch", "HTTP-redirect fetch, step 7"),
    Step.REDIRECT_WITH_CREDENTIALS: ("#http-redirect-fetch", "HTTP-redirect fetch, steps 9 and 10"),
    Step.RESOURCE_POLICY: ("#cross-origin-resource-policy-internal-check", "Cross-origin resource policy check"),
    Step.OPAQUE_RESPONSE: ("https://github.com/whatwg/fetch/pull/1442", "Opaque Response Blocking"),
    Step.BLOCKED_BY_CLIENT: (
        "https://chromium.googlesource.com/chromium/src/+/main/net/base/net_error_list.h",
        "no standard: the browser's own rules, or an extension's",
    ),
    Step.MIXED_CONTENT: (
        "https://w3c.github.io/webappsec-mixed-content/#should-block-fetch",
        "Mixed Content, should fetching request be blocked",
    ),
    Step.CONTENT_SECURITY_POLICY: (
        "https://w3c.github.io/webappsec-csp/#should-block-request",
        "Content Security Policy, should request be blocked",
    ),
    Step.LOCAL_NETWORK: ("https://wicg.github.io/local-network-access/", "Local Network Access"),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a browser decides about one answer, or about a whole fetch.

    Attributes:
        step: The code of the step that decided.
        value: What that step objects to: a header's value, a method, a header's name, a status; else empty.
        preflight: Whether it was the answer to the preflight that was judged.
        console: The sentence that Chromium prints for ``fetch()``; empty if allowed.
    """

    step: Step
    value: str = ""
    preflight: bool = False
    console: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the browser goes on: sends the request, or hands the answer to the page."""
        return self.step.allows

    @property
    def anchor(self) -> str:
        """The URL of the section of the Fetch Standard that decided."""
        return self.step.anchor

    @property
    def clause(self) -> str:
        """The name and step of that section."""
        return self.step.clause

"""Short ways to compile policies, to ask about a request, and to read what was decided."""

from typing import Any

from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.decision.decision import Headers
from cors_service.policy import read_document

PAGE = "https://page.example"
STRANGER = "https://stranger.example"

ACAO = "Access-Control-Allow-Origin"
ACAC = ("Access-Control-Allow-Credentials", "true")
ACAM = "Access-Control-Allow-Methods"
ACAH = "Access-Control-Allow-Headers"
ACMA = "Access-Control-Max-Age"
ACEH = "Access-Control-Expose-Headers"
TAO = "Timing-Allow-Origin"
CORP = "Cross-Origin-Resource-Policy"

VARY = ("Vary", "Origin")
PREFLIGHT_VARY = ("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
PUBLIC_PREFLIGHT_VARY = ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")


def active(**policies: dict[str, Any]) -> ActivePolicies:
    """Compile policies, by name."""
    return ActivePolicies(read_document({"version": 1, "policies": policies}))


def flat(*origins: str, **keys: Any) -> ActivePolicies:
    """Compile the policy `a` of one rule; the page under test is its origin unless others are given."""
    return active(a={"origins": list(origins or (PAGE,)), **keys})


def ruled(*rules: dict[str, Any], **keys: Any) -> ActivePolicies:
    """Compile the policy `a` of these rules."""
    return active(a={"rules": list(rules), **keys})


def asked(origin: str, method: str, *lines: str, policy: str = "a") -> Query:
    """A preflight: the method asked for, and each line of header names."""
    return Query("OPTIONS", policy, origins=(origin,), request_methods=(method,), request_headers=lines)


def sent(*origins: str, method: str = "GET", policy: str = "a") -> Query:
    """A request that is no preflight, with an Origin line for each origin."""
    return Query(method, policy, origins=origins)


def preflight(policies: ActivePolicies, method: str, *lines: str) -> Decision:
    """Decide about a preflight of the page under test, by the policy `a`."""
    return policies.decide(asked(PAGE, method, *lines))


def value_of(headers: Headers, name: str) -> str | None:
    """The value of a header, or None; a header that stands twice is an error."""
    values = [value for header, value in headers if header == name]
    assert len(values) <= 1
    return values[0] if values else None


def names_in(headers: Headers, name: str) -> list[str]:
    """The members of a header that is a list, as written; none if it is absent."""
    value = value_of(headers, name)
    return [] if value is None else value.split(", ")

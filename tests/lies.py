"""What answers in the place of the decision service, and wants more than it can give: nobody who asks believes it.

One table for all who ask: the clients and middleware of cors_service, and the files that frameworks copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_STRANGER: Final = "https://stranger.example"

Fields = dict[str, Any]
Lie = Callable[[Fields], Fields]
"""Makes of a decision what is said in its place."""

ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"
TIMING: Final = "Timing-Allow-Origin"
CREDENTIALS: Final = ("Access-Control-Allow-Credentials", "true")


def saying(**fields: Any) -> Lie:
    """Say the same with other fields."""
    return lambda decision: {**decision, **fields}


def without(name: str) -> Lie:
    """Leave a field out."""
    return lambda decision: {key: value for key, value in decision.items() if key != name}


def with_lines(*lines: tuple[str, Any]) -> Lie:
    """Add headers to a decision, in the place of those that it has of the same names."""
    names = [name for name, _ in lines]
    return lambda decision: {
        **decision,
        "headers": [*(line for line in decision["headers"] if line[0] not in names), *map(list, lines)],
    }


def with_further(*lines: list[Any]) -> Lie:
    """Add headers to a decision, beside those that it has."""
    return lambda decision: {**decision, "headers": [*decision["headers"], *lines]}


def refusing(*lines: tuple[str, str]) -> Lie:
    """Refuse, with the right status, and with these headers alone."""
    return lambda decision: {
        **decision,
        "allowed": False,
        "status": 403 if decision["kind"] == "preflight" else None,
        "headers": list(map(list, lines)),
    }


def of_the_other_kind(decision: Fields) -> Fields:
    """Say what is right about a preflight of a request, and the other way round."""
    is_preflight = decision["kind"] == "preflight"
    return {**decision, "kind": "actual" if is_preflight else "preflight", "status": None if is_preflight else 204}


LIES: Final[dict[str, Lie]] = {
    # Headers that no decision has
    "a cookie": with_lines(("Set-Cookie", "session=of-somebody-else; Path=/")),
    "another place": with_lines(("Location", "https://evil.example/")),
    "another length": with_lines(("Content-Length", "1")),
    "another framing": with_lines(("Transfer-Encoding", "chunked")),
    "another kind of page": with_lines(("Content-Type", "text/html")),
    "another policy for contents": with_lines(("Content-Security-Policy", "script-src *")),
    "a network": with_lines(("Access-Control-Allow-Private-Network", "true")),
    "a header twice": with_further(["Vary", "Origin"], ["Vary", "Origin"]),
    "a header twice in other case": with_further(["vary", "Origin"]),
    "one origin behind another": with_further([ALLOW_ORIGIN, _STRANGER], [ALLOW_ORIGIN, "*"]),
    "a name with a space": with_lines(("Va ry", "Origin")),
    "a name with a colon": with_lines(("Vary:", "Origin")),
    "a name with a line break": with_lines(("Vary: Origin\r\nX", "1")),
    "a name that is not ASCII": with_lines(("V\u00e4ry", "Origin")),
    "a name that is empty": with_lines(("", "1")),
    "a list for a name": with_further([["Vary"], "Origin"]),
    "a name alone": with_further(["Cross-Origin-Resource-Policy"]),
    "two values": with_further(["Cross-Origin-Resource-Policy", "same-site", "same-site"]),
    "an object of headers": saying(headers={"Vary": "Origin"}),
    "no headers": without("headers"),
    # Values
    "another origin": with_lines((ALLOW_ORIGIN, _STRANGER)),
    "the origin null": with_lines((ALLOW_ORIGIN, "null")),
    "two origins": with_lines((ALLOW_ORIGIN, f"{_STRANGER}, https://a.example")),
    "everybody with credentials": with_lines((ALLOW_ORIGIN, "*"), CREDENTIALS),
    "credentials for nobody": saying(headers=[list(CREDENTIALS)]),
    "another value of credentials": with_lines((CREDENTIALS[0], "false")),
    "timing for what is no origin": with_lines((TIMING, f"{_STRANGER}/")),
    "timing for a list of anything": with_lines((TIMING, f"{_STRANGER}, anything")),
    "timing for everybody with credentials": with_lines((TIMING, "*"), CREDENTIALS),
    "text for a list": with_lines(("Access-Control-Expose-Headers", "a b")),
    "text for a number": with_lines(("Access-Control-Max-Age", "long")),
    "a preflight that is kept for 316 years": with_lines(("Access-Control-Max-Age", "9999999999")),
    "text for a resource policy": with_lines(("Cross-Origin-Resource-Policy", "all")),
    "nothing to vary by": with_lines(("Vary", "")),
    "a space at the beginning": with_lines(("Vary", " Origin")),
    "a line break": with_lines(("Vary", "Origin\r\nSet-Cookie: session=7")),
    "a line break at the end": with_lines(("Vary", "Origin\n")),
    "a null byte": with_lines(("Vary", "a\x00b")),
    "a value that is not ASCII": with_lines(("Vary", "\u00e9")),
    # Parts that contradict each other, or the request
    "another policy": saying(policy="prices"),
    "no policy": without("policy"),
    "no revision": without("revision"),
    "nothing for a revision": saying(revision=None),
    "the other kind": of_the_other_kind,
    "an own origin": saying(kind="same-origin", status=None),
    "no origin": saying(kind="no-origin", allowed=None, status=None),
    "an unknown kind": saying(kind="granted"),
    "no kind": without("kind"),
    "nothing decided": saying(allowed=None),
    "a word for yes": saying(allowed="true"),
    "a number for yes": saying(allowed=1),
    "a number for no": saying(allowed=0),
    "a refusal that grants": lambda decision: refusing(*map(tuple, decision["headers"]))(decision),
    "a refusal for everybody": refusing((ALLOW_ORIGIN, "*")),
    "a refusal for another, by its origin": refusing((ALLOW_ORIGIN, _STRANGER), ("Vary", "Origin")),
    "a refusal for what is no origin": refusing((ALLOW_ORIGIN, f"{_STRANGER}/")),
    "a refusal with a time": refusing(("Access-Control-Max-Age", "1")),
    "a refusal that shows timing": refusing((TIMING, "*")),
    "a refusal in other case": refusing(("access-control-Allow-Origin", "*")),
    "a refusal with a good status": lambda decision: {**refusing()(decision), "status": 200},
    "a grant with a bad status": saying(status=403),
    "a redirection": saying(status=302),
    "an error": saying(status=500),
    "no status of HTTP": saying(status=99999),
    # Time
    "68 years": saying(ttl=2**31 - 1),
    "two hours": saying(ttl=7200),
    "more than an hour": saying(ttl=3601),
    "more than any number": saying(ttl=10**400),
    "a time that is over": saying(ttl=-1),
    "half a second": saying(ttl=0.5),
    "a word for a time": saying(ttl="long"),
    "yes for a time": saying(ttl=True),
}
"""What the service never says about an origin that it grants credentials, nor about its preflight."""

POLICY_OF_RESOURCE: Final = ("Cross-Origin-Resource-Policy", "same-site")
WITHOUT_ORIGIN: Final[dict[str, Lie]] = {
    "a page": lambda decision: with_lines(POLICY_OF_RESOURCE)({**decision, "kind": "actual", "allowed": True}),
    "a preflight": lambda decision: with_lines(POLICY_OF_RESOURCE)(
        {**decision, "kind": "preflight", "allowed": True, "status": 204}
    ),
    "a grant": lambda decision: with_lines(POLICY_OF_RESOURCE)({**decision, "allowed": True}),
    "a refusal": lambda decision: with_lines(POLICY_OF_RESOURCE)({**decision, "allowed": False}),
    "an origin": with_lines(POLICY_OF_RESOURCE, (ALLOW_ORIGIN, _STRANGER)),
    "timing for what is no origin": with_lines(POLICY_OF_RESOURCE, (TIMING, f"{_STRANGER}/")),
    "credentials for nobody": with_lines(POLICY_OF_RESOURCE, CREDENTIALS),
    "everybody with credentials": with_lines(POLICY_OF_RESOURCE, CREDENTIALS, (ALLOW_ORIGIN, "*")),
}
"""What it never says about a request without Origin; each would show by its policy for resources."""

"""Tests of what people read of a decision or of their mistake: the whole sentence."""

from typing import Any

import pytest

from cors_service.decision import BadQuery, Query
from tests.decision.queries import PAGE, STRANGER, active, asked, sent

METHODS = ["PATCH", *(f"METHOD-{number}" for number in range(30))]
POLICIES: dict[str, Any] = {
    "a": {"origins": [PAGE], "request_headers": ["x-a"], "match": ["api.example/"]},
    "open": {"origins": ["*"]},
    "any": {"origins": [PAGE], "methods": ["*"], "request_headers": ["*"], "match": ["*/c/"]},
    "prefix": {"origins": [PAGE], "request_headers": ["auth*"]},
    "long": {"origins": [PAGE], "methods": METHODS},
    "shut": {"rules": [{"origins": [PAGE], "refuse": True}, {"origins": ["*"]}]},
}
LISTED = f"{', '.join(METHODS)[:197]}..."
CASE = "(methods are case-sensitive: the page must send PATCH)"
COVERS = f"Rule 1 of policy a covers '{PAGE}', but"
ALLOWS = f"Rule 1 of policy a allows GET from '{PAGE}'"
AUTHORIZATION = "the request header 'authorization'"
ANY_METHOD = f"Rule 1 of policy any covers '{PAGE}', but"

REASONS: dict[str, tuple[Query, str]] = {
    "an actual request": (sent(PAGE, method="POST"), f"Rule 1 of policy a allows POST from '{PAGE}'."),
    "a preflight": (asked(PAGE, "POST"), f"Rule 1 of policy a allows POST from '{PAGE}'."),
    "a public policy": (sent(PAGE, policy="open"), f"Rule 1 of policy open allows GET from '{PAGE}'."),
    "a public policy and no origin": (sent("\n", policy="open"), r"Rule 1 of policy open allows GET from '\n'."),
    "a preflight of a public policy and no origin": (
        asked("\n", "GET", policy="open"),
        r"Rule 1 of policy open allows GET from '\n'.",
    ),
    "no Origin": (sent(), "The request has no Origin: it is not a cross-origin request from a page."),
    "the URL's own origin": (
        Query("GET", url="https://api.example/", origins=("https://api.example",)),
        "https://api.example is the origin of the URL itself.",
    ),
    "three origins": (sent(PAGE, PAGE, PAGE), "The request has 3 Origin lines; browsers send one."),
    "a malformed origin": (sent(PAGE + "/"), f"'{PAGE}/' is not an origin as browsers send it: it ends in a slash."),
    "a malformed origin of a preflight": (
        asked(PAGE + ":x", "GET"),
        f"'{PAGE}:x' is not an origin as browsers send it.",
    ),
    "a stranger": (sent(STRANGER), f"No rule of policy a covers '{STRANGER}'."),
    "a stranger's preflight": (asked(STRANGER, "GET"), f"No rule of policy a covers '{STRANGER}'."),
    "an origin that is refused": (sent(PAGE, policy="shut"), f"Rule 1 of policy shut refuses '{PAGE}'."),
    "a preflight of an origin that is refused": (
        asked(PAGE, "G T", "(", policy="shut"),
        f"Rule 1 of policy shut refuses '{PAGE}'.",
    ),
    "no method": (sent(PAGE, method="G T"), f"{COVERS} 'G T' is not a method."),
    "another method": (
        asked(PAGE, "PUT"),
        f"Rule 1 of policy a allows GET, HEAD, POST from '{PAGE}' but not PUT.",
    ),
    "a forbidden method": (asked(PAGE, "TRACE", policy="any"), f"{ANY_METHOD} no rule can allow 'TRACE'."),
    "a method of a name that would grant everything": (
        asked(PAGE, "*", policy="any"),
        f"{ANY_METHOD} no rule can allow '*'.",
    ),
    "a forbidden method, and a list": (asked(PAGE, "trace"), f"{COVERS} no rule can allow 'trace'."),
    "a method in another case, and a long list": (
        asked(PAGE, "patch", policy="long"),
        f"Rule 1 of policy long allows {LISTED} from '{PAGE}' but not patch {CASE}.",
    ),
    "no header name": (asked(PAGE, "GET", "x-a,x b"), f"{ALLOWS}, but 'x b' is not a header name."),
    "another header": (asked(PAGE, "get", "x-a,X-B"), f"{ALLOWS} but not the request header 'x-b'."),
    "a header of a name that would grant everything": (
        asked(PAGE, "GET", "*"),
        f"{ALLOWS} but no rule can allow a request header called '*'.",
    ),
    "authorization beside any header": (
        asked(PAGE, "GET", "authorization", policy="any"),
        f"Rule 1 of policy any allows GET from '{PAGE}' but not {AUTHORIZATION}, which * does not cover.",
    ),
    "authorization beside a prefix": (
        asked(PAGE, "GET", "authorization", policy="prefix"),
        f"Rule 1 of policy prefix allows GET from '{PAGE}' but not {AUTHORIZATION}, which a prefix does not cover.",
    ),
    "too many headers": (asked(PAGE, "GET", "x-a," * 65), f"{ALLOWS}, but the request asks for more than 64 headers."),
    "lists that are too long": (
        asked(PAGE, "GET", "a" * 4097),
        f"{ALLOWS}, but the lists of header names are longer than 4096 characters.",
    ),
}


@pytest.mark.parametrize(("query", "message"), REASONS.values(), ids=REASONS)
def test_reason(query: Query, message: str) -> None:
    """A decision says of which policy and revision it is, and in a sentence what was found."""
    policies = active(**POLICIES)
    decision = policies.decide(query)
    expected = (query.policy or "a", policies.revision, message)
    assert expected == (decision.policy, decision.revision, decision.reason.message)


MISTAKES: dict[str, tuple[Query, str]] = {
    "neither policy nor URL": (Query("GET"), "The query names neither a policy nor a URL."),
    "an unknown policy": (Query("GET", "z"), "There is no policy 'z'."),
    "no URL": (Query("GET", url="/a/"), "'/a/' is not an absolute http, https, ws or wss URL."),
    "a query in a URL without a port": (
        Query("GET", url="https://alice:se?cret@a:x/b?token=secret#secret"),
        "'https://***@a:x/b' has no host and port that can be compared.",
    ),
    "a query in what is not a URL": (
        Query("GET", url="ftp://a/b?token=secret"),
        "'ftp://a/b' is not an absolute http, https, ws or wss URL.",
    ),
    "a query behind an odd path": (
        Query("GET", url="https://a.example/c/%0A?token=secret"),
        "The path of 'https://a.example/c/%0A' has characters that servers read differently.",
    ),
    "no port": (Query("GET", url="https://a:x/"), "'https://a:x/' has no host and port that can be compared."),
    "an ambiguous URL": (
        Query("GET", url="https://a.example/c/../d"),
        "The path of 'https://a.example/c/../d' can be read in several ways: one finds the policy 'any', another none.",
    ),
    "an ambiguous parameter": (
        Query("GET", url="https://a.example/c;x/"),
        "The path of 'https://a.example/c;x/' can be read in several ways: one finds the policy 'any', another none.",
    ),
    "a control character": (
        Query("GET", url="https://a.example/c/%0A"),
        "The path of 'https://a.example/c/%0A' has characters that servers read differently.",
    ),
    "very many readings": (
        Query("GET", url="https://a.example" + "/c/.." * 999),
        f"The path of 'https://a.example{'/c/..' * 11}/c/.... can be read in very many ways.",
    ),
    "a URL of no policy": (Query("GET", url="https://a.example/b"), "No policy matches 'https://a.example/b'."),
}


@pytest.mark.parametrize(("query", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(query: Query, message: str) -> None:
    """A caller's mistake is told in a sentence that repeats what was asked."""
    with pytest.raises(BadQuery) as caught:
        active(**POLICIES).decide(query)
    assert caught.value.message == message

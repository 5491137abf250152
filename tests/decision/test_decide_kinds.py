"""Tests of the four kinds of request: the exact headers of each, in order, allowed and refused."""

from typing import Any

import pytest

from cors_service.decision import ActivePolicies, Query
from cors_service.decision.decision import Headers
from cors_service.policy import read_document
from tests.decision.queries import (
    ACAC,
    ACAH,
    ACAM,
    ACAO,
    ACEH,
    ACMA,
    CORP,
    PREFLIGHT_VARY,
    STRANGER,
    TAO,
    VARY,
    active,
    asked,
    ruled,
    sent,
    value_of,
)

PARTNER = "https://partner.example"
READER = "https://reader.example"
EMBEDDER = "https://embedder.example"

EDIT: dict[str, Any] = {
    "origins": [PARTNER, "https://*.partner.example"],
    "methods": ["GET", "PUT", "DELETE"],
    "request_headers": ["content-type", "authorization"],
    "expose_headers": ["X-Total", "x-request-id"],
    "credentials": True,
    "max_age": 600,
    "timing": True,
    "resource_policy": "same-site",
}
READ: dict[str, Any] = {"origins": [READER], "methods": ["GET"]}
EMBED: dict[str, Any] = {"origins": [EMBEDDER], "max_age": 0, "resource_policy": "cross-origin"}
EVERYBODY: dict[str, Any] = {
    "origins": ["*"],
    "request_headers": ["*"],
    "expose_headers": ["*"],
    "max_age": 86400,
    "timing": True,
    "resource_policy": "cross-origin",
}

# Without and with a rule for everybody.
POLICIES = active(
    closed={"rules": [EDIT, READ, EMBED], "match": ["api.example/catalogue/"]},
    open={"rules": [EDIT, READ, EVERYBODY], "preflight_status": 200},
    plain={"origins": [READER]},
)

EDIT_LISTS = ((ACAM, "GET, HEAD, PUT, DELETE"), (ACAH, "authorization, content-type"), (ACMA, "600"))
EXPOSED = (ACEH, "x-request-id, x-total")

# A decision: its kind, allowed, status, the code of its reason, rule and headers.
Row = tuple[str, bool | None, int | None, str, int | None, Headers]

ALLOWED: dict[str, tuple[Query, Row]] = {
    "preflight": (
        asked(PARTNER, "PUT", "content-type", policy="closed"),
        ("preflight", True, 204, "allowed", 1, ((ACAO, PARTNER), ACAC, *EDIT_LISTS, PREFLIGHT_VARY)),
    ),
    "preflight of a wildcard's origin": (
        asked("https://a.b.partner.example", "DELETE", policy="closed"),
        (
            "preflight",
            True,
            204,
            "allowed",
            1,
            ((ACAO, "https://a.b.partner.example"), ACAC, *EDIT_LISTS, PREFLIGHT_VARY),
        ),
    ),
    "preflight of a rule without anything": (
        asked(READER, "GET", policy="closed"),
        ("preflight", True, 204, "allowed", 2, ((ACAO, READER), (ACAM, "GET, HEAD"), PREFLIGHT_VARY)),
    ),
    "preflight that may not be kept": (
        asked(EMBEDDER, "POST", policy="closed"),
        (
            "preflight",
            True,
            204,
            "allowed",
            3,
            ((ACAO, EMBEDDER), (ACAM, "GET, HEAD, POST"), (ACMA, "0"), PREFLIGHT_VARY),
        ),
    ),
    "preflight of everybody, answered by 200": (
        asked(STRANGER, "POST", "x-b,x-a", policy="open"),
        (
            "preflight",
            True,
            200,
            "allowed",
            3,
            ((ACAO, "*"), (ACAM, "GET, HEAD, POST"), (ACAH, "x-b, x-a"), (ACMA, "86400"), PREFLIGHT_VARY),
        ),
    ),
    "actual": (
        sent(PARTNER, method="DELETE", policy="closed"),
        (
            "actual",
            True,
            None,
            "allowed",
            1,
            ((ACAO, PARTNER), ACAC, EXPOSED, (TAO, PARTNER), (CORP, "same-site"), VARY),
        ),
    ),
    "actual of a rule without anything": (
        sent(READER, policy="closed"),
        ("actual", True, None, "allowed", 2, ((ACAO, READER), VARY)),
    ),
    "actual of a rule with a resource policy": (
        sent(EMBEDDER, method="POST", policy="closed"),
        ("actual", True, None, "allowed", 3, ((ACAO, EMBEDDER), (CORP, "cross-origin"), VARY)),
    ),
    "actual of everybody": (
        sent(STRANGER, policy="open"),
        (
            "actual",
            True,
            None,
            "allowed",
            3,
            ((ACAO, "*"), (ACEH, "*"), (TAO, "*"), (CORP, "cross-origin"), VARY),
        ),
    ),
    "actual of null, who is everybody": (
        sent("null", policy="open"),
        (
            "actual",
            True,
            None,
            "allowed",
            3,
            ((ACAO, "*"), (ACEH, "*"), (TAO, "*"), (CORP, "cross-origin"), VARY),
        ),
    ),
    "same origin": (
        Query("PUT", url="https://api.example/catalogue/1", origins=("https://api.example",)),
        ("same-origin", True, None, "same-origin", None, ((CORP, "same-site"), VARY)),
    ),
    "same origin, without a resource policy": (
        Query("PUT", "plain", "https://api.example/", ("https://api.example",)),
        ("same-origin", True, None, "same-origin", None, (VARY,)),
    ),
    "no origin": (
        sent(policy="closed"),
        ("no-origin", None, None, "no-origin", None, ((CORP, "same-site"), VARY)),
    ),
    "no origin, though everybody may read": (
        sent(policy="open"),
        ("no-origin", None, None, "no-origin", None, ((CORP, "same-site"), VARY)),
    ),
    "no origin, without a resource policy": (
        sent(policy="plain"),
        ("no-origin", None, None, "no-origin", None, (VARY,)),
    ),
    "no origin, whatever the method": (
        Query("OPTIONS", "closed", request_methods=("PUT",), request_headers=("x-a",)),
        ("no-origin", None, None, "no-origin", None, ((CORP, "same-site"), VARY)),
    ),
}


def row(policies: ActivePolicies, query: Query) -> Row:
    """All of a decision that the table of kinds is about."""
    decision = policies.decide(query)
    return (
        decision.kind,
        decision.allowed,
        decision.status,
        decision.reason.code,
        decision.rule,
        decision.headers,
    )


@pytest.mark.parametrize(("query", "expected"), ALLOWED.values(), ids=ALLOWED)
def test_not_refused(query: Query, expected: Row) -> None:
    """What is not refused gets exactly the headers of its kind and rule, in this order."""
    assert expected == row(POLICIES, query)


# A query; the code of the reason, the rule, and the resource policy of the answer.
REFUSED: dict[str, tuple[Query, str, int | None, str | None]] = {
    "a stranger": (sent(STRANGER, policy="closed"), "origin-not-allowed", None, "same-site"),
    "a stranger of a policy without a resource policy": (
        sent(STRANGER, policy="plain"),
        "origin-not-allowed",
        None,
        None,
    ),
    "null": (sent("null", policy="closed"), "origin-not-allowed", None, "same-site"),
    "a malformed origin": (sent(PARTNER + "/", policy="closed"), "origin-malformed", None, "same-site"),
    "an empty origin": (sent("", policy="closed"), "origin-malformed", None, "same-site"),
    "a list of origins": (sent(f"{PARTNER}, {READER}", policy="closed"), "origin-malformed", None, "same-site"),
    "a malformed origin where everybody may": (
        sent(PARTNER + "/", policy="open"),
        "origin-malformed",
        None,
        "same-site",
    ),
    "two origins": (sent(PARTNER, PARTNER, policy="closed"), "multiple-origins", None, "same-site"),
    "two origins where everybody may": (
        sent(STRANGER, PARTNER, policy="open"),
        "multiple-origins",
        None,
        "same-site",
    ),
    "a method": (sent(PARTNER, method="PATCH", policy="closed"), "method-not-allowed", 1, "same-site"),
    "a method of a rule without a resource policy": (
        sent(READER, method="POST", policy="closed"),
        "method-not-allowed",
        2,
        None,
    ),
    "a method of another rule": (
        sent(EMBEDDER, method="PUT", policy="closed"),
        "method-not-allowed",
        3,
        "cross-origin",
    ),
    "a malformed method": (sent(PARTNER, method="GE T", policy="closed"), "method-malformed", 1, "same-site"),
    "OPTIONS that asks for nothing": (
        sent(PARTNER, method="OPTIONS", policy="closed"),
        "method-not-allowed",
        1,
        "same-site",
    ),
}


@pytest.mark.parametrize(("query", "code", "rule", "resource_policy"), REFUSED.values(), ids=REFUSED)
def test_actual_refused(query: Query, code: str, rule: int | None, resource_policy: str | None) -> None:
    """A refused actual request gets Vary, and the resource policy of its rule or else the strictest; nothing more."""
    headers = ((CORP, resource_policy), VARY) if resource_policy else (VARY,)
    assert ("actual", False, None, code, rule, headers) == row(POLICIES, query)


PREFLIGHT_REFUSED: dict[str, tuple[Query, str, int | None]] = {
    "a stranger": (asked(STRANGER, "GET", policy="closed"), "origin-not-allowed", None),
    "null": (asked("null", "GET", policy="closed"), "origin-not-allowed", None),
    "a malformed origin": (asked(PARTNER + "/", "GET", policy="closed"), "origin-malformed", None),
    "a malformed origin where everybody may": (asked("*", "GET", policy="open"), "origin-malformed", None),
    "a method": (asked(PARTNER, "PATCH", policy="closed"), "method-not-allowed", 1),
    "a method that another rule allows": (asked(READER, "PUT", policy="closed"), "method-not-allowed", 2),
    "a malformed method": (asked(PARTNER, "", policy="closed"), "method-malformed", 1),
    "a header": (asked(PARTNER, "PUT", "x-other", policy="closed"), "header-not-allowed", 1),
    "a header that another rule allows": (
        asked(READER, "GET", "content-type", policy="closed"),
        "header-not-allowed",
        2,
    ),
    "a header of a rule that lists some": (
        asked(PARTNER, "PUT", "content-type,x-other", policy="closed"),
        "header-not-allowed",
        1,
    ),
    "a malformed header": (asked(STRANGER, "GET", "x y", policy="open"), "header-malformed", 3),
    "many headers": (asked(STRANGER, "GET", "a," * 65, policy="open"), "too-many-headers", 3),
}


@pytest.mark.parametrize(("query", "code", "rule"), PREFLIGHT_REFUSED.values(), ids=PREFLIGHT_REFUSED)
def test_preflight_refused(query: Query, code: str, rule: int | None) -> None:
    """A refused preflight is answered by 403 and Vary alone: it tells a stranger nothing of what is allowed."""
    assert ("preflight", False, 403, code, rule, (PREFLIGHT_VARY,)) == row(POLICIES, query)


RESOURCE_POLICIES: dict[str, tuple[list[str | None], str | None]] = {
    "none": ([None, None], None),
    "one": ([None, "cross-origin"], "cross-origin"),
    "same-origin before same-site": (["same-site", "same-origin"], "same-origin"),
    "same-site before cross-origin": (["cross-origin", "same-site", None], "same-site"),
    "same-origin before cross-origin": (["same-origin", "cross-origin"], "same-origin"),
    "all": (["cross-origin", "same-site", "same-origin"], "same-origin"),
}


@pytest.mark.parametrize(("own", "strictest"), RESOURCE_POLICIES.values(), ids=RESOURCE_POLICIES)
def test_strictest_resource_policy(own: list[str | None], strictest: str | None) -> None:
    """An answer takes the resource policy of its rule, and where no rule covers the strictest that the policy sends."""
    policies = ruled(
        *(
            {"origins": [f"https://n{number}.example"], **({"resource_policy": value} if value else {})}
            for number, value in enumerate(own)
        )
    )
    queries = [*(sent(f"https://n{number}.example") for number in range(len(own))), sent(STRANGER), sent()]
    expected = [*own, strictest, strictest]
    assert expected == [value_of(policies.decide(query).headers, CORP) for query in queries]


def test_no_resource_policy_on_preflights() -> None:
    """The answer to a preflight carries no resource policy, no timing and no exposed headers."""
    for query in (asked(PARTNER, "PUT", policy="closed"), asked(STRANGER, "PUT", policy="closed")):
        names = {name for name, _ in POLICIES.decide(query).headers}
        assert set() == names & {CORP, TAO, ACEH}


def test_null_by_flag() -> None:
    """`null` that is listed by its flag gets its own name back, and not `*`."""
    keys = {"origins": ["null"], "dangerously_allow": ["null-origin"], "timing": True}
    policies = ruled(keys, READ)
    assert policies.decide(sent("null")).headers == ((ACAO, "null"), (TAO, "null"), VARY)
    assert policies.decide(asked("null", "GET")).headers == ((ACAO, "null"), (ACAM, "GET, HEAD, POST"), PREFLIGHT_VARY)


def test_everybody_by_name() -> None:
    """In a rule for everybody an origin that is listed beside `*` gets `*` as well."""
    policies = ruled({"origins": [PARTNER, "*"]})
    assert policies.decide(sent(PARTNER)).headers == policies.decide(sent(STRANGER)).headers == ((ACAO, "*"),)


def test_rules_in_order() -> None:
    """An origin of an earlier rule gets no more than that rule grants, whatever later ones would."""
    policies = ruled({"origins": [PARTNER], "methods": ["GET"]}, {"origins": ["*"], "methods": ["*"]})
    decisions = [policies.decide(sent(origin, method="PUT")) for origin in (PARTNER, STRANGER)]
    assert [(decision.allowed, decision.rule) for decision in decisions] == [(False, 1), (True, 2)]


def test_origin_sets() -> None:
    """`@name` stands for every pattern of the set."""
    document = {
        "version": 1,
        "origin_sets": {"partners": [PARTNER, "https://*.partner.example"]},
        "policies": {"a": {"rules": [{"origins": [READER, "@partners"]}, {"origins": ["*"]}]}},
    }
    policies = ActivePolicies(read_document(document))
    origins = (READER, PARTNER, "https://b.partner.example", STRANGER)
    assert [policies.decide(sent(origin)).rule for origin in origins] == [1, 1, 1, 2]


@pytest.mark.parametrize("method", ["OPTIONS", "options", "GET", "OPTION"])
@pytest.mark.parametrize("origins", [(), (STRANGER,), (STRANGER, PARTNER)])
@pytest.mark.parametrize("methods", [(), ("PUT",), ("PUT", "GET")])
def test_preflights_are_known_by_their_facts(method: str, origins: tuple[str, ...], methods: tuple[str, ...]) -> None:
    """What is a preflight can be told without deciding about it, and a decision tells the same."""
    query = Query(method, "everybody", None, origins, methods)
    policies = active(everybody={"origins": ["https://a.example"]})
    assert query.is_preflight == (policies.decide(query).kind == "preflight")

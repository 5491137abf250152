"""Tests of hints: what to write where a request is refused, for a person who asks about it."""

from typing import Any

import pytest
from hypothesis import given

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.decision._hints import _HINTS
from cors_service.decision.decision import REASONS
from cors_service.policy import read_document
from tests.decision.queries import PAGE, STRANGER, active, asked, flat, ruled, sent
from tests.decision.test_cost import instructions
from tests.decision.test_decide_reasons import POLICIES, QUERIES, check
from tests.examples import examples

SHOP = active(
    shop={
        "origins": [
            "http://localhost:5173",
            "https://shop.example.com",
            "https://*.apps.example.com",
            "https://www.example.net",
            "http://127.0.0.1:8000-8999",
        ],
        "methods": ["GET", "PATCH"],
        "request_headers": ["x-a"],
    },
    shut={"rules": [{"origins": ["https://bad.example"], "refuse": True}, {"origins": ["https://*.example"]}]},
    tenants={"match": ["<tenant>.api.example.com/"], "origins": ["https://<tenant>.app.example.com"]},
    any={"origins": [PAGE], "methods": ["*"], "request_headers": ["*"]},
    cookies={
        "rules": [
            {"origins": ["https://a.example"]},
            {"origins": [r"re:http[s]?://b\.example\.com"], "credentials": True},
        ]
    },
    banking={"origins": ["https://a.example"], "credentials": True},
    guarded={
        "rules": [
            {"origins": ["https://bad.example"], "refuse": True},
            {"origins": ["https://a.example"], "credentials": True},
        ]
    },
    static={"origins": ["https://a.example"], "static": True},
    closed={"origins": ["https://bad.example"], "refuse": True},
    two={"rules": [{"origins": [STRANGER], "methods": ["PATCH"]}, {"origins": [PAGE], "methods": ["LIST"]}]},
)
LOCAL = "http://localhost:5173"
NULL_FLAG = 'dangerously_allow = ["null-origin"]'

HINTS: dict[str, tuple[Query, str]] = {
    "another name of this machine": (sent("http://127.0.0.1:5173", policy="shop"), f"The nearest is '{LOCAL}'."),
    "another scheme": (sent("https://localhost:5173", policy="shop"), f"The nearest is '{LOCAL}'."),
    "another port": (sent("http://localhost:3000", policy="shop"), f"The nearest is '{LOCAL}'."),
    "a port that is covered by another name": (
        sent("http://localhost:8080", policy="shop"),
        "The nearest is 'http://127.0.0.1:8080'.",
    ),
    "a slip of the pen": (
        sent("https://shpo.example.com", policy="shop"),
        "The nearest is 'https://shop.example.com'.",
    ),
    "another port of https": (
        sent("https://shop.example.com:8443", policy="shop"),
        "The nearest is 'https://shop.example.com'.",
    ),
    "a wildcard of another scheme": (
        sent("http://a.apps.example.com", policy="shop"),
        "The nearest is 'https://a.apps.example.com'.",
    ),
    "the bare domain of a wildcard": (
        sent("https://apps.example.com", policy="shop"),
        "The nearest is 'https://*.apps.example.com'.",
    ),
    "without www": (sent("https://example.net", policy="shop"), "The nearest is 'https://www.example.net'."),
    "an extension": (
        sent("chrome-extension://abcdef", policy="shop"),
        'Add "chrome-extension://abcdef" to the origins of a rule.',
    ),
    "cleartext that an expression leaves out": (
        sent("http://b.example.com", policy="cookies"),
        'Rule 2 leaves out cleartext: use https, or add dangerously_allow = ["insecure-origins"] there.',
    ),
    "cleartext that no expression matches": (
        sent("http://bb.example.com", policy="cookies"),
        r"The nearest is 're:http[s]?://b\.example\.com'.",
    ),
    "nothing like it": (sent("https://qq.zz", policy="shop"), 'Add "https://qq.zz" to the origins of a rule.'),
    "null": (
        sent("null", policy="shop"),
        'Serve the page from an origin of its own, or add "null" to a rule with dangerously_allow = ["null-origin"].',
    ),
    "a file": (
        sent("file://", policy="shop"),
        'Serve the page by HTTP, or add "file://" to a rule with dangerously_allow = ["file-origin"].',
    ),
    "an origin that reads as a pattern": (sent("https://*", policy="shop"), "No policy can list such a host."),
    "an origin that a policy can't have": (sent('https://a"b.zz', policy="shop"), "No policy can list such a host."),
    "a URL without a host": (
        Query("GET", "tenants", "/things", ("https://acme.app.example.com",)),
        "Send the whole URL of the request, such as 'https://api.example.com/things'.",
    ),
    "an origin like one that is refused": (
        sent("http://bad.example", policy="shut"),
        'Add "http://bad.example" to the origins of rule 2.',
    ),
    "cleartext, where every rule has cookies": (
        sent("http://qq.zz", policy="banking"),
        'Use https, or add a rule with "http://qq.zz" and dangerously_allow = ["insecure-origins"].',
    ),
    "cleartext of another scheme, where every rule that grants has cookies": (
        sent("ftp://qq.zz", policy="guarded"),
        'Use https, or add a rule with "ftp://qq.zz" and dangerously_allow = ["insecure-origins"].',
    ),
    "cleartext, where one rule has no cookies": (
        sent("http://qq.zz", policy="cookies"),
        'Add "http://qq.zz" to the origins of rule 1.',
    ),
    "a static policy": (
        sent("https://qq.zz", policy="static"),
        'Remove static, and add "https://qq.zz" to the origins of a rule.',
    ),
    "null, a static policy": (
        sent("null", policy="static"),
        f'Serve the page from an origin of its own, or remove static, and add "null" to a rule with {NULL_FLAG}.',
    ),
    "rules that refuse alone": (sent("http://qq.zz", policy="closed"), 'Add a rule with "http://qq.zz".'),
    "a file, rules that refuse alone": (
        sent("file://", policy="closed"),
        'Serve the page by HTTP, or add a rule with "file://" and dangerously_allow = ["file-origin"].',
    ),
    "a slash": (sent(LOCAL + "/", policy="shop"), f"Browsers send '{LOCAL}'."),
    "upper case and a path": (sent("HTTPS://A.example/x", policy="shop"), "Browsers send 'https://a.example'."),
    "Unicode": (sent("https://b\u00fccher.example", policy="shop"), "Browsers send 'https://xn--bcher-kva.example'."),
    "a pattern": (sent("https://*.example.com:*", policy="shop"), ""),
    "no scheme": (sent("localhost:5173", policy="shop"), ""),
    "several origins": (sent(LOCAL, LOCAL, policy="shop"), "Pass on the one Origin of the browser."),
    "an origin that is refused": (
        sent("https://bad.example", policy="shut"),
        "Rule 1 has refuse = true: remove the origin there.",
    ),
    "an origin that may be what match binds": (
        sent("https://acme.app.example.com", policy="tenants"),
        "Send the URL of the request in the query, too.",
    ),
    "a method": (sent(LOCAL, method="PUT", policy="shop"), 'Add "PUT" to methods.'),
    "a method of a preflight": (asked(LOCAL, "put", policy="shop"), 'Add "PUT" to methods.'),
    "a method in another case": (asked(LOCAL, "patch", policy="shop"), 'Have the page send "PATCH".'),
    "a forbidden method": (asked(PAGE, "TRACE", policy="any"), "Have the page use another method."),
    "a method that is called *": (asked(LOCAL, "*", policy="shop"), "Have the page use another method."),
    "a method of the second rule": (asked(PAGE, "list", policy="two"), 'Have the page send "LIST".'),
    "a method of the other rule": (asked(PAGE, "patch", policy="two"), 'Add "patch" to methods.'),
    "a method that stands for all": (asked(LOCAL, "ANY", policy="shop"), "Have the page use another method."),
    "several methods in one": (asked(LOCAL, "GET|PUT", policy="shop"), "Have the page use another method."),
    "no method": (asked(LOCAL, "P T", policy="shop"), 'A method is one word, such as "PUT".'),
    "a header": (asked(LOCAL, "GET", "content-type", policy="shop"), 'Add "content-type" to request_headers.'),
    "all headers that lack": (
        asked(LOCAL, "GET", "X-B, x-a", "authorization,x-b", policy="shop"),
        'Add "x-b", "authorization" to request_headers.',
    ),
    "a header that no page can set": (
        asked(LOCAL, "GET", "cookie", policy="shop"),
        "Have the page use another header.",
    ),
    "headers, one that no page can set": (
        asked(LOCAL, "GET", "cookie,x-b", policy="shop"),
        'Add "x-b" to request_headers.',
    ),
    "a header that would be a prefix": (asked(LOCAL, "GET", "x-*", policy="shop"), "Have the page use another header."),
    "headers, some with a star": (asked(LOCAL, "GET", "x*y,x-b,x-*", policy="shop"), 'Add "x-b" to request_headers.'),
    "authorization beside any header": (
        asked(PAGE, "GET", "x-a,authorization", policy="any"),
        'Add "authorization" to request_headers.',
    ),
    "a header of a name that would grant everything": (
        asked(PAGE, "GET", "*", policy="any"),
        "Have the page use another header.",
    ),
    "no header": (
        asked(LOCAL, "GET", "x b", policy="shop"),
        "Access-Control-Request-Headers is a list of names with commas between them.",
    ),
    "headers that take up a line": (
        asked(LOCAL, "GET", ",".join(f"x-header-{number}" for number in range(8)), policy="shop"),
        'Add "x-header-' + '", "x-header-'.join(map(str, range(8))) + '" to request_headers.',
    ),
    "more headers than fit a line": (
        asked(LOCAL, "GET", ",".join(f"x-header-{number:02}" for number in range(30)), policy="shop"),
        'Add "x-header-' + '", "x-header-'.join(f"{number:02}" for number in range(20)) + '" and 10 more'
        " to request_headers.",
    ),
    "a header that takes up more than a line": (
        asked(LOCAL, "GET", "x" * 400, policy="shop"),
        "Have the page use another header.",
    ),
    "many headers": (
        asked(LOCAL, "GET", "x-a," * 65, policy="shop"),
        "Have the page send at most 64 headers, with 4096 characters in all.",
    ),
}


@pytest.mark.parametrize(("query", "hint"), HINTS.values(), ids=HINTS)
def test_hint(query: Query, hint: str) -> None:
    """A person who asks about a request that is refused is told what to write; the decision is the same."""
    decision, advised = SHOP.decide(query), SHOP.advise(query)
    assert decision.allowed is False
    assert (advised.reason.hint, decision.reason.hint) == (hint, "")
    assert advised.reason.message == decision.reason.message
    assert (advised.headers, advised.status, advised.rule) == (decision.headers, decision.status, decision.rule)


def test_every_refusal_has_a_hint() -> None:
    """Every code of a refusal has a hint, and no other code has one."""
    assert _HINTS.keys() == REASONS - {"allowed", "no-origin", "same-origin"}


@pytest.mark.parametrize("query", [sent(LOCAL, policy="shop"), sent(policy="shop")])
def test_no_hint(query: Query) -> None:
    """What is not refused is advised as it is decided."""
    assert SHOP.advise(query) == SHOP.decide(query)


@examples(1_000)
@given(QUERIES)
def test_any_hint(query: Query) -> None:
    """No hint holds a control character or is long, whatever is asked, and none leads to another decision."""
    try:
        decision = POLICIES.decide(query)
    except BadQuery:
        with pytest.raises(BadQuery):
            POLICIES.advise(query)
        return
    advised = POLICIES.advise(query)
    check(advised.reason.hint)
    assert (decision.headers, decision.reason.code) == (advised.headers, advised.reason.code)


def test_hint_of_a_set() -> None:
    """The origins of a set are near, too; those that a rule refuses are not."""
    document: dict[str, Any] = {
        "version": 1,
        "origin_sets": {"shops": ["https://shop.example.com"]},
        "policies": {
            "a": {"rules": [{"origins": ["https://shop.example.net"], "refuse": True}, {"origins": ["@shops"]}]}
        },
    }
    advised = ActivePolicies(read_document(document)).advise(sent("https://sho.example.net"))
    assert advised.reason.hint == "The nearest is 'https://shop.example.com'."


NAMES = {"cat": "catalogue", "catalog": "catalogue", "pricing": "prices", "PRICES": "prices", "zzz": None, "": None}


@pytest.mark.parametrize(("name", "near"), NAMES.items(), ids=repr)
def test_unknown_policy(name: str, near: str | None) -> None:
    """A person who asks for a policy that does not exist is told the nearest; a program is not."""
    policies = active(catalogue={"origins": [PAGE]}, prices={"origins": [PAGE]}, app={"origins": [PAGE]})
    with pytest.raises(BadQuery) as advised:
        policies.advise(Query("GET", name))
    expected = f"There is no policy {name!r}."
    assert advised.value.message == (f"{expected} The nearest is '{near}'." if near else expected)
    with pytest.raises(BadQuery) as decided:
        policies.decide(Query("GET", name))
    assert (decided.value.code, decided.value.message) == ("unknown-policy", expected)


LIKE = [*(f"https://site{number}.example" for number in range(100)), "https://warehouse.example:8443"]


@pytest.mark.parametrize(
    ("origin", "near"),
    [
        ("https://warehouse.zz", "https://warehouse.example:8443"),
        ("https://warehousing.zz:8443", None),
        ("https://sites.zz", "https://site0.example"),
    ],
)
def test_most_alike(origin: str, near: str | None) -> None:
    """The nearest of many is one with the same longest label; of others the first few are compared."""
    hint = active(shop={"origins": LIKE}).advise(sent(origin, policy="shop")).reason.hint
    assert hint == (f"The nearest is '{near}'." if near else f'Add "{origin}" to the origins of a rule.')


ORIGINS = ["http://127.0.0.1:5173", "https://site77.exmaple", "https://site77.example:8443", "chrome-extension://a"]


@pytest.mark.slow
@pytest.mark.parametrize("origin", ORIGINS)
def test_cost_of_the_nearest_origin(origin: str) -> None:
    """Finding the nearest of 20,000 origins takes as many instructions as finding the nearest of 2,000."""
    few, many = (
        ruled({"origins": ["https://?.example.com"]}, {"origins": [f"https://site{n}.example" for n in range(count)]})
        for count in (2_000, 20_000)
    )
    assert instructions(lambda: many.advise(sent(origin))) < 1.1 * instructions(lambda: few.advise(sent(origin)))


@pytest.mark.slow
def test_cost_of_the_nearest_name() -> None:
    """Finding the nearest of 10,000 policies takes as many instructions as finding the nearest of 1,000."""

    def advise(policies: ActivePolicies) -> None:
        with pytest.raises(BadQuery, match="The nearest is 'policy-0777'"):
            policies.advise(Query("GET", "policy-00777"))

    few, many = (active(**{f"policy-{n:04}": {"origins": [PAGE]} for n in range(count)}) for count in (1_000, 10_000))
    advise(few)  # what is compiled once does not count
    assert instructions(lambda: advise(many)) < 1.1 * instructions(lambda: advise(few))


def test_far_origins() -> None:
    """Among more origins than are looked at, what differs in scheme, port or the name of this machine is found."""
    policies = flat(*(f"https://site{n}.example" for n in range(3_000)), "http://localhost:5173")
    for origin, near in (
        ("http://site2999.example", "https://site2999.example"),
        ("https://site2999.example:8443", "https://site2999.example"),
        ("http://[::1]:5173", "http://localhost:5173"),
        ("https://www.site2999.exmaple", None),
    ):
        hint = policies.advise(sent(origin)).reason.hint
        assert near is None or hint == f"The nearest is '{near}'."

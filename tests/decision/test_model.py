"""Tests of decisions by a model of the browser: what it makes of our headers is what we say of the request."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cors_service.browser import (
    Behaviour,
    Request,
    actual_headers,
    exposed_headers,
    fetch_verdict,
    is_forbidden_method,
    needs_preflight,
    preflight_cache_entries,
    preflight_headers,
    satisfied_by_cache,
    tao_check,
)
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import Rule, read_document
from cors_service.testing import _strategies as strategies
from tests import naive
from tests.decision.queries import flat

pytestmark = pytest.mark.timeout(600)  # for thousands of examples, where coverage is measured

URL = "https://service.invalid/things"
RULES = 4

METHODS = (
    ["*"],
    ["GET"],
    ["GET", "POST", "PUT", "PATCH", "DELETE"],
    ["*"],
    ["GET", "PUT"],
    ["patch"],
    ["PATCH", "DELETE"],
    ["POST", "OPTIONS"],
    ["HEAD"],
    ["PUT", "*"],
    ["M!*"],
)
REQUEST_HEADERS: tuple[list[str], ...] = (
    [],
    ["*"],
    ["x-*"],
    ["content-type", "x-a"],
    ["authorization", "x-a"],
    ["authorization", "*"],
    ["auth*", "x-a-*", "x-b"],
    ["accept", "range"],
)
EXPOSED: tuple[list[str], ...] = ([], ["x-a"], ["x-b", "x-c"])
MAX_AGES = (None, 0, 600)


Chosen = tuple[int, int, int, int, bool, bool]
Document = dict[str, Any]


def rule(number: int, patterns: list[str], choices: Chosen) -> Document:
    """Write a rule. It has an origin of its own, so that no earlier rule makes it unreachable."""
    methods, headers, exposed, max_age, credentials, timing = choices
    written: Document = {
        "origins": [f"https://own-{number}.invalid", *patterns],
        "methods": METHODS[methods],
        "request_headers": REQUEST_HEADERS[headers],
        "expose_headers": EXPOSED[exposed],
        "credentials": credentials,
        "timing": timing,
        # What rules with credentials may speak for is for another test to say.
        "dangerously_allow": ["null-origin", "insecure-origins", "public-suffix-subdomains"],
    }
    if MAX_AGES[max_age] is not None:
        written["max_age"] = MAX_AGES[max_age]
    return written


CHOICES = st.tuples(
    st.integers(0, len(METHODS) - 1),
    st.integers(0, len(REQUEST_HEADERS) - 1),
    st.integers(0, len(EXPOSED) - 1),
    st.integers(0, len(MAX_AGES) - 1),
    st.booleans(),
    st.booleans(),
)
OTHERS = st.sampled_from([None, None, None, "null", r"re:https://.*\.example\.com(:[0-9]+)?", "*"])


def situation(case: tuple[list[str], str], deal: int, other: str | None, choices: list[Chosen]) -> tuple[Document, str]:
    """Deal patterns out to the rules of a document, what else there is to the last; and find a page near them.

    Where what was drawn is no origin that a browser has, the page is one that a rule names.
    """
    patterns, origin = case
    page = origin if naive.is_origin(origin) else f"https://own-{deal % len(choices)}.invalid"
    dealt: list[list[str]] = [[] for _ in choices]
    for pattern in patterns:
        deal, number = divmod(deal, len(choices))
        dealt[number].append(pattern)
    if other:
        dealt[-1].append(other)
    rules = [rule(number, listed, chosen) for number, (listed, chosen) in enumerate(zip(dealt, choices, strict=True))]
    if other == "*":
        rules[-1] |= {"credentials": False, "expose_headers": ["*"]}
    return {"version": 1, "policies": {"a": {"rules": rules}}}, page


SITUATIONS = st.builds(
    situation,
    strategies.matching_cases(),
    st.integers(0, RULES**6 - 1),
    OTHERS,
    st.lists(CHOICES, min_size=1, max_size=RULES),
)

Asked = tuple[str, list[tuple[str, str]], bool]

ASKED = st.tuples(
    st.sampled_from(
        [
            "GET",
            "POST",
            "PUT",
            "get",
            "put",
            "HEAD",
            "DELETE",
            "OPTIONS",
            "PATCH",
            "patch",
            "Patch",
            "M!*",
            "*",
            "TRACE",
        ]
    ),
    st.lists(
        st.sampled_from(
            [
                ("X-A", "1"),
                ("x-b", "1"),
                ("x-a-1", "1"),
                ("x-a-", "1"),
                ("x", "1"),
                ("x-", "1"),
                ("y-x-a", "1"),
                ("Authorization", "Bearer x"),
                ("authorizatio", "1"),
                ("authorization2", "1"),
                ("*", "1"),
                ("x-*", "1"),
                ("Content-Type", "text/plain"),
                ("Content-Type", "application/json"),
                ("Accept", "text/html"),
                ("Accept", "a" * 129),
                ("Range", "bytes=0-1"),
                ("Range", "lines=1"),
                ("Cookie", "dropped by browsers"),
                ("Access-Control-Request-Method", "dropped too"),
            ]
        ),
        max_size=3,
    ),
    st.booleans(),
)


def request(page: str, asked: Asked, *, credentials: bool = False) -> Request:
    """Make a request of a page."""
    method, headers, flag = asked
    return Request(page, URL, None, method, tuple(headers), credentials, flag)


def decide(policies: ActivePolicies, sent: Request) -> tuple[Decision | None, Decision]:
    """Decide about the preflight of a request, where it needs one, and about the request itself."""
    asking = Query.received("OPTIONS", preflight_headers(sent), policy="a", url=URL)
    actual = Query.received(sent.method, actual_headers(sent), policy="a", url=URL)
    return policies.decide(asking) if needs_preflight(sent) else None, policies.decide(actual)


def rule_of(policies: ActivePolicies, decision: Decision) -> Rule:
    """The rule that decided."""
    assert decision.rule is not None
    return policies.policy_set.policies["a"].rules[decision.rule - 1]


@settings(max_examples=5_000, deadline=None)
@given(SITUATIONS, ASKED)
def test_browsers_agree(case: tuple[Document, str], asked: Asked) -> None:
    """What is allowed passes the browser, with cookies if the rule has credentials; what is refused does not."""
    document, page = case
    policies = ActivePolicies(read_document(document))
    asking, actual = decide(policies, request(page, asked))
    assert actual.kind == "actual"
    assert asking is None or asking.kind == "preflight"
    allowed = actual.allowed and (asking is None or asking.allowed)
    preflight = None if asking is None else (asking.status or 0, asking.headers)
    for behaviour in Behaviour:
        for credentials in (False, True):
            sent = request(page, asked, credentials=credentials)
            expected = allowed and (rule_of(policies, actual).credentials or not credentials)
            assert expected == fetch_verdict(sent, actual.headers, preflight, behaviour=behaviour).allowed


@settings(max_examples=1_000, deadline=None)
@given(SITUATIONS, ASKED, ASKED, st.booleans())
def test_browsers_keep_no_more_than_is_granted(
    case: tuple[Document, str], asked: Asked, asked_later: Asked, credentials: bool
) -> None:
    """What a browser keeps of a preflight lets no later request go that we would not have allowed."""
    document, page = case
    policies = ActivePolicies(read_document(document))
    first, later = (request(page, each, credentials=credentials) for each in (asked, asked_later))
    answer, answer_later = (
        policies.decide(Query.received("OPTIONS", preflight_headers(sent), policy="a")) for sent in (first, later)
    )
    for behaviour in Behaviour:
        kept = preflight_cache_entries(first, answer.status or 0, answer.headers, behaviour=behaviour)
        if needs_preflight(later) and satisfied_by_cache(later, kept, behaviour=behaviour):
            assert answer_later.allowed


@settings(max_examples=1_000, deadline=None)
@given(SITUATIONS, ASKED, st.booleans())
def test_browsers_share_what_the_rule_says(case: tuple[Document, str], asked: Asked, credentials: bool) -> None:
    """A page reads those headers and timings of an answer that its rule exposes, and no others."""
    document, page = case
    policies = ActivePolicies(read_document(document))
    _, actual = decide(policies, request(page, asked))
    granted = rule_of(policies, actual) if actual.allowed else Rule(origins=())
    sent = request(page, asked, credentials=credentials and granted.credentials)
    answer = (*actual.headers, ("X-A", ""), ("X-B", ""), ("X-C", ""), ("X-D", ""), ("Set-Cookie", ""))
    readable = {name for name in exposed_headers(sent, answer) if name.startswith(("x-", "set-"))}
    everything = {"x-a", "x-b", "x-c", "x-d"}
    assert (everything if granted.expose_headers == ("*",) else set(granted.expose_headers)) == readable
    assert granted.timing == tao_check(sent, answer)


@pytest.mark.parametrize("method", ["TRACE", "trace", "CONNECT", "Track"])
def test_forbidden_method(method: str) -> None:
    """A method that no browser sends is refused, also to everybody and where any method is allowed."""
    policies = flat("*", methods=["*"])
    sent = request("https://a.example", (method, [], False))
    assert is_forbidden_method(sent.method)
    assert [decision.allowed for decision in decide(policies, sent) if decision] == [False, False]

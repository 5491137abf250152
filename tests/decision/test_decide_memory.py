"""Tests that a decision is a value, that equal queries get equal ones, and that what is remembered is bounded."""

import copy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query, Reason
from cors_service.policy import Source, read_document, read_sources, write_document
from tests.decision.queries import PAGE, STRANGER, asked, flat, sent

TOML = """
version = 1
[origin_sets]
partners = ["https://page.example", "https://*.page.example"]
[policies.a]
match = ["api.example/"]
[[policies.a.rules]]
origins = ["@partners", 're:https://pr-[0-9]+\\.pages\\.example']
methods = ["GET", "PUT"]
request_headers = ["x-c", "x-b", "x-a", "y-*"]
expose_headers = ["x-c", "x-b", "x-a"]
credentials = true
[[policies.a.rules]]
origins = ["https://{x,y,z}.example:*", "http://localhost:1-9"]
"""


def compiled() -> ActivePolicies:
    """Compile the document, read anew."""
    return ActivePolicies(read_sources([Source("a.toml", "toml", TOML)]))


QUERIES = st.builds(
    Query,
    st.sampled_from(["GET", "PUT", "OPTIONS", "patch"]),
    st.sampled_from(["a", None]),
    st.sampled_from([None, "https://api.example/x", "https://page.example/"]),
    st.lists(
        st.sampled_from([PAGE, "https://a.page.example", "https://x.example:8", STRANGER, "null", "/"]), max_size=2
    ).map(tuple),
    st.sampled_from([(), ("PUT",), ("PATCH",)]),
    st.sampled_from([(), ("x-a,x-b",), ("x-b,y-2", "y-1"), ("x-d",)]),
)


def answer(policies: ActivePolicies, query: Query) -> bytes | str:
    """A decision as the bytes of JSON, or the code of the mistake."""
    try:
        return msgspec.json.encode(policies.decide(query))
    except BadQuery as error:
        return error.code


REMEMBERING = compiled()


@given(st.lists(QUERIES, min_size=1, max_size=8))
def test_same_bytes(queries: list[Query]) -> None:
    """Two readings of a document give the same bytes for the same query, whatever was asked before."""
    fresh = compiled()
    assert [answer(REMEMBERING, query) for query in queries] == [answer(fresh, query) for query in queries]
    assert [answer(REMEMBERING, query) for query in queries] == [answer(compiled(), query) for query in queries]


def test_what_was_compiled() -> None:
    """A compiled policy set tells what it was compiled from."""
    policy_set = read_sources([Source("a.toml", "toml", TOML)])
    assert ActivePolicies(policy_set).policy_set is policy_set


def test_same_revision() -> None:
    """A document has one revision, however it is written; another has another."""
    again = ActivePolicies(read_document(json.loads(json.dumps(write_document(REMEMBERING.policy_set)))))
    assert compiled().revision == again.revision == REMEMBERING.decide(sent()).revision
    assert flat().revision != again.revision
    assert compiled().decide(sent()) == again.decide(sent())


def test_equal_queries() -> None:
    """Equal queries get equal decisions, with equal hashes."""
    query = asked(PAGE, "PUT", "x-a")
    first, second = (policies.decide(copy.deepcopy(query)) for policies in (compiled(), compiled()))
    assert first is not second
    assert (first, hash(first)) == (second, hash(second))


def test_decision_can_be_a_key() -> None:
    """Decisions are hashable and compare by value."""
    decisions = [flat().decide(query) for query in (sent(PAGE), sent(PAGE), sent(STRANGER), sent(), asked(PAGE, "GET"))]
    assert len(set(decisions)) == 4


VALUES = [flat().decide(asked(PAGE, "GET")), flat().decide(asked(PAGE, "GET")).reason, sent(PAGE)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_immutable(value: Decision | Reason | Query) -> None:
    """No field of a decision, a reason or a query can be changed, and no field is a list or the like."""
    for name in value.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(value, name, None)
        with pytest.raises(AttributeError):
            delattr(value, name)
    hash(value)


def test_headers_are_immutable() -> None:
    """The headers of a decision are tuples all the way down, since many answers share them."""
    headers = flat(credentials=True, timing=True).decide(sent(PAGE)).headers
    assert {tuple} == {type(headers), *map(type, headers)}
    assert {str} == {type(part) for header in headers for part in header}

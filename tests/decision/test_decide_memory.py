"""Tests that a decision is a value, that equal queries get equal ones, and that what is remembered is bounded."""

import copy
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query, Reason
from cors_service.decision.memo import Memo
from cors_service.policy import Source, read_document, read_sources, write_document
from tests.decision.queries import PAGE, STRANGER, asked, flat, sent

TOML = """
version = 1
[origin_sets]
partners = ["https://page.example", "https://*.page.example"]
[policies.a]
match = ["api.example/"]
[[policies.a.rules]]
origins = ["@partners", 're:https://pr-[0-9]+\\.example']
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


def remembered(policies: ActivePolicies) -> int:
    """Count what is remembered of queries."""
    return len(policies._memo._young) + len(policies._memo._old)


def decide_often(policies: ActivePolicies, query: Query) -> Decision:
    """Ask a query so often that it is worth remembering."""
    return [policies.decide(query) for _ in range(3)][-1]


def test_memory_is_bounded() -> None:
    """Of 100,000 different queries, each asked twice, no more than 8,192 are remembered at any time."""
    policies = flat()
    most = 0
    for number in range(100_000):
        for _ in range(2):
            policies.decide(sent(f"https://n{number}.example"))
        most = max(most, remembered(policies))
    assert 4096 <= most <= 8192


def test_memory_is_used() -> None:
    """A query that is asked again and again gets the very same decision."""
    policies = flat()
    assert decide_often(policies, sent(PAGE)) is policies.decide(sent(PAGE))


# What is remembered has about a thousand characters at most, in whatever field, and few lines.
HUGE: dict[str, Query] = {
    "a method": Query("A" * 1025, "a", origins=(PAGE,)),
    "a URL": Query("GET", "a", "https://api.example/" + "a" * 1025, (PAGE,)),
    "an Origin": sent("https://" + "a" * 1025),
    "an Origin for each character": sent(*"a" * 1025),
    "a method asked for": asked(PAGE, "A" * 1025),
    "header names": asked(PAGE, "GET", "a," * 513),
    "lines of header names": asked(PAGE, "GET", *("a" * 100,) * 11),
    "empty lines of header names": asked(PAGE, "GET", *("",) * 100_000),
    "empty Origins": sent(*("",) * 100_000),
    "empty methods asked for": Query("GET", "a", request_methods=("",) * 100_000),
}


@pytest.mark.parametrize("query", HUGE.values(), ids=HUGE)
def test_huge_queries_are_forgotten(query: Query) -> None:
    """A query that nobody sends in earnest is decided and not kept, wherever its size lies."""
    policies = flat()
    decide_often(policies, query)
    assert remembered(policies) == 0


@pytest.mark.parametrize(("length", "kept"), [(1012, 1), (1013, 0)])
def test_largest_query_that_is_kept(length: int, kept: int) -> None:
    """A query is kept up to 1,024 characters: those of the policy, the method and the lines, and 8 for each line."""
    policies = flat()
    decide_often(policies, Query("GET", "a", origins=("a" * length,)))
    assert remembered(policies) == kept


@pytest.mark.parametrize("query", [sent(PAGE), sent(), asked(PAGE, "GET", "a" * 900)], ids=["actual", "none", "long"])
def test_usual_queries_are_kept(query: Query) -> None:
    """A query of usual size is kept."""
    policies = flat()
    decide_often(policies, query)
    assert remembered(policies) == 1


def memo(*questions: int) -> Memo[int, str]:
    """A memory of two to four answers, in which questions were asked, and answered where it had to be."""
    filled: Memo[int, str] = Memo(lambda question: question != 5_000, 2)
    for question in questions:
        if filled.get(question) is None:
            filled.offer(question, str(question))
    return filled


# The questions asked, and those of them whose answers are remembered.
MEMOS: dict[str, tuple[list[int], set[int]]] = {
    "nothing": ([], set()),
    "what is asked once": ([1, 2, 3], set()),
    "what is asked twice": ([1, 1], {1}),
    "what is asked twice, with others between": ([1, *range(2, 900), 1], {1}),
    "two in turns": ([1, 2, 1, 2], {1, 2}),
    "what is asked again as the last of those that are new": ([*range(1, 1025), 1], {1}),
    "what is asked again behind too many that were new": ([*range(1, 1026), 1], set()),
    "four": ([1, 1, 2, 2, 3, 3, 4, 4], {1, 2, 3, 4}),
    "the two oldest go together": ([1, 1, 2, 2, 3, 3, 4, 4, 5, 5], {3, 4, 5}),
    "what is asked again stays": ([1, 1, 2, 2, 3, 3, 1, 4, 4, 5, 5], {1, 3, 4, 5}),
    "what is not worth it": ([5_000, 5_000, 5_000, 1, 1], {1}),
    "what is asked once drives out nothing": ([1, 1, 2, 2, *range(3, 900)], {1, 2}),
}


@pytest.mark.parametrize(("questions", "kept"), MEMOS.values(), ids=MEMOS)
def test_memo(questions: list[int], kept: set[int]) -> None:
    """The answers to what was lately asked twice are kept, and the right ones; others are gone."""
    expected = {question: str(question) if question in kept else None for question in questions}
    assert expected == {question: memo(*questions).get(question) for question in questions}


@given(st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 5_000])))
def test_memo_of_anything(questions: list[int]) -> None:
    """Whatever is asked, an answer that is remembered is the right one, and there are never more than twice two."""
    filled = memo(*questions)
    assert len(filled._young) + len(filled._old) <= 4
    for question in questions:
        assert filled.get(question) in {None, str(question)}

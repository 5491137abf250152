"""What is written can be read, and what cannot be meant raises ValueError and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import read_document
from cors_service.testing import strategies
from cors_service.testing.documents import Document
from cors_service.wire.answers import LONGEST_TTL, write_decision
from cors_service.wire.json_text import parse_json, write_json
from cors_service.wire.queries import read_query, write_queries, write_query
from cors_service.wire.received import Received, ReceivedProblem, read_decision, read_decisions, read_problem
from tests.lies import LIES, WITHOUT_ORIGIN, Fields, Lie

# Whatever JSON can hold: all but halves of characters.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
QUERIES = st.builds(
    Query,
    TEXT,
    st.none() | TEXT,
    st.none() | TEXT,
    *[st.lists(TEXT, max_size=3).map(tuple) for _ in range(3)],
)
EXAMPLE: dict[str, Any] = {
    "kind": "actual",
    "allowed": True,
    "status": None,
    "reason": {"code": "allowed", "message": "Rule 1."},
    "headers": [["Vary", "Origin"]],
    "policy": "app",
    "rule": 1,
    "revision": "sha256:0",
    "ttl": 5,
}
QUERY = Query("GET", "app", None, ("https://a.example",))
PREFLIGHT = Query("OPTIONS", "app", None, ("https://a.example",), ("PUT",))


def example(**fields: Any) -> bytes:
    """Write a decision with other fields."""
    return json.dumps({**EXAMPLE, **fields}).encode()


@given(QUERIES)
def test_any_query(query: Query) -> None:
    """A service reads the query that a client has written."""
    assert query == read_query(parse_json(write_query(query)))


@given(st.lists(QUERIES, max_size=5))
def test_any_batch(queries: list[Query]) -> None:
    """And the queries of a batch, in order."""
    assert queries == [read_query(fields) for fields in parse_json(write_queries(queries))["queries"]]


@given(st.data())
def test_any_decision(data: st.DataObject) -> None:
    """A client reads the decision that the service has written, byte for byte, for whatever was decided."""
    document: Document = data.draw(strategies.documents())
    active = ActivePolicies(read_document(document))
    query = data.draw(strategies.queries(document))
    decision = active.decide(query)
    ttl = data.draw(st.integers(0, LONGEST_TTL))
    received = read_decision(write_decision(decision, ttl), query)
    assert {name: getattr(received, name) for name in Decision.__struct_fields__} == {
        name: getattr(decision, name) for name in Decision.__struct_fields__
    }
    assert received.ttl == ttl
    assert read_decisions(b'{"decisions":[%b]}' % write_decision(decision, ttl), [query]) == [received]


OTHER = "https://other.example"
FOR_EVERYBODY = [["Access-Control-Allow-Origin", "*"], ["Access-Control-Allow-Credentials", "true"]]
# What something else may write into a decision, by its fields and the query.
MUTATIONS: dict[str, Callable[[dict[str, Any], Query], Any]] = {
    "further header": lambda fields, _: fields["headers"].append(["Set-Cookie", "a=b"]),
    "location": lambda fields, _: fields["headers"].append(["Location", "https://other.example/"]),
    "header twice": lambda fields, _: fields["headers"].extend([["Vary", "Origin"]] * 2),
    "other case": lambda fields, _: fields["headers"].append(["VARY", "Origin"]),
    "other origin": lambda fields, _: give(fields, **{"Access-Control-Allow-Origin": OTHER, "Vary": "Origin"}),
    "what is no origin": lambda fields, _: give(fields, **{"Access-Control-Allow-Origin": OTHER + "/"}),
    "timing for what is no origin": lambda fields, _: give(fields, **{"Timing-Allow-Origin": f"{OTHER}, {OTHER}/"}),
    "everybody with credentials": lambda fields, _: fields.update(headers=FOR_EVERYBODY),
    "other policy": lambda fields, _: fields.update(policy=fields["policy"] + "b"),
    "other kind": lambda fields, query: fields.update(
        # A preflight for a request, and the other way round, in a form that is right for the kind.
        {"kind": "actual", "allowed": False, "status": None, "headers": []}
        if query.is_preflight or not query.origins
        else {"kind": "preflight", "allowed": True, "status": 204}
    ),
    "huge ttl": lambda fields, _: fields.update(ttl=LONGEST_TTL + 1),
    "negative ttl": lambda fields, _: fields.update(ttl=-1),
}


def give(fields: dict[str, Any], **headers: str) -> None:
    """Set headers of a decision."""
    fields["headers"] = [[key, old] for key, old in fields["headers"] if key not in headers] + list(headers.items())


@given(st.data(), st.sampled_from(list(MUTATIONS)))
def test_any_lie(data: st.DataObject, mutation: str) -> None:
    """Whatever was decided: a decision that says more than the service can about the query is refused."""
    document: Document = data.draw(strategies.documents())
    query = data.draw(strategies.queries(document))
    fields = json.loads(write_decision(ActivePolicies(read_document(document)).decide(query), 5))
    read_decision(write_json(fields), query)
    MUTATIONS[mutation](fields, query)
    body = write_json(fields)
    with pytest.raises(ValueError, match=r"."):
        read_decision(body, query)
    with pytest.raises(ValueError, match=r"."):
        read_decisions(b'{"decisions":[%b]}' % body, [query])


def test_a_decision_by_url_is_of_any_policy() -> None:
    """Where no policy was named, the service says which it found."""
    query = Query("GET", None, "https://api.example/", ("https://a.example",))
    assert read_decision(example(policy="found"), query).policy == "found"


def test_the_own_origin_is_that_of_the_url() -> None:
    """A decision about the service's own origin fits a query with this origin and URL, and no other."""
    body = example(kind="same-origin")
    own = Query("GET", "app", "HTTPS://A.example:443/", ("https://a.example",))
    assert read_decision(body, own).kind == "same-origin"
    assert read_decision(example(kind="actual"), own).kind == "actual"
    for path in ("/x/../y", "/%0a", "?x"):
        odd = Query("GET", "app", f"wss://a.example{path}", ("https://a.example",))
        assert read_decision(body, odd).kind == "same-origin"
    for url in (None, "https://b.example/", "http://a.example/", "nothing", "https://a.example\\x"):
        with pytest.raises(ValueError, match="does not fit"):
            read_decision(body, Query("GET", "app", url, ("https://a.example",)))


READERS = (partial(read_decision, query=QUERY), partial(read_decisions, queries=[QUERY]), read_problem)


@given(st.binary() | TEXT.map(str.encode))
def test_any_bytes(body: bytes) -> None:
    """What is no decision, no batch or no problem raises ValueError."""
    for read in READERS:
        with suppress(ValueError):
            read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=5,
)


@given(st.sampled_from(list(EXAMPLE)), JSON)
def test_any_field(name: str, value: Any) -> None:
    """Whatever stands in a field: what comes of it is a decision that the service could have made, or a ValueError."""
    try:
        received = read_decision(example(**{name: value}), QUERY)
    except ValueError:
        return
    assert received.kind == "actual" or name == "kind"
    assert received.status is None
    assert 0 <= received.ttl <= LONGEST_TTL


GRANT = [
    ["Access-Control-Allow-Origin", "https://a.example"],
    ["Access-Control-Allow-Credentials", "true"],
    ["Timing-Allow-Origin", "https://a.example"],
    ["Vary", "Origin"],
]


def assert_no_decision(body: bytes, query: Query) -> None:
    """It is refused, alone and in a batch."""
    with pytest.raises(ValueError, match=r"."):
        read_decision(body, query)
    with pytest.raises(ValueError, match=r"."):
        read_decisions(b'{"decisions":[%b]}' % body, [query])


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
@pytest.mark.parametrize(
    ("query", "decision"),
    [
        (QUERY, {**EXAMPLE, "headers": GRANT}),
        (PREFLIGHT, {**EXAMPLE, "kind": "preflight", "status": 204, "headers": GRANT}),
    ],
    ids=["request", "preflight"],
)
def test_lies(query: Query, decision: Fields, lie: Lie) -> None:
    """What the service never says about an origin that it grants something is no decision."""
    assert read_decision(json.dumps(decision).encode(), query).allowed
    assert_no_decision(json.dumps(lie(decision)).encode(), query)


@pytest.mark.parametrize("lie", WITHOUT_ORIGIN.values(), ids=WITHOUT_ORIGIN.keys())
def test_lies_without_origin(lie: Lie) -> None:
    """Nor is what it never says about a request of nobody."""
    query, decision = Query("GET", "app"), {**EXAMPLE, "kind": "no-origin", "allowed": None}
    assert read_decision(json.dumps(decision).encode(), query).allowed is None
    assert_no_decision(json.dumps(lie(decision)).encode(), query)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "preflight", "status": 403},
        {"kind": "preflight", "status": 204, "allowed": False},
        {"kind": "preflight", "status": 204, "allowed": None},
        {"headers": [["Access-Control-Max-Age", 600]]},
        {"status": "204"},
        {"reason": "allowed"},
        {"reason": {"code": "allowed"}},
    ],
    ids=repr,
)
def test_what_is_no_decision(fields: Fields) -> None:
    """Nor is what contradicts itself, or lacks what people want to know."""
    for query in (QUERY, PREFLIGHT):
        assert_no_decision(example(**fields), query)


def test_a_service_of_tomorrow() -> None:
    """Fields that are not known are no fault, and without a lifetime a decision is not used again."""
    fields = {name: value for name, value in EXAMPLE.items() if name != "ttl"}
    assert read_decision(write_json({**fields, "new": {"a": [1]}}), QUERY).ttl == 0


def test_a_preflight_has_the_status_of_its_answer() -> None:
    """204 or 200 where it is allowed, 403 where it is not."""
    for allowed, status in ((True, 204), (True, 200), (False, 403)):
        decision = example(kind="preflight", allowed=allowed, status=status)
        assert read_decision(decision, PREFLIGHT).status == status


def test_a_batch_of_both() -> None:
    """Each place has a decision, or says why there is none."""
    problem = b'{ "error": {"detail": "There is no policy.", "code": "unknown-policy"} }'
    guarded = b'{"error": {"detail": "There is no policy.", "guarded": true}}'
    body = b'{"decisions":[%b,%b,%b]}' % (problem, example(), guarded)
    first, second, third = read_decisions(body, [QUERY] * 3)
    said = "There is no policy."
    assert (first, third) == (ReceivedProblem(said), ReceivedProblem(said, guarded=True))
    assert isinstance(second, Received)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"decisions":{}}', b'{"decisions":[]}', b'{"decisions":[1]}', b'{"decisions":[{}]}']
)
def test_no_batch(body: bytes) -> None:
    """A batch that is none, or of another length, is refused as a whole."""
    with pytest.raises(ValueError, match=r"."):
        read_decisions(body, [QUERY])


def test_nested_deeply() -> None:
    """It does not get further than other garbage."""
    nested = b'{"detail":"a","x":' + b"[" * 100_000
    for read in READERS:
        with pytest.raises(ValueError, match=r"."):
            read(nested)
    with pytest.raises(ValueError, match="deeply"):
        read_problem(nested)

"""Tests of the shadow: it sees every decision, and changes none."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel, globalLogPublisher
from zope.interface import implementer
from zope.interface.verify import verifyObject

from cors_service.algebra import compare
from cors_service.algebra.answers import kinds_of_difference
from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.policy import InvalidPolicies, PolicyError, read_document
from cors_service.store import IPolicies, LivePolicies, MemoryPolicyStore
from cors_service.store.shadow import (
    MOST_COUNTED,
    MOST_SAMPLES,
    ShadowedPolicies,
    ShadowLive,
    _Shadowed,
    shadow_as_dict,
)
from cors_service.testing import strategies
from cors_service.web import decision_resource
from cors_service.wire.json_text import write_json
from cors_service.wire.queries import query_as_dict
from tests.store.store_texts import document
from tests.web.traversal import POLICIES, Caller

ONE: dict[str, Any] = {
    "version": 1,
    "policies": {
        "app": {"match": ["a.example/"], "origins": ["https://a.example"]},
        "same": {"match": ["same.example/"], "origins": ["*"]},
    },
}
TWO: dict[str, Any] = {
    "version": 1,
    "policies": {
        "app": {"match": ["a.example/"], "origins": ["https://b.example"]},
        "same": {"match": ["same.example/"], "origins": ["*"]},
    },
}
A, B = (Query("GET", "app", origins=(f"https://{name}.example",)) for name in "ab")
SAME = Query("GET", "same", origins=("https://a.example",))


def live(document: dict[str, Any], kind: type[LivePolicies] = LivePolicies) -> LivePolicies:
    """Make policies that are active."""
    policies = kind(MemoryPolicyStore(document), Clock())
    policies.activate(read_document(document))
    return policies


def shadowed(document: dict[str, Any], shadow: dict[str, Any]) -> ShadowedPolicies:
    """Make policies with a shadow."""
    return ShadowedPolicies(live(document), live(shadow, ShadowLive))


def active_of(holder: ShadowedPolicies) -> ActivePolicies:
    """The policies that decide now."""
    active = holder.active
    assert active is not None
    return active


def answer(active: ActivePolicies, query: Query) -> Decision | BadQuery:
    """What policies answer to a query."""
    try:
        return active.decide(query)
    except BadQuery as error:
        return error


def said(active: ActivePolicies, query: Query) -> Decision | str:
    """The same as a value that is equal to others."""
    found = answer(active, query)
    return found.code if isinstance(found, BadQuery) else found


def test_interface() -> None:
    """It holds policies as other holders do."""
    assert verifyObject(IPolicies, shadowed(ONE, TWO))


@given(st.data())
def test_never_a_changed_answer(data: st.DataObject) -> None:
    """Whatever the shadow is, each answer is that of the policies alone; and each that differs is counted."""
    documents = strategies.documents(expressions=True)
    document = data.draw(documents)
    shadow = data.draw(documents | edits(document))
    holder = shadowed(dict(document), dict(shadow))
    alone, other = ActivePolicies(read_document(document)), ActivePolicies(read_document(shadow))
    active = active_of(holder)
    different = 0
    queries = data.draw(st.lists(strategies.queries(document) | strategies.queries(shadow), max_size=8))
    queries += [structs.replace(query, policy=None) for query in queries]
    for query in queries:
        assert said(active, query) == said(alone, query)
        different += bool(kinds_of_difference(query, answer(alone, query), answer(other, query)))
    assert holder.tally.compared == len(queries)
    assert sum(holder.tally.counts.values()) >= different
    assert bool(holder.tally.counts) == bool(different)


def edits(document: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw what small edits make of a document: rules that are gone, or that grant something else."""

    def edited(change: tuple[int, str, Any]) -> dict[str, Any]:
        number, key, value = change
        new = copy.deepcopy(dict(document))
        [policy] = new["policies"].values()
        rules = policy.get("rules", [policy])
        rule = rules[number % len(rules)]
        if key == "rules" and len(rules) > 1:
            rules.remove(rule)
        elif key == "origins":
            rule[key] = [*rule[key], value] if value else rule[key][1:]
        elif key != "rules" and not rule.get("refuse"):
            rule[key] = value
        return new

    values: dict[str, list[Any]] = {
        "rules": [None],
        "origins": ["https://own-0.invalid", "https://example.com", "https://*.example.com", None],
        "methods": [["GET"], ["GET", "PUT"]],
        "max_age": [1, 2],
        "timing": [True, False],
        "expose_headers": [["x-a"]],
    }
    changes = [(number, key, value) for number in range(4) for key, some in values.items() for value in some]
    return st.sampled_from(changes).map(edited).filter(is_good)


def is_good(document: dict[str, Any]) -> bool:
    """Whether a document has no mistakes, such as a set that nothing uses any more."""
    try:
        read_document(document)
    except InvalidPolicies:
        return False
    return True


def test_counts() -> None:
    """What the shadow would let through, and what it would not, is counted by policy, with the first query of each."""
    holder = shadowed(ONE, TWO)
    active = active_of(holder)
    for query in (A, A, B, SAME, structs.replace(B, policy=None, url="https://a.example/x")):
        said(active, query)
    assert holder.tally.counts == {("app", "narrower"): 2, ("app", "wider"): 2}
    assert holder.tally.compared == 5
    assert [(one.direction, one.what, one.query) for one in holder.tally.samples.values()] == [
        ("narrower", "origin", A),
        ("wider", "origin", B),
    ]


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        (Query("GET", None, "https://new.example/", origins=("https://a.example",)), {("new", "wider"): 1}),
        (Query("GET", None, "https://a.example/", origins=("https://c.example",)), {("app", "narrower"): 1}),
        (Query("GET", "new", origins=("https://a.example",)), {("new", "wider"): 1}),
        (Query("GET", "same", origins=("https://a.example",)), {}),
        (Query("GET", None, "https://nowhere.example/", origins=("https://a.example",)), {}),
    ],
)
def test_other_routes(query: Query, counts: dict[tuple[str, str], int]) -> None:
    """A policy that only one of the sets has, and a URL that finds another policy, count."""
    one = {"version": 1, "policies": ONE["policies"] | {"app": {"match": ["a.example/"], "origins": ["*"]}}}
    two = {
        "version": 1,
        "policies": {"same": ONE["policies"]["same"], "new": {"match": ["new.example/"], "origins": ["*"]}},
    }
    holder = shadowed(one, two)
    said(active_of(holder), query)
    assert holder.tally.counts == counts


def test_cross_origin() -> None:
    """What gateways ask about requests of other origins is compared, too."""
    holder = shadowed(ONE, TWO)
    active = active_of(holder)
    assert active.decide_cross_origin(A).allowed
    assert active.decide_cross_origin(SAME).allowed
    assert (holder.tally.counts, holder.tally.compared) == ({("app", "narrower"): 1}, 2)


def test_cross_origin_of_the_own_host() -> None:
    """Both are asked alike: for a gateway that has seen another origin, the URL makes nothing same-origin."""
    # With a guard, the whole decisions are compared.
    one, two = (
        {"version": 1, "policies": {"app": {"origins": origins, "guard": {"hosts": ["a.example"]}}}}
        for origins in (["https://b.example"], ["https://b.example", "https://c.example"])
    )
    holder = shadowed(one, two)
    query = Query("GET", "app", "https://a.example/", origins=("https://a.example",))
    assert not active_of(holder).decide_cross_origin(query).allowed
    assert holder.tally.counts == {}


def test_several_differences_of_one_query() -> None:
    """A query counts once in each direction, and each thing that differs has its sample."""
    wider = copy.deepcopy(ONE)
    wider["policies"]["app"] |= {"expose_headers": ["x-a"], "timing": True}
    holder = shadowed(ONE, wider)
    said(active_of(holder), A)
    assert holder.tally.counts == {("app", "wider"): 1}
    assert len(holder.tally.samples) == 2


def test_advice() -> None:
    """Whoever asks for advice gets it, and is compared once."""
    holder = shadowed(ONE, TWO)
    advice = active_of(holder).advise(B)
    assert advice == ActivePolicies(read_document(ONE)).advise(B)
    assert holder.tally.compared == 1


def test_sets() -> None:
    """A policy that uses a set which differs is another policy."""
    one, two = (
        {
            "version": 1,
            "origin_sets": {"s": [f"https://{name}.example"]},
            "header_sets": {"h": [f"x-{name}"]},
            "policies": {
                "app": {"origins": ["@s", "null"], "request_headers": ["@h"], "dangerously_allow": ["null-origin"]}
            },
        }
        for name in "ab"
    )
    holder = shadowed(one, two)
    said(active_of(holder), A)
    ask = Query("OPTIONS", "app", origins=("null",), request_methods=("GET",), request_headers=("x-b",))
    said(active_of(holder), ask)
    assert holder.tally.counts == {("app", "narrower"): 1, ("app", "wider"): 1}


def test_remembered_once() -> None:
    """A question that is asked again and again is compared as often as it is decided: once more by another shadow."""
    active = live(ONE)
    shadow = live(TWO, ShadowLive)
    holder = ShadowedPolicies(active, shadow)
    caller = Caller(decision_resource(holder, clock=Clock()))
    form = "/v1/decision?policy=app&origin=https://a.example"
    answers = {caller.ask("GET", form).body for _ in range(10)}
    assert len(answers) == 1
    assert holder.tally.counts == {("app", "narrower"): 2}
    shadow.activate(read_document(ONE))
    for _ in range(5):
        answers.add(caller.ask("GET", form).body)
    assert (len(answers), holder.tally.counts, holder.tally.compared) == (1, {}, 1)


def test_status() -> None:
    """The status has the counts, and what is wrong with the shadow; without a shadow it has nothing of it."""
    holder = shadowed(ONE, TWO)
    said(active_of(holder), structs.replace(A, url="https://u:p@a.example/x?secret#s"))
    written = json.loads(write_json(shadow_as_dict(holder, query_as_dict)))
    assert written | {"source": "", "revision": ""} == {
        "source": "",
        "revision": "",
        "policies": 2,
        "mistakes": [],
        "more_mistakes": 0,
        "compared": 1,
        "differences": [{"policy": "app", "direction": "narrower", "count": 1}],
        "samples": [
            {
                "policy": "app",
                "direction": "narrower",
                "what": "origin",
                "query": {
                    "method": "GET",
                    "policy": "app",
                    "url": "https://a.example/x",
                    "headers": [["Origin", "https://a.example"]],
                },
            }
        ],
    }


def test_bounds() -> None:
    """However many policies differ, what is kept of them is bounded, and nothing is lost from the counts."""
    names = [f"p{number}" for number in range(MOST_COUNTED + 5)]
    holder = shadowed(document(*names), document("other"))
    active = active_of(holder)
    for name in names:
        said(active, Query("GET", name, origins=(f"https://{name}.example",)))
    assert len(holder.tally.counts) == MOST_COUNTED + 1
    assert sum(holder.tally.counts.values()) == len(names)
    assert len(holder.tally.samples) == MOST_SAMPLES


def test_many_policies() -> None:
    """URLs are compared before it is known whether all find the same policies, and passed over then."""
    some = {
        "version": 1,
        "policies": {f"p{n}": {"match": [f"a{n}.example/"], "origins": ["https://a.example"]} for n in range(250)},
    }
    holder = shadowed(some, some)
    active = active_of(holder)
    for number in range(10):
        said(active, Query("GET", None, f"https://a{number}.example/", origins=("https://a.example",)))
    assert (holder.tally.compared, holder.tally.counts) == (10, {})


def test_a_shadow_with_mistakes() -> None:
    """A shadow that does not load is a warning; the policies decide as without one, and the last good shadow stays."""
    events: list[tuple[LogLevel, str]] = []

    @implementer(ILogObserver)
    def observe(event: Any) -> None:
        events.append((event["log_level"], event["log_namespace"]))

    shadow = ShadowLive(MemoryPolicyStore(ONE), Clock())
    holder = ShadowedPolicies(live(ONE), shadow)
    globalLogPublisher.addObserver(observe)
    try:
        shadow._failed(InvalidPolicies([PolicyError("syntax", "It is broken.")]))
        shadow._failed(InvalidPolicies([PolicyError("syntax", "It is broken.")]))
    finally:
        globalLogPublisher.removeObserver(observe)
    assert events == [(LogLevel.warn, "cors_service.store.shadow.ShadowLive")]
    active = active_of(holder)
    assert type(active) is ActivePolicies
    assert active.decide(A).allowed
    assert shadow_as_dict(holder, query_as_dict)["compared"] == 0


def test_a_shadow_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in the shadow, the answer is given, and the log says what happened."""
    holder = shadowed(ONE, TWO)
    active = active_of(holder)
    assert isinstance(active, _Shadowed)
    active.shadow.compiled = {}
    active.shadow._router = None  # type: ignore[assignment]  # a lookup of URLs that fails
    logged: list[str] = []

    def failure(_: Logger, text: str) -> None:
        logged.append(text)

    monkeypatch.setattr(Logger, "failure", failure)
    query = structs.replace(A, policy=None, url="https://a.example/x", origins=("https://c.example",))
    assert active.decide(query) == ActivePolicies(read_document(ONE)).decide(query)
    assert logged == ["The shadow can't decide"]


def test_no_difference_is_missed() -> None:
    """Each witness of a comparison is a difference for the shadow, of the same direction."""
    one, two = POLICIES, ONE | {"policies": ONE["policies"] | {"status": {"origins": ["*"]}}}
    found = compare(read_document(one), read_document(two)).differences
    assert found
    for difference in found:
        holder = shadowed(one, two)
        said(active_of(holder), difference.witness)
        assert (difference.policy, difference.direction) in holder.tally.counts, difference

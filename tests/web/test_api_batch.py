"""Tests of batches of decisions over HTTP."""

from __future__ import annotations

import json
from itertools import cycle
from typing import Any

import pytest
from zope.interface import implementer

from cors_service.decision import ActivePolicies
from cors_service.policy import read_document
from cors_service.store import FixedPolicies, IPolicies
from cors_service.web import Limits
from tests.web.traversal import POLICIES, Caller, caller, tree_of

BATCH = "/v1/decisions"
GOOD: dict[str, Any] = {"policy": "status", "origin": "https://status.example.com", "method": "GET"}

ITEMS: dict[str, Any] = {
    "allowed": GOOD,
    "unknown policy": GOOD | {"policy": "nothing"},
    "refused": GOOD | {"origin": "https://stranger.example"},
    "no query": None,
    "a preflight": {
        "url": "https://api.example.com/catalogue/7",
        "method": "OPTIONS",
        "headers": [["Origin", "https://partner.example"], ["Access-Control-Request-Method", "PUT"]],
    },
    "a string": "GET",
    "a number": 1,
    "a list": [],
    "an empty object": {},
    "a batch": {"queries": []},
    "a URL that is none": {"url": "a", "method": "GET"},
    "an ambiguous URL": {"url": "https://a.test/../b", "method": "GET"},
    "a URL without a policy": {"url": "https://a.test/", "method": "GET"},
    "neither policy nor URL": {"method": "GET"},
    "a contradiction": GOOD | {"headers": {"Origin": "null"}},
    "no origin": {"policy": "prices", "method": "GET"},
    "the first again": GOOD,
}


def test_batch() -> None:
    """Each query of a batch gets, in its place, what it would have got alone, but no hint: its decision or error."""
    asked = caller()
    answer = asked.post(BATCH, {"queries": list(ITEMS.values())})
    assert (answer.status, answer.header("Cache-Control")) == (200, "no-store")
    alone = [asked.post("/v1/decision", item) for item in ITEMS.values()]
    expected = [one.json if one.status == 200 else {"error": one.json} for one in alone]
    hints = [one["reason"].pop("hint", None) for one in expected if "reason" in one]
    assert any(hints)
    assert {"decisions": expected} == answer.json
    assert {200, 400, 404} == {one.status for one in alone}


def test_empty_batch() -> None:
    """No queries get no decisions."""
    assert caller().post(BATCH, {"queries": []}).json == {"decisions": []}


@pytest.mark.parametrize(("limits", "most"), [(None, 1000), (Limits(batch=3), 3), (Limits(batch=0), 0)])
def test_largest_batch(limits: Limits | None, most: int) -> None:
    """A batch has at most 1000 queries, or as many as the program that embeds the service sets."""
    asked = caller(limits=limits)
    assert most == len(asked.post(BATCH, {"queries": [GOOD] * most}).json["decisions"])
    assert asked.post(BATCH, {"queries": [GOOD] * (most + 1)}).problem == (400, "too-many-queries")


def test_too_many_bad_queries() -> None:
    """Queries count whether they are good or not."""
    assert caller().post(BATCH, {"queries": [None] * 1001}).problem == (400, "too-many-queries")


NO_BATCHES: dict[str, Any] = {
    "a query": GOOD,
    "a list of queries": [GOOD],
    "an empty object": {},
    "null": None,
    "a string": "queries",
    "queries null": {"queries": None},
    "queries an object": {"queries": {"0": GOOD}},
    "queries a string": {"queries": "GET"},
    "queries a number": {"queries": 1},
    "queries in another case": {"Queries": [GOOD]},
}


@pytest.mark.parametrize("value", NO_BATCHES.values(), ids=NO_BATCHES)
def test_no_batch(value: object) -> None:
    """What has no list of queries is an error as a whole."""
    assert caller().post(BATCH, value).problem == (400, "query-malformed")


def test_unknown_fields() -> None:
    """Fields beside the queries change nothing."""
    expected = caller().post(BATCH, {"queries": [GOOD]}).body
    assert expected == caller().post(BATCH, {"policy": "prices", "queries": [GOOD], "ttl": 0}).body


def test_json_is_read_as_a_whole() -> None:
    """One query that is not JSON spoils the batch, since nothing behind it can be read."""
    body = b'{"queries":[%b,{"method":NaN}]}' % json.dumps(GOOD).encode("ascii")
    assert caller().ask("POST", BATCH, body).problem == (400, "body-malformed")


def test_ttl() -> None:
    """Each decision of a batch says for how long it may be used again."""
    answer = caller(limits=Limits(ttl=60)).post(BATCH, {"queries": [GOOD, None, GOOD]})
    assert [item.get("ttl") for item in answer.json["decisions"]] == [60, None, 60]


@implementer(IPolicies)
class RestlessPolicies:
    """Policies that are others each time one looks."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.status = FixedPolicies(read_document(documents[0])).status
        self._active = cycle([ActivePolicies(read_document(document)) for document in documents])

    @property
    def active(self) -> ActivePolicies:
        """The next ones."""
        return next(self._active)


def test_one_revision() -> None:
    """All of a batch is decided by one revision, whatever becomes active meanwhile."""
    policies = RestlessPolicies(POLICIES, {"version": 1, "policies": {"status": {"origins": ["https://a.test"]}}})
    asked = Caller(tree_of(policies))
    answers = [asked.post(BATCH, {"queries": [GOOD] * 10}).json["decisions"] for _ in range(2)]
    revisions = [{(one["revision"], one["allowed"]) for one in answer} for answer in answers]
    assert [len(seen) for seen in revisions] == [1, 1]
    assert {True, False} == {allowed for seen in revisions for _, allowed in seen}

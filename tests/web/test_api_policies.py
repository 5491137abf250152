"""Tests of what the service reports over HTTP about its policies and itself."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import execute
from twisted.internet.task import Clock
from twisted.logger import LogEvent

import cors_service
from cors_service.decision import ActivePolicies
from cors_service.policy import Source, read_document, read_sources, revision
from cors_service.web import Limits
from cors_service.wire.answers import write_decision
from cors_service.wire.queries import read_query
from tests.web.description import check, response_of
from tests.web.traversal import POLICIES, Caller, caller, live, tree, tree_of

NINE = 1795251600.0  # 2026-11-21T09:00:00Z
ONE = {"version": 1, "policies": {"status": {"origins": ["https://one.test"]}}}
TWO = {"version": 1, "policies": {"status": {"origins": ["https://two.test"]}, "other": {"origins": ["*"]}}}
BAD = {"version": 1, "policies": {"status": {"origins": ["https://one.test/", "*"], "credentials": True}}}
EVERYTHING: dict[str, Any] = {
    "version": 1,
    "origin_sets": {"a": ["https://a.test"], "b.c": ["https://*.b.test", "re:https://b[0-9]+\\.b\\.test"]},
    "policies": {
        "x": {
            "match": ["x.test/", "*.x.test:8080/a/"],
            "preflight_status": 200,
            "rules": [
                {
                    "origins": ["@a", "@b.c", "null"],
                    "methods": ["*"],
                    "request_headers": ["*", "authorization", "x-*"],
                    "expose_headers": ["x-a"],
                    "credentials": True,
                    "max_age": 0,
                    "timing": True,
                    "resource_policy": "same-site",
                    "dangerously_allow": ["null-origin"],
                },
                {"origins": ["*"], "expose_headers": ["*"]},
            ],
        },
        "y": {"origins": ["@a", "http://localhost:*"], "methods": ["PATCH", "get"]},
        "z-_.1": {"origins": ["*"]},
    },
}


@pytest.mark.parametrize("document", [POLICIES, EVERYTHING], ids=["usual", "everything"])
def test_policies_read_back(document: dict[str, Any]) -> None:
    """All policies come as a document that a service can load, and that then has the same revision."""
    answer = caller(document).get("/v1/policies")
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert revision(read_document(document)) == revision(read_document(answer.json))
    assert answer.body == caller(answer.json).get("/v1/policies").body


@pytest.mark.parametrize("name", EVERYTHING["policies"])
def test_policy_reads_back(name: str) -> None:
    """One policy comes as a document of it and the origin sets that it uses, which then decides the same."""
    document = caller(EVERYTHING).get(f"/v1/policies/{name}").json
    assert [name] == list(document["policies"])
    assert document["policies"][name] == caller(EVERYTHING).get("/v1/policies").json["policies"][name]
    assert document == caller(document).get("/v1/policies").json
    for origin in ("https://a.test", "https://a.b.test", "null", "https://other.test"):
        fields = {"policy": name, "method": "GET", "origin": origin}
        expected = caller(EVERYTHING).decide(**fields) | {"revision": None}
        assert expected == caller(document).decide(**fields) | {"revision": None}


def test_defaults_are_written_out() -> None:
    """A document leaves no default to be known by its reader."""
    assert caller().get("/v1/policies/status").json == {
        "version": 1,
        "origin_sets": {},
        "policies": {
            "status": {
                "match": [],
                "preflight_status": 204,
                "rules": [
                    {
                        "origins": ["https://status.example.com"],
                        "methods": ["GET", "HEAD", "POST"],
                        "request_headers": [],
                        "expose_headers": [],
                        "credentials": False,
                        "timing": False,
                        "dangerously_allow": [],
                    }
                ],
            }
        },
    }


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/policies/status"])
def test_policies_are_revalidated(path: str) -> None:
    """A client may keep policies if it asks each time whether they have changed."""
    store, policies = live(ONE, Clock())
    policies.startService()
    asked = Caller(tree_of(policies))
    answer = asked.get(path)
    held = [("If-None-Match", answer.header("ETag") or "")]
    same = asked.get(path, held)
    store.replace(TWO)
    other = asked.get(path, held)
    assert (answer.header("Cache-Control"), same.status, same.body, other.status) == ("no-cache", 304, b"", 200)
    assert other.json["policies"]["status"]["rules"][0]["origins"] == ["https://two.test"]


@pytest.mark.parametrize(
    "name", ["nothing", "Status", "status%20", "%20status", ".", "..", "%2e%2e", "a%2Fb", "status%00", "%FF", "*", "%"]
)
def test_unknown_policy(name: str) -> None:
    """A name that no policy has, byte for byte, is a 404."""
    assert caller().get(f"/v1/policies/{name}").problem == (404, "unknown-policy")


def test_nearest_policy() -> None:
    """Whoever reads a policy by a name that is nearly right is told the right one."""
    answer = caller().get("/v1/policies/catalog")
    assert answer.json["detail"] == "There is no policy 'catalog'. The nearest is 'catalogue'."


@pytest.mark.parametrize(
    "path", ["/v1/policies/", "/v1/policies/status/", "/v1/policies/status/rules", "/v1/policies//"]
)
def test_nothing_beneath_a_policy(path: str) -> None:
    """A policy has no parts that have paths of their own."""
    assert caller().get(path).problem == (404, "not-found")


def test_status_of_fixed_policies() -> None:
    """Policies that never change have a revision and no history."""
    answer = caller().get("/v1/status")
    assert answer.header("Cache-Control") == "no-store"
    assert answer.json == {
        "source": "fixed",
        "revision": revision(read_document(POLICIES)),
        "policies": 3,
        "generation": 1,
        "loaded_at": None,
        "last_attempt": None,
        "mistakes": [],
        "more_mistakes": 0,
        "snapshot_problem": None,
        "behind": [],
        "stale": False,
        "store": None,
        "age": None,
        "version": cors_service.__version__,
    }


def test_status_through_a_life() -> None:
    """The status reports what is active, since when, and what is wrong with newer policies."""
    clock = Clock()
    clock.advance(NINE)
    store, policies = live(ONE, clock)
    asked = Caller(tree_of(policies, clock))

    unknown = {"revision": None, "policies": 0, "generation": 0, "loaded_at": None, "last_attempt": None, "age": None}
    nothing_wrong = {
        "mistakes": [],
        "more_mistakes": 0,
        "snapshot_problem": None,
        "behind": [],
        "stale": False,
        "store": None,
    }
    told = {"source": "memory", "version": cors_service.__version__} | nothing_wrong
    assert unknown | told == asked.get("/v1/status").json

    policies.startService()
    loaded = {"revision": revision(read_document(ONE)), "policies": 1, "generation": 1, "age": 0}
    nine = "2026-11-21T09:00:00+00:00"
    assert told | loaded | {"loaded_at": nine, "last_attempt": nine} == asked.get("/v1/status").json

    clock.advance(60)
    store.replace(BAD)
    clock.advance(30)
    status = asked.get("/v1/status").json
    assert [(mistake["code"], mistake["path"]) for mistake in status.pop("mistakes")] == [
        ("origin-trailing-slash", "policies.status.origins[0]"),
        ("any-origin-with-credentials", "policies.status.origins[1]"),
    ]
    del told["mistakes"]
    stale = {"loaded_at": nine, "last_attempt": "2026-11-21T09:01:00+00:00", "stale": True, "age": 90}
    assert told | loaded | stale == status

    store.replace(TWO)
    fresh = {"revision": revision(read_document(TWO)), "policies": 2, "generation": 2, "stale": False, "age": 0}
    when = "2026-11-21T09:01:30+00:00"
    assert told | fresh | {"mistakes": [], "loaded_at": when, "last_attempt": when} == asked.get("/v1/status").json


def test_mistakes_are_told_whole() -> None:
    """A mistake is reported with everything that the command reports about it."""
    _, policies = live(BAD, Clock())
    policies.startService()
    mistake, _ = Caller(tree_of(policies)).get("/v1/status").json["mistakes"]
    assert mistake.pop("message")
    assert mistake == {
        "code": "origin-trailing-slash",
        "hint": 'Write "https://one.test".',
        "path": "policies.status.origins[0]",
        "value": "https://one.test/",
        "file": None,
        "line": None,
    }


ODD_VALUES: dict[str, str] = {
    "half a character": r'{"version": 1, "policies": {"a": {"origins": ["\ud800"]}}}',
    "a huge number": '{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": 1%s}}}' % ("0" * 4000),
    "no finite number": '{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": 1e999}}}',
    "a list": '{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": [1, {"a": null}]}}}',
    "a fraction": '{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": 1.5}}}',
    "a boolean": '{"version": 1, "policies": {"a": {"origins": ["*"], "max_age": true}}}',
    "half a character as a name": r'{"version": 1, "policies": {"\ud800": {"origins": ["*"]}}}',
    "half a character as a key": r'{"version": 1, "policies": {"a": {"origins": ["*"], "\ud800": 1}}}',
    "control characters": r'{"version": 1, "policies": {"a": {"origins": ["\u0000\n\u2028"]}}}',
}


@pytest.mark.parametrize("text", ODD_VALUES.values(), ids=ODD_VALUES)
def test_status_of_odd_values(text: str, nothing_left_behind: list[LogEvent]) -> None:
    """Whatever a document holds, the status reports that it has a mistake."""
    store, policies = live({}, Clock())
    store.load = lambda *_, **__: execute(read_sources, [Source("a.json", "json", text)])  # type: ignore[method-assign]
    policies.startService()
    answer = Caller(tree_of(policies)).get("/v1/status")
    nothing_left_behind.clear()
    assert (answer.status, answer.json.get("stale")) == (200, True)
    assert answer.json["mistakes"]
    check(answer, response_of("GET /v1/status", 200))


def test_before_any_policy() -> None:
    """Before policies are active the service lives and reports its status, but can't decide."""
    _, policies = live(BAD, Clock())
    policies.startService()
    asked = Caller(tree_of(policies))
    statuses = [asked.get(path).status for path in ("/livez", "/v1/status", "/openapi.json", "/readyz", "/v1/policies")]
    assert statuses == [200, 200, 200, 503, 503]


def test_readiness_through_a_life() -> None:
    """The service is ready from the first good policies until it is about to stop, whatever is wrong between."""
    store, policies = live(BAD, Clock())
    root = tree_of(policies)
    asked = Caller(root)
    policies.startService()
    assert asked.get("/readyz").problem == (503, "no-policies")
    store.replace(ONE)
    assert (asked.get("/readyz").status, asked.get("/readyz").json) == (200, {"status": "ready"})
    store.replace(BAD)
    assert asked.get("/readyz").status == 200
    root.ready.draining = True
    assert asked.get("/readyz").problem == (503, "draining")
    assert (asked.get("/livez").status, asked.get("/livez").json) == (200, {"status": "alive"})
    assert asked.get("/v1/decision", policy="status").status == 200


def test_change_of_policies() -> None:
    """A good change decides from the next request on; a bad one changes nothing."""
    store, policies = live(ONE, Clock())
    policies.startService()
    asked = Caller(tree_of(policies))
    fields = {"policy": "status", "origin": "https://two.test", "method": "GET"}
    before = asked.decide(**fields)
    store.replace(BAD)
    assert before == asked.decide(**fields)
    store.replace(TWO)
    after = asked.decide(**fields)
    assert (before["allowed"], after["allowed"]) == (False, True)
    assert (before["revision"], after["revision"]) == tuple(revision(read_document(one)) for one in (ONE, TWO))


def test_trees_share_nothing() -> None:
    """Two services in one process decide each by its own policies and limits, and name answers apart."""
    one, two = Caller(tree(ONE)), Caller(tree(TWO, Limits(ttl=9, batch=1, body=100)))
    fields = {"policy": "status", "origin": "https://two.test", "method": "GET"}
    for _ in range(2):  # the second time from memory
        seen = [asked.decide(**fields) for asked in (one, two)]
        assert [(told["allowed"], told["ttl"]) for told in seen] == [(False, 5), (True, 9)]
    assert [asked.get("/v1/policies/other").status for asked in (one, two)] == [404, 200]
    assert [asked.post("/v1/decisions", {"queries": [None, None]}).status for asked in (one, two)] == [200, 400]
    assert [asked.post("/v1/decision", {"a": "b" * 100}).problem[0] for asked in (one, two)] == [400, 413]
    ids = [asked.get("/livez").header("Cors-Decision-Id") for asked in (one, two)]
    assert len(set(ids)) == 2


def test_over_http_as_in_the_program() -> None:
    """A query over HTTP gets the same bytes as one in the program."""
    fields = {"policy": "catalogue", "origin": "https://partner.example", "method": "PUT"}
    expected = write_decision(ActivePolicies(read_document(POLICIES)).decide(read_query(fields)), 5)
    assert expected == caller().post("/v1/decision", fields).body

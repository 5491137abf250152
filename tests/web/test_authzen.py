"""Tests of the Authorization API of AuthZEN, checked against its specification and its certification scenario."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from cors_service.server.plain import PlainHeaders, PlainRequest
from cors_service.web import Limits
from tests.web.description import check, response_of
from tests.web.traversal import POLICIES, Answer, Caller, caller, live, tree, tree_of

ALICE, BOB = "https://alice.example", "https://bob.example"
RECORDS: dict[str, Any] = {
    "version": 1,
    "policies": {
        "record-1": {
            "match": ["records.example/1/"],
            "rules": [
                {"origins": [ALICE], "methods": ["GET", "PUT"], "request_headers": ["x-a"], "credentials": True},
                {"origins": [BOB], "methods": ["GET"]},
            ],
        },
        "record-2": {"origins": [BOB]},
    },
}
"""What the scenario asks for: both may read the first record, and one of them may write it."""


def subject(origin: str) -> dict[str, Any]:
    """An origin."""
    return {"type": "origin", "id": origin}


def record(number: int) -> dict[str, Any]:
    """A policy."""
    return {"type": "policy", "id": f"record-{number}"}


READ, WRITE = {"name": "GET"}, {"name": "PUT"}
WHOLE = {"subject": subject(ALICE), "action": READ, "resource": record(1)}
ONE, ALL = "/access/v1/evaluation", "/access/v1/evaluations"
PATHS = pytest.mark.parametrize("path", [ONE, ALL])
"""Without `evaluations`, the second is as the first (section 7.1)."""


def ask(path: str, value: object, lines: Any = ()) -> Answer:
    """Ask about the records; the answer is as the description says."""
    answer = caller(RECORDS).post(path, value, lines)
    check(answer, response_of(f"POST {path}", answer.status))
    return answer


def decided(value: dict[str, Any]) -> list[bool]:
    """The decisions of a batch."""
    answer = ask(ALL, value)
    assert answer.status == 200
    assert set(answer.json) == {"evaluations"}  # "it is RECOMMENDED that the `decision` key be omitted" (7.2)
    return [one["decision"] for one in answer.json["evaluations"]]


@PATHS
@pytest.mark.parametrize(
    ("origin", "action", "expected"),
    [(ALICE, READ, True), (ALICE, WRITE, True), (BOB, READ, True), (BOB, WRITE, False)],
)
def test_fixture(path: str, origin: str, action: dict[str, str], expected: object) -> None:
    """The four core decisions of the certification scenario are as it has them (1.4)."""
    answer = ask(path, {"subject": subject(origin), "action": action, "resource": record(1)})
    assert (answer.status, answer.json["decision"]) == (200, expected)


def test_hints_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal has a hint, as long as there are few in a second: one takes a hundred times as long as a decision."""
    monkeypatch.setattr("cors_service.web._advice.MOST_HINTS", 3)
    asking = caller(RECORDS)
    value = {"subject": subject("https://stranger.example"), "action": READ, "resource": record(1)}
    answers = [asking.post(ONE, value).json["context"] for _ in range(5)]
    assert [bool(answer["reason"].get("hint")) for answer in answers] == [True] * 3 + [False] * 2


OPTIONAL: dict[str, dict[str, Any]] = {
    "nothing": {},
    "context": {"context": {"time": "1985-10-26T01:22-07:00", "ip": "192.168.1.1"}},
    "an empty context": {"context": {}},
    "no context": {"context": None},
    "properties": {
        "subject": subject(ALICE) | {"properties": {"department": "Sales", "ip_address": "172.217.22.14"}},
        "action": READ | {"properties": {"method": "DELETE"}},
        "resource": record(1) | {"properties": {"library_record": {"title": "AuthZEN in Action"}}},
    },
    "no properties": {"resource": record(1) | {"properties": None}},
    "unknown members": {"foo": "bar", "futureField": {"nested": True}},
    "options": {"options": {"another_option": "value"}},
    "no evaluations": {"evaluations": []},
}


@PATHS
@pytest.mark.parametrize("more", OPTIONAL.values(), ids=OPTIONAL)
def test_optional_members(path: str, more: dict[str, Any]) -> None:
    """No optional member is needed, and none that is unknown is looked at (10.1.1)."""
    assert ask(path, WHOLE | more).json["decision"] is True


def without(*keys: str) -> dict[str, Any]:
    """An evaluation that lacks a member, or a member of a member."""
    value: dict[str, Any] = json.loads(json.dumps(WHOLE))
    part = value
    for key in keys[:-1]:
        part = part[key]
    del part[keys[-1]]
    return value


REFUSED: dict[str, Any] = {
    "no subject": without("subject"),
    "no action": without("action"),
    "no resource": without("resource"),
    "no subject.type": without("subject", "type"),
    "no subject.id": without("subject", "id"),
    "no action.name": without("action", "name"),
    "no resource.type": without("resource", "type"),
    "no resource.id": without("resource", "id"),
    "a string for a subject": WHOLE | {"subject": "alice"},
    "a number for a name": WHOLE | {"action": {"name": 123}},
    "null for a resource": WHOLE | {"resource": None},
    "a list for a context": WHOLE | {"context": []},
    "a list for options of a resource": WHOLE | {"resource": record(1) | {"properties": []}},
    "a number for headers": WHOLE | {"context": {"headers": 1}},
    "a number for a URL": WHOLE | {"resource": record(1) | {"properties": {"url": 1}}},
    "another origin in the headers": WHOLE | {"context": {"headers": {"Origin": BOB}}},
    "a list": [WHOLE],
}


@PATHS
@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED)
def test_malformed(path: str, value: object) -> None:
    """What lacks a required member, or has one of another type, is a 400 (certification, 2.4)."""
    assert ask(path, value).problem == (400, "query-malformed")


@pytest.mark.parametrize("value", [{"evaluations": {}}, {"options": []}, {"options": {"evaluations_semantic": None}}])
def test_malformed_batch(value: dict[str, Any]) -> None:
    """A batch is a list, and its options are an object with one of the three semantics."""
    assert ask(ALL, WHOLE | value).problem == (400, "query-malformed")


@PATHS
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"\xff"])
def test_not_json(path: str, body: bytes) -> None:
    """A body that is not a JSON object is a 400 (certification, 2.4.4 and 2.4.5)."""
    answer = caller(RECORDS).ask("POST", path, body, [("Content-Type", "application/json")])
    assert answer.status == 400


@PATHS
@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded"])
def test_content_type(path: str, media_type: str) -> None:
    """Another type than JSON is a 400 here (certification, 2.4.3); one with parameters is still JSON."""
    body = json.dumps(WHOLE).encode("ascii")
    assert caller(RECORDS).ask("POST", path, body, [("Content-Type", media_type)]).problem == (400, "not-json")
    lines = [("Content-Type", "application/json; charset=utf-8")]
    assert caller(RECORDS).ask("POST", path, body, lines).status == 200


@PATHS
def test_request_id(path: str) -> None:
    """The identifier of a request is that of its answer, an error or not; without one, nothing is missing (10.1.3)."""
    for value, status in ((WHOLE, 200), ({}, 400)):
        for name in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "an arbitrary string"):
            answer = ask(path, value, [("X-Request-ID", name)])
            assert (answer.status, answer.header("X-Request-ID")) == (status, name)
    assert ask(path, WHOLE).header("X-Request-ID") is None


def test_context_of_a_decision() -> None:
    """The context is the decision as the rest of the API has it: the headers to emit, the reason, the ttl."""
    for origin in (ALICE, BOB, "https://stranger.example", ""):
        query = {"policy": "record-1", "method": "PUT", "origin": origin or None}
        expected = caller(RECORDS).decide(**query)
        answer = ask(ONE, {"subject": subject(origin), "action": WRITE, "resource": record(1)})
        assert answer.json == {"decision": expected["allowed"] is not False, "context": expected}


def test_nobody_and_the_service_itself() -> None:
    """Permitted are a request without an Origin, and one of a page of the service's own."""
    own = {"subject": subject("https://records.example"), "action": WRITE}
    for resource, kind in (
        ({"type": "url", "id": "https://records.example/1/a"}, "same-origin"),
        (record(1) | {"properties": {"url": "https://records.example/1/a"}}, "same-origin"),
        (record(1), "actual"),
    ):
        answer = ask(ONE, own | {"resource": resource}).json
        assert (answer["decision"], answer["context"]["kind"]) == (kind == "same-origin", kind)
    answer = ask(ONE, WHOLE | {"subject": subject(""), "action": WRITE}).json
    assert (answer["decision"], answer["context"]["kind"]) == (True, "no-origin")


PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "x-a"}


@pytest.mark.parametrize(
    "headers",
    [PREFLIGHT, {name: [value] for name, value in PREFLIGHT.items()}, [*map(list, PREFLIGHT.items())]],
    ids=["values", "lists", "pairs"],
)
def test_preflight(headers: object) -> None:
    """What a preflight asks for is in the headers of the context, in any form that a query has them."""
    for origin, status in ((ALICE, 204), (BOB, 403)):
        asked = {"subject": subject(origin), "action": {"name": "OPTIONS"}, "resource": record(1)}
        answer = ask(ONE, asked | {"context": {"headers": headers}}).json
        assert (answer["decision"], answer["context"]["status"]) == (status == 204, status)


UNDECIDED = [
    (record(3), 404, "unknown-policy"),
    ({"type": "policy", "id": ""}, 404, "unknown-policy"),
    ({"type": "url", "id": "https://elsewhere.example/"}, 404, "no-policy-for-url"),
    ({"type": "record", "id": "record-1"}, 400, "unknown-type"),
    ({"type": "url", "id": "/1/a"}, 400, "url-malformed"),
    ({"type": "url", "id": "https://records.example/1/../2/"}, 400, "url-ambiguous"),
]


@pytest.mark.parametrize(("resource", "status", "code"), UNDECIDED)
def test_undecided(resource: dict[str, Any], status: int, code: str) -> None:
    """Where nothing can be decided about a whole evaluation, that is a denial with an error in its context (7.2.1)."""
    alone = ask(ONE, WHOLE | {"resource": resource}).json
    assert alone["decision"] is False
    assert (alone["context"]["error"]["status"], alone["context"]["error"]["code"]) == (status, code)
    batch = ask(ALL, WHOLE | {"evaluations": [{"resource": resource}, {}]}).json["evaluations"]
    assert batch[1]["decision"] is True
    # Asked about one evaluation alone, the service may say more.
    for answer in (alone, batch[0]):
        answer["context"]["error"].pop("message")
    assert batch[0] == alone


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"subject": subject(BOB), "resource": record(1), "evaluations": [{"action": READ}, {"action": WRITE}]},
            [1, 0],
        ),
        ({"evaluations": [WHOLE, {"subject": subject(BOB), "action": WRITE, "resource": record(1)}]}, [1, 0]),
        ({"subject": subject(ALICE), "action": READ, "evaluations": [{"resource": record(1)}, {}]}, [1, 0]),
        ({**WHOLE, "action": WRITE, "evaluations": [{}, {"action": READ}, {"subject": subject(BOB)}]}, [1, 1, 0]),
        ({**WHOLE, "evaluations": [None, "a", 1, [], WHOLE]}, [0, 0, 0, 0, 1]),
    ],
    ids=["order", "no defaults", "a part is missing", "defaults and exceptions", "odd"],
)
def test_batch(value: dict[str, Any], expected: list[int]) -> None:
    """Each evaluation has its decision in its place, with defaults or without (7.1.1; certification, 3.2 and 3.4)."""
    assert decided(value) == [*map(bool, expected)]


def test_a_part_replaces_its_default() -> None:
    """A part of an evaluation replaces its default, but for what it must have and has not (certification, 3.2.7)."""
    near = {"type": "policy", "properties": {"url": "https://records.example/1/a"}}
    stranger = {"subject": subject("https://records.example"), "action": READ}
    batch: dict[str, Any] = stranger | {
        "resource": near,
        "evaluations": [{"resource": {"id": "record-1"}}, {"resource": record(1)}],
    }
    # Without the URL of the default, the origin is not the service's own.
    assert decided(batch) == [False, False]
    batch["evaluations"][0]["resource"]["properties"] = near["properties"]
    assert decided(batch) == [True, False]


def test_context_is_inherited() -> None:
    """The context beside the batch is that of each evaluation, unless it has its own (certification, 3.2.6)."""
    batch = {
        "subject": subject(ALICE),
        "action": {"name": "OPTIONS"},
        "resource": record(1),
        "context": {"headers": PREFLIGHT},
        "evaluations": [
            {},
            {"context": {"headers": PREFLIGHT | {"Access-Control-Request-Headers": "x-b"}}},
            {"context": {}},
        ],
    }
    kinds = [one["context"]["kind"] for one in ask(ALL, batch).json["evaluations"]]
    assert kinds == ["preflight", "preflight", "actual"]
    assert decided(batch)[:2] == [True, False]


THREE = [{"resource": record(1)}, {"resource": record(2)}, {"resource": record(1)}]
"""The documents of the specification's example: the second is denied."""


@pytest.mark.parametrize(
    ("semantic", "items", "expected"),
    [
        ("execute_all", THREE, [True, False, True]),
        (None, THREE, [True, False, True]),
        ("deny_on_first_deny", THREE, [True, False]),
        ("deny_on_first_deny", THREE[::2], [True, True]),
        ("deny_on_first_deny", [THREE[0], {"resource": record(3)}, THREE[0]], [True, False]),
        ("deny_on_first_deny", [THREE[0], None, THREE[0]], [True, False]),
        ("permit_on_first_permit", THREE, [True]),
        ("permit_on_first_permit", THREE[1:], [False, True]),
        ("permit_on_first_permit", [None, {"resource": record(3)}, THREE[1]], [False, False, False]),
    ],
)
def test_semantics(semantic: str | None, items: list[object], expected: list[bool]) -> None:
    """A batch goes through, or ends behind the first denial or error, or behind the first permit (7.1.2.1)."""
    options = {} if semantic is None else {"options": {"evaluations_semantic": semantic}}
    assert expected == decided({"subject": subject(ALICE), "action": READ, "evaluations": items} | options)


USER = {"type": "user", "id": "alice@example.com"}
CAN_READ, CAN_EDIT, TIME = {"name": "can_read"}, {"name": "can_edit"}, {"time": "2024-05-31T15:22-07:00"}


def document(name: str) -> dict[str, str]:
    """A resource of the specification."""
    return {"type": "document", "id": name}


NAMED = [*map(document, ("boxcarring.md", "subject-search.md", "resource-search.md"))]
NUMBERED = {"subject": USER, "action": {"name": "read"}, "evaluations": [{"resource": document(n)} for n in "123"]}
SPECIFIED: dict[str, tuple[str, dict[str, Any], int]] = {
    "6.1.1": (
        ONE,
        {
            "subject": USER,
            "resource": {"type": "account", "id": "123"},
            "action": CAN_READ | {"properties": {"method": "GET"}},
            "context": {"time": "1985-10-26T01:22-07:00"},
        },
        1,
    ),
    "7.1, no defaults": (
        ALL,
        {"evaluations": [{"subject": USER, "action": CAN_READ, "resource": one, "context": TIME} for one in NAMED]},
        3,
    ),
    "7.1.1, a subject and a context": (
        ALL,
        {"subject": USER, "context": TIME, "evaluations": [{"action": CAN_READ, "resource": one} for one in NAMED]},
        3,
    ),
    "7.1.1, an action": (
        ALL,
        {
            "subject": USER,
            "context": TIME,
            "action": CAN_READ,
            "evaluations": [{"resource": NAMED[0]}, {"resource": NAMED[1]}, {"action": CAN_EDIT, "resource": NAMED[2]}],
        },
        3,
    ),
    "7.1.2": (
        ALL,
        {
            "evaluations": [{"resource": {"type": "doc", "id": "1"}, "subject": {"type": "doc", "id": "2"}}],
            "options": {"evaluations_semantic": "execute_all", "another_option": "value"},
        },
        1,
    ),
    "execute_all": (ALL, NUMBERED | {"options": {"evaluations_semantic": "execute_all"}}, 3),
    "deny_on_first_deny": (ALL, NUMBERED | {"options": {"evaluations_semantic": "deny_on_first_deny"}}, 1),
    "permit_on_first_permit": (ALL, NUMBERED | {"options": {"evaluations_semantic": "permit_on_first_permit"}}, 3),
}


@pytest.mark.parametrize(("path", "value", "expected"), SPECIFIED.values(), ids=SPECIFIED)
def test_examples_of_the_specification(path: str, value: dict[str, Any], expected: int) -> None:
    """What the specification asks as an example is answered; since it is not about origins, it is denied."""
    answer = ask(path, value).json
    assert [one["decision"] for one in answer.get("evaluations", [answer])] == [False] * expected
    assert {"error"} == {key for one in answer.get("evaluations", [answer]) for key in one["context"]}


@pytest.mark.parametrize("items", [1, 30, 1000])
def test_long_batches(items: int) -> None:
    """Batches that are decided at once and those that take turns have the same decisions."""
    one = WHOLE | {"context": {"headers": {"x-filler": "a" * 500}}}
    batch = ([one, WHOLE | {"action": {"name": "DELETE"}}] * items)[:1000]
    assert decided({"evaluations": batch}) == ([True, False] * items)[:1000]


@PATHS
def test_large_evaluation(path: str) -> None:
    """An evaluation of many bytes is decided like any other, and a mistake in it is an error like any other."""
    filler = {"context": {"note": "a" * 100_000}}
    assert ask(path, WHOLE | filler).json["decision"] is True
    assert ask(path, WHOLE | filler | {"subject": None}).problem == (400, "query-malformed")


def test_limits() -> None:
    """A batch has as many evaluations as one of queries has; with its defaults written out, it is as large a body."""
    limits = Limits(batch=3, body=2000)
    ask_limited = caller(RECORDS, limits).post
    assert ask_limited(ALL, WHOLE | {"evaluations": [{}] * 3}).status == 200
    assert ask_limited(ALL, WHOLE | {"evaluations": [{}] * 4}).problem == (400, "too-many-queries")
    large = WHOLE | {"context": {"note": "a" * 700}}
    assert ask_limited(ALL, large | {"evaluations": [{}] * 2}).status == 200
    assert ask_limited(ALL, large | {"evaluations": [{}] * 3}).problem == (413, "body-too-large")


def test_one_revision() -> None:
    """One revision decides a batch that takes many turns, though policies change meanwhile."""
    clock = Clock()
    store, policies = live(RECORDS, clock)
    policies.startService()
    root = tree_of(policies, clock)
    steps = (
        root.children[b"access"]
        .children[b"v1"]
        .children[b"evaluations"]
        .answer(
            PlainRequest(
                b"POST", ALL.encode(), PlainHeaders(), json.dumps(WHOLE | {"evaluations": [{}] * 500}).encode("ascii")
            )
        )
        .steps
    )
    for _ in range(100):
        next(steps)
    store.replace(POLICIES)
    assert policies.status.revision != Caller(tree(RECORDS)).decide(policy="record-1", method="GET")["revision"]
    try:
        while True:
            next(steps)
    except StopIteration as end:
        found = {one["context"]["revision"] for one in json.loads(end.value.body)["evaluations"]}
    assert found == {Caller(tree(RECORDS)).decide(policy="record-1", method="GET")["revision"]}


WELL_KNOWN = "/.well-known/authzen-configuration"


def configuration(base: str) -> dict[str, str]:
    """What is told where the service has this URL."""
    return {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}{ONE}",
        "access_evaluations_endpoint": f"{base}{ALL}",
    }


@pytest.mark.parametrize(
    ("lines", "base"),
    [
        ([("Host", "pdp.example.com")], "http://pdp.example.com"),
        ([("Host", "pdp.example.com:8443")], "http://pdp.example.com:8443"),
        ([("Host", "[::1]:8080")], "http://[::1]:8080"),
        ([("Host", "pdp.example.com"), ("X-Forwarded-Proto", "https")], "https://pdp.example.com"),
        ([("Host", "pdp.example.com"), ("X-Forwarded-Proto", "ftp")], "http://pdp.example.com"),
        ([("Host", "pdp.example.com"), ("X-Forwarded-Proto", "http, https")], "http://pdp.example.com"),
    ],
)
def test_configuration(lines: list[tuple[str, str]], base: str) -> None:
    """The URLs have the host and the scheme by which the configuration is asked for (9.2.3)."""
    answer = caller().get(WELL_KNOWN, lines)
    check(answer, response_of(f"GET {WELL_KNOWN}", 200))
    assert answer.json == configuration(base)


def test_configuration_elsewhere() -> None:
    """Beneath another path, the base has that path, however the rest is spelt."""
    for path in (f"/cors{WELL_KNOWN}", "/cors/.well-known/authzen%2Dconfiguration"):
        request = PlainRequest(b"GET", path.encode(), PlainHeaders({b"host": [b"a.example"]}), b"")
        answer = tree().children[b".well-known"].children[b"authzen-configuration"].answer(request)
        assert json.loads(answer.body) == configuration("http://a.example/cors")


def test_configuration_without_host() -> None:
    """A request of HTTP/1.0 without a Host gives nothing to make URLs of."""
    request = PlainRequest(b"GET", WELL_KNOWN.encode(), PlainHeaders(), b"")
    answer = tree().children[b".well-known"].children[b"authzen-configuration"].answer(request)
    assert (answer.status, json.loads(answer.body)["code"]) == (400, "request-malformed")

"""Tests of what all answers over HTTP have in common."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock
from twisted.web.resource import Resource

from cors_service.policy import read_document
from cors_service.store import FixedPolicies
from cors_service.web.ids import decision_ids
from tests.web.traversal import METHODS, POLICIES, Answer, Caller, caller, live, on_the_wire, tree, tree_of

GOOD = {"policy": "status", "origin": "https://status.example.com", "method": "GET"}


def everything() -> Iterator[Answer]:
    """Answers of every kind, each asked for as a page of another origin would."""
    page = [("Origin", "https://status.example.com")]
    preflight = [*page, ("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-a")]
    asked, empty = caller(), Caller(tree_of(live(POLICIES, Clock())[1]))
    for path in [*METHODS, "/", "/v1/nothing"]:
        yield asked.get(path, page)
        yield asked.get(path, [*page, ("If-None-Match", "*")])
        yield asked.ask("HEAD", path, lines=page)
        yield asked.ask("OPTIONS", path, lines=preflight)
        yield asked.ask("DELETE", path, lines=page)
        yield asked.post(path, GOOD | {"queries": [GOOD]}, page)
        yield asked.ask("POST", path, b"{", page)
        yield asked.ask("POST", path, b"a", [*page, ("Content-Type", "text/plain")])
        yield asked.ask("POST", path, b" " * ((1 << 20) + 1), page)
        yield empty.get(path, page)
    yield asked.get("/v1/decision", page, policy="status", origin="https://status.example.com")
    yield asked.get("/v1/decision", page, policy="nothing")
    yield asked.get("/v1/decision", page)


METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """Answers of every kind."""
    return list(everything())


def test_every_kind(answers: list[Answer]) -> None:
    """The answers that the tests below look at have every status but that of a fault."""
    assert {answer.status for answer in answers} == {200, 304, 400, 404, 405, 413, 415, 503}


def test_never_shared(answers: list[Answer]) -> None:
    """No answer lets a page of another origin read it."""
    names = {name.lower() for answer in answers for name, _ in answer.lines}
    assert not [name for name in names if name.startswith("access-control-")]


def test_never_sniffed(answers: list[Answer]) -> None:
    """Every answer says that browsers must believe its type: JSON wherever there is a body, but for the metrics."""
    assert {answer.header("X-Content-Type-Options") for answer in answers} == {"nosniff"}
    types = {answer.header("Content-Type") for answer in answers if answer.body}
    assert types == {"application/json", "application/problem+json", METRICS_TYPE}


def test_every_body_is_json(answers: list[Answer]) -> None:
    """Every body is JSON, but for the metrics, and every error says its status and its code."""
    for answer in answers:
        if answer.header("Content-Type") == METRICS_TYPE:
            continue
        if answer.body:
            assert answer.json
        if answer.body and answer.status >= 400:
            assert set(answer.json) == {"type", "title", "status", "detail", "code"}
            assert answer.json["type"] == f"urn:cors-service:problem:{answer.problem[1]}"


def test_errors_are_not_kept(answers: list[Answer]) -> None:
    """No cache keeps an error, and every answer says whether one may keep it."""
    assert {answer.header("Cache-Control") for answer in answers if answer.status >= 400} == {"no-store"}
    assert None not in {answer.header("Cache-Control") for answer in answers}


def test_decision_ids(answers: list[Answer]) -> None:
    """Every answer has a name of its own, errors too."""
    ids = [answer.header("Cors-Decision-Id") for answer in answers]
    assert None not in ids
    # Two services were asked.
    assert len(set(ids)) == len(ids)


def test_decision_ids_do_not_count() -> None:
    """Names reveal neither how many answers lie between two of them, nor which process gave them, nor the next one."""
    ids = decision_ids()
    names = [next(ids).decode("ascii") for _ in range(2000)]
    assert len(set(names)) == len(names)
    assert names not in (sorted(names), sorted(names, reverse=True))
    # In each place there is each digit: there is no part that stays, and none that goes up slowly.
    assert [set("0123456789abcdef")] * 24 == [set(digits) for digits in zip(*names, strict=True)]


REQUEST_IDS: dict[str, tuple[list[str], str | None]] = {
    "none": ([], None),
    "a word": (["a"], "a"),
    "a UUID": (["7f9c2ba4-e88f-4b5e-a8d3-6a3f1b2c9d01"], "7f9c2ba4-e88f-4b5e-a8d3-6a3f1b2c9d01"),
    "all of visible ASCII": (["".join(map(chr, range(0x21, 0x7F)))], "".join(map(chr, range(0x21, 0x7F)))),
    "1024 characters": (["a" * 1024], "a" * 1024),
    "1025 characters": (["a" * 1025], None),
    "empty": ([""], None),
    "a space in it": (["a b"], "a b"),
    "a tab in it": (["a\tb"], None),
    "DEL": (["a\x7f"], None),
    "beyond ASCII": (["\u00fc"], None),
    "two lines": (["a", "b"], "a"),
    "two lines, the first one odd": (["a\tb", "b"], None),
}


@pytest.mark.parametrize(("values", "expected"), REQUEST_IDS.values(), ids=REQUEST_IDS)
@pytest.mark.parametrize("path", ["/livez", "/nothing", "/v1/decision?policy=status", "/v1/decision"])
def test_request_id(path: str, values: list[str], expected: str | None) -> None:
    """Every answer repeats the request's own name for it, if that is short and visible ASCII."""
    assert expected == caller().get(path, [("X-Request-ID", value) for value in values]).header("X-Request-ID")


@pytest.mark.parametrize("name", ["Cors-Decision-Id", "X-Content-Type-Options", "Cache-Control"])
def test_requests_set_no_headers_of_answers(name: str) -> None:
    """No header of the request but X-Request-ID finds its way into the answer."""
    assert caller().get("/livez", [(name, "forged")]).header(name) != "forged"


# The metrics count the one before.
HEADS = [
    *(path for path in METHODS if path != "/metrics"),
    "/",
    "/v1/decision?policy=status&origin=null",
    "/v1/decision?policy=nothing",
    "/v1/decision?url=a",
]


@pytest.mark.parametrize("path", HEADS)
def test_head(path: str) -> None:
    """HEAD gets what GET gets, errors too, with the length of the body and without the body."""
    root = tree()
    got = {
        method: on_the_wire(root, f"{method} {path} HTTP/1.1\r\nHost: a\r\nX-Request-ID: b\r\n\r\n".encode("ascii"))
        for method in ("GET", "HEAD")
    }
    (get, body), (head, nothing) = (got[method].split(b"\r\n\r\n", 1) for method in ("GET", "HEAD"))
    assert nothing == b""
    assert f"content-length: {len(body)}".encode("ascii") in {line.lower() for line in get.split(b"\r\n")}
    if "GET" in METHODS.get(path, "GET"):  # a 405 names the method
        assert lasting(get) == lasting(head)


def lasting(head: bytes) -> list[bytes]:
    """The lines of an answer's head that do not differ from one answer to the next."""
    return [line for line in head.split(b"\r\n") if not line.lower().startswith((b"date:", b"cors-decision-id:"))]


@pytest.mark.parametrize("parameter", ["origin", "policy", "url", "method"])
def test_nothing_is_forged(parameter: str) -> None:
    """No value in a request can add a header to its answer, end its body, or add to the headers that are to be set."""
    value = 'https://status.example.com\r\nX-Injected: 1\r\n\r\n"}'
    parameters = {"policy": "status", "origin": "https://status.example.com", parameter: value}
    answer = caller().get("/v1/decision", **parameters)
    assert answer.header("X-Injected") is None
    assert "X-Injected" not in json.dumps(answer.json.get("headers", []))


def test_one_site_for_several_trees() -> None:
    """A tree may stand beneath another path of a site, and works there as it does alone."""
    root = Resource()
    root.putChild(b"cors", tree())
    other = FixedPolicies(read_document({"version": 1, "policies": {"status": {"origins": ["*"]}}}))
    root.putChild(b"other", tree_of(other))
    asked = Caller(root)
    seen = [asked.post(f"/{name}/v1/decision", GOOD | {"origin": "null"}).json["allowed"] for name in ("cors", "other")]
    assert seen == [False, True]
    assert asked.get("/cors/v1/policies/status").status == 200
    assert asked.get("/cors/v1/nothing").problem == (404, "not-found")

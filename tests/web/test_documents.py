"""Tests of the documents of active policies: written in slices, once, and shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from twisted.python.failure import Failure

from cors_service.decision import ActivePolicies
from cors_service.policy import PolicySet, read_document, write_document
from cors_service.testing.strategies import documents
from cors_service.web._documents import Document, Documents, document_steps
from cors_service.web.turns import Turns
from cors_service.wire.json_text import write_json
from tests.web.traversal import Caller, caller, live, tree_of

MANY = 400
LARGE: dict[str, Any] = {
    "version": 1,
    "origin_sets": {"many": [f"https://m{number}.example" for number in range(5000)], "few": ["https://few.example"]},
    "policies": {
        **{f"p{number}": {"origins": [f"https://a{number}.example"]} for number in range(MANY)},
        "large": {
            "match": [f"m{number}.example/" for number in range(600)],
            "rules": [
                {"origins": ["@few", "@many", *(f"https://l{number}.example" for number in range(3000))], "max_age": 5},
                {"origins": ["*"]},
            ],
        },
    },
}


def joined(policy_set: PolicySet, names: list[str]) -> bytes:
    """All that the steps of a document give, in its order."""
    steps = list(document_steps(policy_set, names))
    return b"".join(
        text for is_set, text in [*filter(lambda step: step[0], steps), *filter(lambda step: not step[0], steps)]
    )


@given(documents())
def test_any_document(document: dict[str, Any]) -> None:
    """Whatever the policies, the steps write what `write_document` does."""
    policy_set = read_document(document)
    names = list(policy_set.policies)
    assert write_json(write_document(policy_set)) == joined(policy_set, names)
    assert write_json(write_document(policy_set, names[:1])) == joined(policy_set, names[:1])


@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("matches", [1, 600])
@pytest.mark.parametrize("sets", [0, 1, 2])
def test_headers_and_static(matches: int, sets: int, *, static: bool) -> None:
    """Header sets are written behind the policies if there are any, and static policies are, however large they are."""
    names = [f"h{number}" for number in range(sets)]
    policy = {
        "origins": ["https://a.example"],
        "static": static,
        "match": [f"m{number}.example/" for number in range(matches)],
        "request_headers": ["x-a", *(f"@{name}" for name in names)],
    }
    policy_set = read_document(
        {"version": 1, "header_sets": {name: [f"x-{name}", "x-b"] for name in names}, "policies": {"a": policy}}
    )
    assert write_json(write_document(policy_set)) == joined(policy_set, ["a"])


def test_large_parts() -> None:
    """A policy and an origin set that are too large for one step are written as others are."""
    policy_set = read_document(LARGE)
    assert write_json(write_document(policy_set)) == joined(policy_set, list(policy_set.policies))
    assert write_json(write_document(policy_set, ["large"])) == joined(policy_set, ["large"])
    assert max(len(text) for _, text in document_steps(policy_set, ["large"])) < 10_000


@pytest.mark.parametrize("path", ["/v1/policies", "/v1/policies/large", "/v1/policies/p7"])
def test_large_over_http(path: str) -> None:
    """A large document comes whole, with its length and a tag, also in pieces."""
    asked = caller(LARGE)
    name = path.removeprefix("/v1/policies").removeprefix("/")
    answer = asked.get(path)
    assert write_json(write_document(read_document(LARGE), [name] if name else None)) == answer.body
    assert (answer.status, answer.header("Content-Type")) == (200, "application/json")
    assert asked.get(path, [("If-None-Match", answer.header("ETag") or "")]).status == 304
    head = asked.ask("HEAD", path)
    assert (head.status, head.body, head.header("ETag")) == (200, b"", answer.header("ETag"))


def written(clock: Clock, document: Document) -> list[object]:
    """Wait for a document; give what tells that it is there."""
    done: list[object] = []
    Turns(clock).take(document.ready()).whenDone().addBoth(done.append)
    return done


def test_shared() -> None:
    """All who ask for a document while it is written, or later, get the same, until there is another revision."""
    clock = Clock()
    kept = Documents(Turns(clock))
    active, other = (
        ActivePolicies(read_document(LARGE)),
        ActivePolicies(read_document({**LARGE, "policies": {**LARGE["policies"], "q": {"origins": ["*"]}}})),
    )
    document = kept.of(active)
    assert kept.of(active) is document
    waiting = [written(clock, document) for _ in range(3)]
    clock.advance(0)
    clock.advance(0)
    assert all(waiting)
    assert document.is_complete
    assert kept.of(active) is document
    assert kept.of(other) is not document
    assert kept.of(active) is not document


def test_kept_small() -> None:
    """What is kept of a document is a fraction of it."""
    clock = Clock()
    document = Documents(Turns(clock)).of(ActivePolicies(read_document(LARGE)))
    written(clock, document)
    clock.pump([0] * 3)
    assert len(b"".join(document)) == len(document)
    assert sum(map(len, document._pieces)) < len(document) / 5


def test_single_ones_are_bounded() -> None:
    """Of the documents of single policies a few are kept, and that of all policies beside them."""
    policies = {f"p{number}": {"origins": [f"https://a{each}.example" for each in range(2500)]} for number in range(20)}
    kept = Documents(Turns(Clock()))
    active = ActivePolicies(read_document({"version": 1, "policies": policies}))
    whole = kept.of(active)
    for name in policies:
        assert kept.of(active, name) is kept.of(active, name)
    assert kept.of(active) is whole
    assert len(kept._kept) <= 5


def test_given_up() -> None:
    """A document that nobody waits for any more is written no further, and begun anew for the next who asks."""
    clock = Clock()
    turns = Turns(clock)
    kept = Documents(turns)
    active = ActivePolicies(read_document(LARGE))
    document = kept.of(active)
    ready = [document.ready(), document.ready()]
    for one in ready:
        next(one)
    ready[0].close()
    assert document.is_wanted
    ready[1].close()
    assert (document.is_wanted, clock.getDelayedCalls()) == (False, [])
    again = kept.of(active)
    assert again is not document
    assert not written(clock, again)
    clock.pump([0] * 3)
    assert again.is_complete


def test_cannot_be_written(nothing_left_behind: list[LogEvent]) -> None:
    """A fault while a document is written is in the log, and all who wait for it get an error."""

    def broken() -> Iterator[tuple[bool, bytes]]:
        yield True, b"{"
        raise LookupError

    clock = Clock()
    document = Document(Turns(clock), broken())
    waiting = [written(clock, document), written(clock, document)]
    clock.pump([0] * 3)
    assert [type(one.value) for [one] in waiting if isinstance(one, Failure)] == [RuntimeError] * 2
    assert [event["log_failure"].type for event in nothing_left_behind] == [LookupError]
    nothing_left_behind.clear()


def test_another_revision_meanwhile() -> None:
    """Who asked before a change gets the document of the policies before it, whole."""
    clock = Clock()
    store, policies = live(LARGE, clock)
    policies.startService()
    asked = Caller(tree_of(policies, clock))
    before = asked.get("/v1/policies")
    store.replace({"version": 1, "policies": {"one": {"origins": ["*"]}}})
    after = asked.get("/v1/policies")
    assert len(before.json["policies"]) == MANY + 1
    assert list(after.json["policies"]) == ["one"]
    assert before.header("ETag") != after.header("ETag")


class Ticking(Clock):
    """A clock that goes on while it is looked at, as clocks do, and notes when it begins what.

    Attributes:
        turns: Is called when something begins that it was told to do later.
    """

    def __init__(self, turns: Callable[[], object]) -> None:
        super().__init__()
        self.turns = turns

    def seconds(self) -> float:
        """The time; a tenth of a millisecond later than the time before."""
        self.rightNow += 1e-4
        return super().seconds()

    def callLater(self, delay: float, callable: Callable[..., object], *args: object, **kw: object) -> IDelayedCall:  # noqa: A002 - as in the base
        """Do something later."""

        def begin() -> None:
            self.turns()
            callable(*args, **kw)

        return super().callLater(delay, begin)


def test_slices() -> None:
    """In a turn of the reactor, however many ask, no more is done than fits into a slice."""
    steps: list[int] = []
    begun: list[int] = []
    clock = Ticking(lambda: begun.append(len(steps)))
    turns = Turns(clock)

    def work(number: int) -> Any:
        for _ in range(100):
            steps.append(number)
            yield None

    for number in range(16):
        turns.take(work(number))
    while clock.getDelayedCalls():
        clock.advance(0)
    assert len(steps) == 1600
    assert max(after - before for before, after in pairwise(begun)) <= 10
    # All of them go on.
    assert set(steps[:32]) == set(range(16))


def test_order_of_members() -> None:
    """A document begins with its version and the origin sets, which a reader wants to know first."""
    assert list(json.loads(caller(LARGE).get("/v1/policies").body)) == ["version", "origin_sets", "policies"]

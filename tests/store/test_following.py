"""Tests of what a process that decides says of the store that it follows."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from twisted.internet.task import Clock

from cors_service.observe.process import Process
from cors_service.observe.store_metrics import store_families
from cors_service.reader.messages import Following
from cors_service.store import LivePolicies, MemoryPolicyStore
from cors_service.store.following import FollowingLog, FollowingReports, StoreView
from cors_service.web import decision_resource
from tests.web.traversal import Caller

A, B = "sha256:a", "sha256:b"
ONE = {"version": 1, "policies": {"one": {"origins": ["*"]}}}


def told(revision: str, seq: int, at: float | None = None, **others: object) -> Following:
    """What a reader says that has the newest change."""
    fields: dict[str, Any] = {"head_seq": seq, "confirmed": None if at is None else seq, "confirmed_at": at, **others}
    return Following(revision=revision, seq=seq, **fields)


def test_confirmed_for_what_decides() -> None:
    """What the store confirms counts once it decides here, and no sooner."""
    view = StoreView("db")
    assert view.status(10.0).confirmed_age_seconds is None
    view.become(A, 1, 10.0)
    view.tell(told(A, 1, 11.0), 11.5)
    assert (view.status(12.0).confirmed_at, view.status(12.0).confirmed_age_seconds) == (11.0, 1.0)
    view.tell(told(B, 2, 13.0), 13.5)
    status = view.status(14.0)
    assert (status.seq, status.head_seq, status.confirmed_at, status.behind_since) == (1, 2, 11.0, 13.5)
    view.become(B, 2, 15.0)
    status = view.status(16.0)
    assert (status.seq, status.confirmed_at, status.behind_since) == (2, 13.0, None)


def test_confirmed_while_there_is_always_something_newer() -> None:
    """What the store confirms counts for newer policies, too, and for those that come later."""
    view = StoreView("db")
    view.become(A, 3, 0.0)
    view.tell(told(A, 2, 1.0), 1.0)
    assert view.status(2.0).confirmed_at == 1.0
    for seq in (4, 5, 6):
        view.tell(told(B, seq, float(seq)), float(seq))
    view.become(B, 5, 7.0)
    assert view.status(7.0).confirmed_at == 5.0


def test_rollback_to_the_same_policies() -> None:
    """Policies that are there again have the number of the newer change."""
    view = StoreView("db")
    view.become(A, 1, 0.0)
    view.tell(told(A, 3, 5.0), 5.0)
    assert view.status(6.0).behind_since == 5.0
    view.become(A, 3, 7.0)
    assert (view.status(7.0).seq, view.status(7.0).behind_since) == (3, None)


@pytest.mark.parametrize(("code", "is_stale"), [("store-unreachable", True), ("store-ledger-broken", False)])
def test_stale(code: str, is_stale: bool) -> None:
    """Whatever keeps something newer away makes policies stale; a ledger that somebody has edited does not."""
    view = StoreView("db")
    policies = LivePolicies(MemoryPolicyStore(ONE), Clock(), view=view)
    view.tell(Following(problem=code, message="Something."), 0.0)
    assert policies.status.stale is is_stale


def test_log(logged: list[tuple[str, str]]) -> None:
    """The log has a line when a problem comes, one when it is another, and one when it is over."""
    log = FollowingLog("db")
    for problem in (
        None,
        "store-unreachable",
        "store-unreachable",
        "store-went-back",
        "store-ledger-broken",
        None,
        None,
    ):
        log.take(told(A, 7, problem=problem, message=f"This is {problem}."))
    lines = [text for _, text in logged]
    assert lines == [
        "db: This is store-unreachable. [store-unreachable] Until that is mended, change 7 stays active.",
        "db: This is store-went-back. [store-went-back] Until that is mended, change 7 stays active.",
        "db: This is store-ledger-broken. [store-ledger-broken]",
        "db is followed again, at change 7",
    ]


def test_reader_that_fails(logged: list[tuple[str, str]]) -> None:
    """That a reader fails hides what it says is wrong, until it works; how often it came to that is counted."""
    found: list[Following] = []
    reports = FollowingReports("db", found.append)
    reports.take(told(A, 7))
    for _ in range(2):
        reports.has_failed("reader-failed", "It ended.")
        reports.take(told(A, 7, problem="store-unreachable", message="No answer.", problems={"store-unreachable": 1}))
        reports.works()
        reports.works()
    codes = ["reader-failed", "reader-failed", "store-unreachable"]
    assert [one.problem for one in found] == [None, *codes, *codes]
    assert found[-1].problems == {"store-unreachable": 1, "reader-failed": 2}
    assert (found[-2].message, found[-2].seq) == ("It ended.", 7)
    assert len(logged) == 4


def test_metrics() -> None:
    """The metrics are those of the process that is furthest behind; what was never confirmed is infinitely old."""
    processes = [Process(A, 1, 0.0, False, 0, 2, 90.0), Process(A, 1, 0.0, False, 0, 3, 95.0)]
    following = told(
        A, 3, 95.0, problem="store-ledger-broken", problems={"store-went-back": 2, "store-ledger-broken": 1}
    )
    found = {
        (family.name, *sample.labels.values()): sample.value
        for family in store_families(following, processes, 100.0)
        for sample in family.samples
    }
    assert found == {
        ("cors_policy_seq",): 2,
        ("cors_store_head_seq",): 3,
        ("cors_store_confirmed_age_seconds",): 10.0,
        ("cors_store_problem", "store-ledger-broken"): 1,
        ("cors_store_problem", "store-went-back"): 0,
        ("cors_store_problems", "store-ledger-broken"): 1,
        ("cors_store_problems", "store-went-back"): 2,
    }
    [_, age, *_] = [*store_families(told(A, 3), [Process(A, 1, 0.0, False)], 100.0)]
    assert age.samples[0].value == inf


def test_ready() -> None:
    """With a limit, the service is ready only while the store has confirmed its policies lately enough."""
    clock, view = Clock(), StoreView("db")
    policies = LivePolicies(MemoryPolicyStore(ONE), clock, view=view)
    policies.reload()
    assert policies.active is not None
    tree = decision_resource(policies, clock=clock)
    caller = Caller(tree)
    assert caller.get("/readyz").status == 200
    tree.ready.max_stale = 60.0
    assert caller.get("/readyz").problem == (503, "stale-policies")
    view.become(policies.active.revision, 1, clock.seconds())
    view.tell(told(policies.active.revision, 1, clock.seconds()), clock.seconds())
    assert caller.get("/readyz").status == 200
    clock.advance(61)
    assert caller.get("/readyz").problem == (503, "stale-policies")
    assert caller.get("/v1/decision?policy=one&origin=https://a.example").status == 200

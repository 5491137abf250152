"""Tests of decisions in this process: they are those of the active policies, and a bounded number is remembered."""

from __future__ import annotations

import pytest

from cors_service.asking.local import LocalDecider
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.stopped import UNDECIDED
from tests.decision.queries import PAGE, asked, flat, sent


def decider() -> LocalDecider:
    """Decide by a policy that allows PAGE."""
    return LocalDecider(flat().policy_set, print)


class Holder:
    """Whoever holds policies."""

    active: ActivePolicies | None = None


def test_policies_come_and_change() -> None:
    """A decision is that of the policies that are active, whatever was remembered of others; without any, a refusal."""
    holder = Holder()
    local = LocalDecider(holder, print)
    for active in (None, flat(), flat(methods=["PUT"]), flat(), None):
        holder.active = active
        for _ in range(3):
            decision = local.decide(sent(PAGE))
            if active is None:
                assert (decision.reason.code, decision.allowed) == (UNDECIDED, False)
            else:
                assert active.decide(sent(PAGE)) == decision


def test_no_decision() -> None:
    """A query about which there is no decision is refused, and each time that is said."""
    said: list[str] = []
    local = LocalDecider(flat().policy_set, said.append)
    decisions = [local.decide(Query("GET", policy="nothing", origins=(PAGE,))) for _ in range(3)]
    assert {(UNDECIDED, False)} == {(decision.reason.code, decision.allowed) for decision in decisions}
    assert said == ["There is no policy 'nothing'."] * 3


def remembered(local: LocalDecider) -> int:
    """Count what is remembered of queries."""
    return len(local._memo.young) + len(local._memo._old)


def decide_often(local: LocalDecider, query: Query) -> Decision:
    """Ask a query so often that it is worth remembering."""
    return [local.decide(query) for _ in range(3)][-1]


@pytest.mark.slow
def test_memory_is_bounded() -> None:
    """Of 100,000 different queries, each asked twice, no more than 8,192 are remembered at any time."""
    local = decider()
    most = 0
    for number in range(100_000):
        for _ in range(2):
            local.decide(sent(f"https://n{number}.example"))
        most = max(most, remembered(local))
    assert 4096 <= most <= 8192


def test_memory_is_used() -> None:
    """A query that is asked again and again gets the very same decision."""
    local = decider()
    assert decide_often(local, sent(PAGE)) is local.decide(sent(PAGE))


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
    local = decider()
    decide_often(local, query)
    assert remembered(local) == 0


@pytest.mark.parametrize(("length", "kept"), [(1012, 1), (1013, 0)])
def test_largest_query_that_is_kept(length: int, kept: int) -> None:
    """A query is kept up to 1,024 characters: those of the policy, the method and the lines, and 8 for each line."""
    local = decider()
    decide_often(local, Query("GET", "a", origins=("a" * length,)))
    assert remembered(local) == kept


@pytest.mark.parametrize("query", [sent(PAGE), sent(), asked(PAGE, "GET", "a" * 900)], ids=["actual", "none", "long"])
def test_usual_queries_are_kept(query: Query) -> None:
    """A query of usual size is kept."""
    local = decider()
    decide_often(local, query)
    assert remembered(local) == 1

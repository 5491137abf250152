"""Tests of the sums over all processes: no decision is lost, and none is counted twice."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import Query
from cors_service.decision.steps import at_once
from cors_service.observe.counted import LONGEST_METHOD, LONGEST_ORIGIN, Counted
from cors_service.observe.sights import Sights
from cors_service.observe.table import Table
from cors_service.observe.tally import ANEW, DECISIONS, MOST_POLICIES, RowTally, Tally
from cors_service.observe.totals import OTHER, Totals
from tests.observe.counting import (
    ALLOWED,
    NO_ORIGIN,
    POLICIES,
    PREFLIGHT,
    REFUSED,
    UNKNOWN,
    counted_and_killed,
    fact_of,
    stranger,
)

QUERIES = [ALLOWED, REFUSED, PREFLIGHT, NO_ORIGIN, UNKNOWN, *map(stranger, range(6))]


def labels(query: Query) -> tuple[str, str, str, str]:
    """What metrics tell of a query."""
    if query == UNKNOWN:
        return ("", "undecided", "none", "unknown-policy")
    decision = POLICIES.decide(query)
    allowed = "none" if decision.allowed is None else str(decision.allowed).lower()
    return (decision.policy, decision.kind, allowed, decision.reason.code)


@pytest.mark.parametrize("kind", [Tally, RowTally])
def test_each_decision_is_counted_once(kind: type[Tally]) -> None:
    """Whatever is asked about, in singles and batches, made or remembered, the totals have each decision once."""
    table, totals = Table(), Totals(0)
    totals.open(table)
    tally = kind(table)
    for query in QUERIES:
        fact = fact_of(tally, query)
        tally.anew(fact)
        tally.again(fact)
        tally.batch([fact, fact, fact], 1)
    expected: Counter[tuple[str, ...]] = Counter()
    for query in QUERIES:
        expected[labels(query)] += 5
    sums = at_once(totals.sums(1))
    assert sums.counts == {DECISIONS: expected, ANEW: {(): 2 * len(QUERIES)}}
    assert sums.remembered == 3 * len(QUERIES)


@pytest.mark.parametrize("kind", [Tally, RowTally])
def test_what_is_made_is_not_remembered(kind: type[Tally]) -> None:
    """Whether a decision has a row or no room for one, it was made once, and what comes again is remembered."""
    table, totals = Table(rows=2), Totals(0)
    totals.open(table)
    tally = kind(table)
    queries = [ALLOWED, REFUSED, *map(stranger, range(4))]
    for query in queries:
        tally.made(query, POLICIES.decide(query))
        fact = fact_of(tally, query)
        tally.again(fact)
        tally.again(fact)
    sums = at_once(totals.sums(1))
    assert sums.counts[DECISIONS].total() == 3 * len(queries)
    assert (sums.counts[ANEW].total(), sums.remembered) == (len(queries), 2 * len(queries))


def test_counts_survive_their_process() -> None:
    """What a process has counted is there when it was killed, and stays when its table is closed."""
    with counted_and_killed(1000) as table:
        totals = Totals(0)
        totals.open(table)
        totals.close(table, 5)
        counts = at_once(totals.sums(5)).counts
        assert counts == {DECISIONS: {labels(ALLOWED): 1000}, ANEW: {(): 1000}, "closed": {("crowded",): 1}}
        assert [row.count for row in totals.take(6).rows.values()] == [1000]


def test_a_row_has_all_that_is_told() -> None:
    """A row says what decided about which origin and method; for a preflight, the method that it asks for."""
    table, totals = Table(), Totals(10)
    totals.open(table)
    tally = RowTally(table)
    tally.anew(fact_of(tally, PREFLIGHT))
    totals.look(12)
    totals.look(15)
    interval = totals.take(20)
    [(what, row)] = interval.rows.items()
    expected = Counted("preflight", True, "allowed", "shop", 1, "PUT", POLICIES.revision, "https://shop.example")
    assert (what, row.count, row.first, row.last) == (expected, 1, 10, 12)
    assert (interval.begin, interval.end, interval.others) == (10, 20, 0)
    assert totals.take(30).rows == {}


@pytest.mark.parametrize("ends", [False, True], ids=["take", "close"])
def test_the_clock_is_set_back(ends: bool) -> None:
    """An interval over which the clock was set back ends no earlier than it began, and so with all that is in it."""
    table, totals = Table(), Totals(3600)
    totals.open(table)
    tally = RowTally(table)
    facts = [fact_of(tally, query) for query in QUERIES[:3]]
    for fact in facts[:2]:
        tally.anew(fact)
    totals.look(3605)
    for fact in facts[1:]:
        tally.anew(fact)
    if ends:
        totals.close(table, 10)
    interval = totals.take(12)
    assert interval.decisions == 4
    assert interval.begin <= interval.end == 12
    assert len(interval.rows) == 3
    for row in interval.rows.values():
        assert interval.begin <= row.first <= row.last <= interval.end
    assert totals.take(20) == (12, 20, {}, 0)


def test_what_callers_send_is_cut() -> None:
    """No origin and no method takes more memory than an honest one may."""
    table, totals = Table(), Totals(0)
    totals.open(table)
    tally = RowTally(table)
    for query in (Query("M" * 9999, "shop", origins=("o" * 9999,)), Query("M" * 9999, "none", origins=("o" * 9999,))):
        tally.anew(fact_of(tally, query))
    rows = totals.take(1).rows
    assert [(len(what.origin or ""), len(what.method)) for what in rows] == [(LONGEST_ORIGIN, LONGEST_METHOD)] * 2


def test_what_is_new_is_told_once() -> None:
    """What has no row yet is told before it is counted, and not again while it has one."""
    table, totals, sights = Table(rows=2), Totals(0), Sights(float)
    totals.open(table)
    tally = RowTally(table, sights)
    for query in (ALLOWED, REFUSED, ALLOWED, stranger(1), REFUSED):
        tally.anew(fact_of(tally, query))
    assert [(sight.what.method, sight.what.origin) for sight in sights.take()] == [
        ("GET", "https://shop.example"),
        ("DELETE", "https://shop.example"),
        ("GET", "https://1.example"),
        # Its row went with the epoch.
        ("DELETE", "https://shop.example"),
    ]


def test_a_place_is_that_of_its_epoch() -> None:
    """What was counted in an earlier epoch gets a row in each, as soon as there is room for one."""
    table, totals = Table(rows=2), Totals(0)
    totals.open(table)
    tally = RowTally(table)
    facts = [fact_of(tally, query) for query in (ALLOWED, REFUSED, stranger(1), stranger(2), stranger(3))]
    for fact in facts:
        # Both halves of the table are full with the fourth, so there is no room for the last.
        tally.again(fact)
        tally.again(fact)
    first = totals.take(1)
    assert {what: row.count for what, row in first.rows.items()} == {tally.what(fact): 2 for fact in facts[:4]}
    assert first.others == 2
    again = [facts[4], facts[0]]
    for fact in again:
        tally.again(fact)
    assert {what: row.count for what, row in totals.take(2).rows.items()} == {tally.what(fact): 1 for fact in again}


def test_a_flood_hides_nothing_that_is_remembered() -> None:
    """Of what is asked about once, a thousand kinds have rows in an interval; what is remembered always has one."""
    table, totals, sights = Table(), Totals(0), Sights(float)
    totals.open(table)
    tally = RowTally(table, sights)
    for now in (1, 2, 3):
        for number in range(3000 * now, 3000 * (now + 1)):
            tally.made(stranger(number), POLICIES.decide(stranger(number)))
        # Whether it was made before, or in the middle of the flood, makes no difference.
        facts = [fact_of(tally, ALLOWED), fact_of(tally, REFUSED)]
        tally.made(REFUSED, POLICIES.decide(REFUSED))
        for fact in facts:
            tally.again(fact)
        sights.take()
        interval = totals.take(now)
        assert [interval.rows[tally.what(fact)].count for fact in facts] == [1, 1]
        assert len(interval.rows) == 1002
        assert sum(row.count for row in interval.rows.values()) + interval.others == 3003


def test_policies_beyond_a_number_are_counted_together() -> None:
    """A thousand policies are counted by their names, in whichever process they are first; the rest is one."""
    one, other, totals = Table(), Table(), Totals(0)
    totals.open(one)
    totals.open(other)
    tallies = Tally(one), Tally(other)
    decision = POLICIES.decide(ALLOWED)
    for number in range(MOST_POLICIES + 50):
        for offset, tally in enumerate(tallies):
            named = type(decision)(
                decision.kind,
                decision.allowed,
                None,
                decision.reason,
                (),
                f"policy-{number + 25 * offset}",
                1,
                decision.revision,
            )
            tally.made(ALLOWED, named)
            tally.again(tally.fact(ALLOWED, named))
    sums = at_once(totals.sums(1))
    found = sums.counts[DECISIONS]
    assert found.total() == 4 * (MOST_POLICIES + 50)
    names = {policy for policy, _, _, _ in found}
    assert len(names) == MOST_POLICIES + 1
    assert {count for (policy, *_), count in found.items() if policy == OTHER} == {sums.unnamed}


Step = tuple[str, int]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("count"), st.integers(0, len(QUERIES) - 1)),
            st.tuples(st.sampled_from(["look", "take"]), st.just(0)),
            st.tuples(st.just("replace"), st.integers(0, 1)),
        ),
        max_size=60,
    )
)
def test_rows_and_metrics_agree(steps: list[Step]) -> None:
    """However counting, reading, epochs and deaths of processes alternate, rows and others add up to every decision."""
    totals = Totals(0)
    tables = [Table(rows=3), Table(rows=3)]
    for table in tables:
        totals.open(table)
    tallies = [RowTally(table) for table in tables]
    expected: Counter[tuple[str, ...]] = Counter()
    rows: Counter[Counted] = Counter()
    others = 0
    for now, (step, which) in enumerate([*steps, ("take", 0)], start=1):
        match step:
            case "count":
                tally = tallies[now % 2]
                tally.anew(fact_of(tally, QUERIES[which]))
                expected[labels(QUERIES[which])] += 1
            case "look":
                totals.look(now)
            case "replace":
                totals.close(tables[which], now)
                tables[which] = Table(rows=3)
                totals.open(tables[which])
                tallies[which] = RowTally(tables[which])
            case _:
                interval = totals.take(now)
                others += interval.others
                rows.update({what: row.count for what, row in interval.rows.items()})
    assert at_once(totals.sums(len(steps) + 2)).counts[DECISIONS] == expected
    assert rows.total() + others == expected.total()


def test_remembered_never_falls() -> None:
    """What is made while the tables are read does not make the number of remembered decisions fall, nor too high."""
    table, totals = Table(), Totals(0)
    totals.open(table)
    tally = Tally(table)
    fact = fact_of(tally, ALLOWED)
    tally.anew(fact)
    for _ in range(3):
        tally.again(fact)
    assert at_once(totals.sums(1)).remembered == 3
    steps = totals.sums(2)
    next(steps)
    tally.anew(fact)
    assert at_once(steps).remembered == 3
    tally.again(fact)
    assert at_once(totals.sums(3)).remembered == 4

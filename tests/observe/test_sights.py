"""Single decisions that a log tells of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec import structs

from cors_service.decision import ActivePolicies, Query
from cors_service.observe.sampling import SampledTally
from cors_service.observe.sights import (
    MORE_NEW,
    MOST_NEW,
    MOST_SAMPLES,
    Sight,
    Sights,
    read_sights,
    write_sights,
)
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally, Tally
from cors_service.policy import read_document
from tests.observe.intervals import ALLOWED, BEGIN, REFUSED

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01".encode()
ACTIVE = ActivePolicies(read_document({"version": 1, "policies": {"shop": {"origins": ["https://shop.example.com"]}}}))


@pytest.fixture
def table() -> Iterator[Table]:
    """A table."""
    made = Table()
    yield made
    made.close()


@pytest.fixture
def sights() -> Sights:
    """Nothing yet."""
    return Sights(lambda: BEGIN)


def test_names(sights: Sights) -> None:
    """What was noted gets the name and the trace of the answer that follows, and is given once."""
    sights.note(ALLOWED)
    sights.sample(REFUSED)
    assert sights.fresh
    sights.name(b"ab" * 12, [TRACEPARENT])
    assert not sights.fresh
    sights.note(REFUSED)
    sights.leave()
    sights.name(b"cd" * 12, None)
    assert sights.take() == [
        Sight(ALLOWED, BEGIN, "ab" * 12, TRACE),
        Sight(REFUSED, BEGIN, "ab" * 12, TRACE, is_sample=True),
        Sight(REFUSED, BEGIN, None, None),
    ]
    assert sights.take() == []


def test_bounded(sights: Sights) -> None:
    """However much is new, few are kept until they are taken; then still fewer, until there is less of it."""
    for room in (MOST_NEW, MORE_NEW, MORE_NEW):
        for _ in range(MOST_SAMPLES + 1):
            sights.note(ALLOWED)
            sights.sample(ALLOWED)
        assert len(sights.take()) == room + MOST_SAMPLES
    for _ in range(MOST_NEW // MORE_NEW):
        assert sights.has_room
        sights.take()
    for _ in range(MOST_NEW + 1):
        sights.note(ALLOWED)
    assert len(sights.take()) == MOST_NEW


def test_between_processes() -> None:
    """What is written for another process is the same there."""
    written = [Sight(ALLOWED, BEGIN, "ab" * 12, TRACE), Sight(REFUSED, BEGIN, None, None, is_sample=True)]
    assert read_sights(write_sights(written)) == written


def test_watched(table: Table, sights: Sights) -> None:
    """Without rows, what is refused is noted once for each policy, origin and reason, and nothing else."""
    tally = Tally(table, sights)
    for origin in ("https://shop.example.com", "https://a.example", "https://b.example", "https://a.example"):
        query = Query("GET", policy="shop", origins=(origin,))
        tally.anew(tally.fact(query, ACTIVE.decide(query)))
    assert [sight.what.origin for sight in sights.take()] == ["https://a.example", "https://b.example"]


def test_sampled(table: Table, sights: Sights) -> None:
    """Each kind of decision is noted when it is new, and so many of all as the fraction says, in batches as well."""
    tally = SampledTally(table, sights, 1.0)
    kinds = [ALLOWED, REFUSED, structs.replace(REFUSED, method="PUT")]
    for what in kinds:
        for _ in range(3):
            tally.again(tally.fact_of(what))
    found = sights.take()
    assert [sight.what for sight in found if not sight.is_sample] == kinds
    assert [sight.what for sight in found if sight.is_sample] == [what for what in kinds for _ in range(3)]
    facts = [tally.fact_of(what) for what in (ALLOWED, REFUSED)]
    tally.anew(facts[0])
    tally.batch(facts, 0)
    assert [sight.what for sight in sights.take()] == [ALLOWED, ALLOWED, REFUSED]
    never = RowTally(table, sights)
    never.again(never.fact_of(ALLOWED))
    assert [sight.is_sample for sight in sights.take()] == [False]


def test_the_fraction(table: Table, sights: Sights) -> None:
    """Of many decisions, about the share that was asked for is in the sample."""
    tally = SampledTally(table, sights, 0.01)
    count, fact = 0, tally.fact_of(ALLOWED)
    for _ in range(10):
        for _ in range(1000):
            tally.again(fact)
        count += sum(sight.is_sample for sight in sights.take())
    # 100 are expected; beyond these limits it is one time in 10^10.
    assert 40 < count < 180

"""From counts to lines."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from msgspec import structs

from cors_service.observe.counted import Counted
from cors_service.observe.masking import Masking
from cors_service.observe.rolling import MOST_SEEN, Roller
from cors_service.observe.sights import Sight
from cors_service.observe.table import Table
from cors_service.observe.tally import RowTally
from cors_service.observe.totals import Totals
from cors_service.observe.words import MOST_LINES, Form
from tests.observe.intervals import ALLOWED, BEGIN, REFUSED, interval

EVIL = [structs.replace(REFUSED, origin=f"https://{number}.evil.example") for number in range(MOST_SEEN + 50)]


def roller(form: Form = "full") -> Roller:
    """Make a roller."""
    return Roller("eu-1", Masking(form, lambda: BEGIN, print))


def of_type(kind: str, lines: list[bytes]) -> list[dict[str, Any]]:
    """The lines of one type."""
    return [line for line in map(json.loads, lines) if line["type"] == kind]


def test_a_million_decisions() -> None:
    """A million decisions about five origins, by two processes, are tens of lines, and none of them is lost."""
    tables = [Table(), Table()]
    tallies = [RowTally(table) for table in tables]
    totals, roll = Totals(BEGIN), roller()
    for table in tables:
        totals.open(table)
    kinds = [structs.replace(what, origin=f"https://{name}.example") for name in "abcde" for what in (ALLOWED, REFUSED)]
    lines: list[bytes] = []
    for moment in range(1, 5):
        for tally in tallies:
            for fact in map(tally.fact_of, kinds):
                for _ in range(12_500):
                    tally.again(fact)
        lines += roll.roll(totals.take(BEGIN + moment)).lines
    assert sum(line["count"] for line in of_type("decisions", lines)) == 1_000_000
    assert len(lines) == 4 * len(kinds) + len(kinds)
    for table in tables:
        totals.close(table, BEGIN + 5)


def test_a_million_origins() -> None:
    """Whoever asks for a million origins fills neither the log nor the memory: what is beyond is counted as other."""
    table = Table()
    tally, totals, roll = RowTally(table), Totals(BEGIN), roller()
    totals.open(table)
    count, asked = 25_000, 0
    for moment in range(1, 4):
        for _ in range(count):
            tally.again(tally.fact_of(structs.replace(REFUSED, origin=f"https://{asked}.example")))
            asked += 1
        lines = roll.roll(totals.take(BEGIN + moment)).lines
        decisions, others, seen = (of_type(kind, lines) for kind in ("decisions", "other", "seen"))
        assert len(decisions) == MOST_LINES
        assert sum(line["count"] for line in [*decisions, *others]) == count
        assert len(seen) <= MOST_SEEN
    totals.close(table, BEGIN + 5)


def test_seen_once() -> None:
    """What is seen first has a line with its decision and trace once, and never again."""
    roll = roller()
    sight = Sight(REFUSED, BEGIN + 1.5, "ab" * 12, "4bf92f3577b34da6a3ce929d0e0e4736")
    first = roll.roll(interval(ALLOWED, REFUSED), [sight, structs.replace(sight, id="cd" * 12)])
    assert {line["origin"]: (line["id"], line["trace"], line["at"]) for line in of_type("seen", first.lines)} == {
        ALLOWED.origin: (None, None, "2026-11-18T11:06:41.000+00:00"),
        REFUSED.origin: (sight.id, sight.trace, "2026-11-18T11:06:41.500+00:00"),
    }
    assert [line.origin for line in first.refused] == [REFUSED.origin]
    again = roll.roll(interval(ALLOWED, REFUSED, structs.replace(REFUSED, method="PUT")), [sight])
    assert (of_type("seen", again.lines), again.refused) == ([], [])


def test_what_is_seen_first_is_bounded() -> None:
    """Of too many new origins in an interval, the rest is seen first in a later one."""
    roll = roller()
    first, second = (of_type("seen", roll.roll(interval(*EVIL)).lines) for _ in range(2))
    assert (len(first), len(second)) == (MOST_SEEN, len(EVIL) - MOST_SEEN)
    assert len({line["origin"] for line in first + second}) == len(EVIL)


def test_lines_are_bounded() -> None:
    """Of too many kinds, those have lines that were seen before, and then those that came most often; one line counts
    the rest.
    """
    roll = Roller("eu-1", Masking("full", lambda: BEGIN, print), most_lines=3)
    roll.roll(interval(ALLOWED, REFUSED))
    often = structs.replace(EVIL[7], method="PUT")
    rows = interval(*EVIL, REFUSED, often, ALLOWED, others=5)
    rows.rows[often].count = 9
    lines = roll.roll(rows).lines
    told = {(line["origin"], line["count"]) for line in of_type("decisions", lines)}
    assert told == {(REFUSED.origin, 1), (ALLOWED.origin, 1), (often.origin, 9)}
    assert [line["count"] for line in of_type("other", lines)] == [len(EVIL) + 5]


def test_masked_origins_are_told_together() -> None:
    """Origins of one site are one line, with the sum of their counts, their first and their last time."""
    lines = roller("site").roll(interval(*EVIL, count=2)).lines
    [line] = of_type("decisions", lines)
    assert (line["origin"], line["origins"], line["count"]) == ("https://evil.example", "site", 2 * len(EVIL))
    assert len(of_type("seen", lines)) == 1


def test_digests_of_a_new_day_are_not_new() -> None:
    """An origin that was seen yesterday is not seen first today, although its digest is another one."""
    now = [0.0]
    roll = Roller("eu-1", Masking("hashed", lambda: now[0], print))
    one = of_type("decisions", roll.roll(interval(REFUSED)).lines)
    now[0] = 86_400.0
    lines = roll.roll(interval(REFUSED)).lines
    assert of_type("seen", lines) == []
    assert of_type("decisions", lines)[0]["origin"] != one[0]["origin"]


@pytest.mark.parametrize("what", [ALLOWED, REFUSED], ids=["allowed", "refused"])
def test_each_field(what: Counted) -> None:
    """A line has the fields of what it is about, the interval, and the count."""
    [line] = of_type("decisions", roller().roll(interval(what, count=3)).lines)
    assert line == {
        "type": "decisions",
        "version": 1,
        "instance": "eu-1",
        "revision": what.revision,
        "policy": what.policy,
        "rule": what.rule,
        "origin": what.origin,
        "kind": what.kind,
        "method": what.method,
        "allowed": what.allowed,
        "reason": what.reason,
        "from": "2026-11-18T11:06:40.000+00:00",
        "to": "2026-11-18T11:06:50.000+00:00",
        "count": 3,
        "first": "2026-11-18T11:06:41.000+00:00",
        "last": "2026-11-18T11:06:42.000+00:00",
    }


def test_nothing_decided() -> None:
    """An interval in which nothing was decided has no lines."""
    assert roller().roll(interval()).lines == []


def test_a_sample() -> None:
    """Each decision of a sample is a line of its own, also of those that are alike."""
    roll = Roller("eu-1", Masking("full", lambda: BEGIN, print), 0.25)
    sights = [Sight(ALLOWED, BEGIN, f"{number:024}", None, is_sample=True) for number in range(3)]
    lines = roll.roll(interval(ALLOWED, count=12), sights).lines
    found = of_type("sample", lines)
    assert Counter(line["fraction"] for line in found) == {0.25: 3}
    assert [line["id"] for line in found] == [f"{number:024}" for number in range(3)]

"""Tests of keeping the lines of decision logs."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cors_service.admin import roll_ups
from cors_service.admin.decisions_file import DAY, HOUR, CannotKeep
from cors_service.admin.roll_ups import RollUps
from cors_service.insights.findings import findings_of
from cors_service.insights.lines import Decisions, instant_of, read_line
from cors_service.insights.sums import Sums
from cors_service.insights.timeline import Point
from tests.insights.logs import BEGIN, REFUSED, UNDECIDED, active, asked, decided, preflight, written

NOW = BEGIN + DAY


@pytest.fixture
def kept(tmp_path: Path) -> RollUps:
    """An empty file."""
    return RollUps(tmp_path / "decisions.db")


def counted(kept: RollUps) -> int:
    """Say how many decisions there are."""
    return sum(line.count for line in kept.lines(0, 2**40) if hasattr(line, "count"))


def others(count: int) -> bytes:
    """Write a line about decisions that were not told apart."""
    times = {"from": "2026-08-01T00:00:00Z", "to": "2026-08-01T00:00:10Z"}
    return json.dumps({"type": "other", "version": 1, "instance": "here", "count": count, **times}).encode()


def test_a_batch_is_taken_once(kept: RollUps) -> None:
    """A batch that comes again counts once; one of the same name from another replica is another."""
    assert kept.take("a", "1", [written(count=3)], NOW).is_new
    assert not kept.take("a", "1", [written(count=3)], NOW).is_new
    assert kept.take("b", "1", [written(count=4)], NOW).is_new
    assert counted(kept) == 7


def test_a_batch_is_taken_once_by_processes_that_follow(tmp_path: Path) -> None:
    """What was taken is known after a restart, and sums go on."""
    first = RollUps(tmp_path / "decisions.db")
    first.take("a", "1", [written(count=3)], NOW)
    first.close()
    second = RollUps(tmp_path / "decisions.db")
    assert not second.take("a", "1", [written(count=3)], NOW).is_new
    second.take("a", "2", [written(count=1)], NOW)
    [line] = second.lines(0, 2**40)
    assert isinstance(line, Decisions)
    assert line.count == 4


def test_lines_come_back_as_they_were(kept: RollUps) -> None:
    """What insights say of the file is what they say of the log."""
    policies = active()
    lines = [
        decided(policies, query, at * HOUR, count=1 + at)
        for at in range(5)
        for query in (
            asked("https://app.example.com"),
            preflight("https://x.partner.example"),
            asked("https://no.example"),
        )
    ]
    lines += [
        written(origin="0123456789abcdef", origins="hashed"),
        others(9),
        written(allowed=None, policy=None, rule=None),
    ]
    kept.take("a", "1", lines, NOW)
    directly, from_file = Sums(policies), Sums(policies)
    directly.add_all(map(read_line, lines))
    from_file.add_all(kept.lines(0, 2**40))
    one, other = findings_of(directly), findings_of(from_file)
    for part in ("decisions", "other", "masked", "kinds", "policies", "revisions", "refusals", "wildcards", "unused"):
        assert getattr(one, part) == getattr(other, part), part


def test_lines_of_a_time_and_of_a_policy(kept: RollUps) -> None:
    """The lines of some hours, and those of one policy, can be had by themselves."""
    kept.take("a", "1", [written(at * HOUR, policy=policy) for at in range(4) for policy in ("app", "other")], NOW)
    begin = int(BEGIN)
    assert sum(line.count for line in kept.lines(begin + HOUR, begin + 3 * HOUR) if isinstance(line, Decisions)) == 4
    [line] = kept.lines(begin, begin + 4 * HOUR, lambda name: name == "app")
    assert isinstance(line, Decisions)
    assert (line.policy, line.count, line.begin, line.end) == (
        "app",
        4,
        "2026-08-01T00:00:00Z",
        "2026-08-01T04:00:00Z",
    )


def test_traffic(kept: RollUps) -> None:
    """Traffic is summed by steps of whole minutes, by what came of it."""
    kept.take(
        "a", "1", [written(0, count=2), written(50, kind="preflight"), written(130, count=5, **REFUSED), others(7)], NOW
    )
    begin = int(BEGIN)
    assert list(kept.traffic(begin, begin + HOUR, 60)) == [
        Point(begin, 2, 1, 0, 7),
        Point(begin + 120, 0, 0, 5, 0),
    ]
    assert list(kept.traffic(begin, begin + HOUR, HOUR)) == [Point(begin, 2, 1, 5, 7)]
    assert list(kept.traffic(begin + 60, begin + 120, 60)) == []


def test_what_could_not_be_decided(kept: RollUps) -> None:
    """Questions without a decision are no allowed requests, by the minute and by the hour, and go when they are old."""
    lines = [written(0, count=7, **UNDECIDED), written(0, count=2), written(20, **UNDECIDED)]
    kept.take("a", "1", lines, NOW)
    kept.take("a", "2", [written(30, count=4, **UNDECIDED)], NOW)
    begin = int(BEGIN)
    assert list(kept.traffic(begin, begin + HOUR, 60)) == [Point(begin, 2, undecided=12)]
    assert list(kept.hours(begin, begin + HOUR)) == [Point(begin, 2, undecided=12)]
    kept.forget(BEGIN + 100 * DAY)
    assert kept._database.execute("SELECT count(*) FROM undecided").fetchone() == (0,)


def test_a_file_without_what_could_not_be_decided(tmp_path: Path) -> None:
    """A file of an earlier program, which counted nothing apart that could not be decided, does so from now on."""
    path = tmp_path / "decisions.db"
    before = RollUps(path)
    before.take("x", "1", [written(count=2)], NOW)
    before.close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TABLE undecided")
    RollUps(path).take("x", "2", [written(count=3, **UNDECIDED)], NOW)
    begin = int(BEGIN)
    assert list(RollUps(path).traffic(begin, begin + HOUR, 60)) == [Point(begin, 2, undecided=3)]


def test_lines_that_cannot_be_read(kept: RollUps) -> None:
    """A line that can't be read is counted, and the others are kept."""
    taken = kept.take("a", "1", [b"{}", written(count=2), b"also bad", b'{"type": "seen"}'], NOW)
    assert (taken.is_new, taken.unread) == (True, 2)
    assert taken.why
    assert counted(kept) == 2


def test_times_that_cannot_be(kept: RollUps) -> None:
    """What was decided in another age, or will be, is passed over."""
    lines = [written(-200 * DAY), written(2 * DAY + 60), written(begin="0000-00-00T00:00:00Z"), written(count=2)]
    kept.take("a", "1", lines, NOW)
    assert counted(kept) == 2


def test_old_lines_are_deleted(kept: RollUps) -> None:
    """What is older than 90 days goes, with everything that was only there for it."""
    old = {"origin": "https://old.example.com"}
    kept.take("a", "1", [written(0, **old), written(80 * DAY)], BEGIN + 81 * DAY)
    kept.forget(BEGIN + 95 * DAY)
    [line] = kept.lines(0, 2**40)
    assert isinstance(line, Decisions)
    assert line.origin == "https://app.example.com"
    assert [one.at for one in kept.traffic(0, 2**40, 60)] == [int(BEGIN + 80 * DAY)]
    # What is asked for again is another kind.
    kept.take("a", "2", [written(95 * DAY, **old)], BEGIN + 95 * DAY)
    assert counted(kept) == 2
    assert kept.instances(0) == ["a"]


def test_strangers_fill_no_disk(kept: RollUps, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many origins knock, the file has so many kinds and no more; nothing is lost of the count."""
    monkeypatch.setattr(roll_ups, "_MOST_KINDS", 60)
    monkeypatch.setattr(roll_ups, "_MOST_REFUSED", 40)
    monkeypatch.setattr(roll_ups, "_HOURLY", 30)
    for hour in range(4):
        strangers = [written(hour * HOUR, origin=f"https://{hour}-{n}.example", **REFUSED) for n in range(100)]
        kept.take("a", f"strangers {hour}", strangers, NOW)
    kept.take("a", "app", [written(5 * HOUR, count=3)], NOW)
    lines = list(kept.lines(0, 2**40))
    kinds = [line for line in lines if isinstance(line, Decisions)]
    assert len(kinds) == 41
    assert [line.count for line in kinds if line.origin == "https://app.example.com"] == [3]
    assert counted(kept) == 403


def test_a_full_disk(kept: RollUps) -> None:
    """What the disk does not take is not taken, and may come again."""
    kept.take("a", "1", [written()], NOW)
    kept._database.execute("PRAGMA query_only = ON")
    with pytest.raises(CannotKeep):
        kept.take("a", "2", [written(count=2, origin="https://en.example.com")], NOW)
    with pytest.raises(CannotKeep):
        kept.forget(NOW)
    kept._database.execute("PRAGMA query_only = OFF")
    assert kept.take("a", "2", [written(count=2, origin="https://en.example.com")], NOW).is_new
    assert counted(kept) == 3


def test_a_file_of_somebody_else(tmp_path: Path) -> None:
    """A file that is not ours, or of a later version, is left as it is, and it is said."""
    (text := tmp_path / "text").write_text("something else, and longer than nothing" * 100)
    with pytest.raises(CannotKeep, match=r"text can't be used: file is not a database"):
        RollUps(text)
    with closing(sqlite3.connect(other := tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE theirs (a)")
    with pytest.raises(CannotKeep, match=r"other\.db is not a file of this program"):
        RollUps(other)
    with pytest.raises(CannotKeep, match="can't be used"):
        RollUps(tmp_path / "missing" / "decisions.db")


def test_its_owner_alone_reads_it(tmp_path: Path) -> None:
    """Origins are nobody else's business."""
    RollUps(tmp_path / "decisions.db").close()
    assert (tmp_path / "decisions.db").stat().st_mode & 0o777 == 0o600


def refusal(origin: str, count: int, at: int = 0, **facts: Any) -> bytes:
    """Write a line about refused requests, some seconds behind the beginning."""
    return written(at, origin=origin, count=count, **REFUSED, **facts)


def knocks(kept: RollUps, most: int = 10) -> list[tuple[str | None, str | None, int, float]]:
    """Give who knocked where, how often, and since how many hours behind the beginning."""
    return [(one.policy, one.origin, one.count, (one.first - BEGIN) / HOUR) for one in kept.knocks(most)]


def test_who_knocked(kept: RollUps) -> None:
    """Refused origins are summed over all hours, methods, reasons and revisions, those first that were refused most."""
    a, b = "https://a.example", "https://b.example"
    kept.take("x", "1", [refusal(a, 3), refusal(b, 4), refusal(a, 1, policy="other"), written(origin=a)], NOW)
    kept.take("y", "1", [refusal(a, 2, 5 * HOUR, method="PUT"), refusal(a, 1, revision="r2")], NOW)
    assert knocks(kept) == [("app", a, 6, 0), ("app", b, 4, 0), ("other", a, 1, 0)]
    [first] = kept.knocks(1)
    assert first.last == instant_of(BEGIN + 5 * HOUR + 9)
    assert first.reasons == (("origin-not-allowed", "GET"), ("origin-not-allowed", "PUT"))
    assert [one.policy for one in kept.knocks(10, lambda policy: policy == "other")] == ["other"]


def test_who_knocked_long_ago(kept: RollUps) -> None:
    """What is deleted counts no longer."""
    kept.take("x", "1", [refusal("https://a.example", 3), refusal("https://a.example", 2, 5 * HOUR)], NOW)
    kept.take("x", "2", [refusal("https://b.example", 9)], NOW)
    kept.forget(BEGIN + 90 * DAY + 2 * HOUR)
    assert knocks(kept) == [("app", "https://a.example", 2, 2)]
    kept.forget(BEGIN + 100 * DAY)
    assert knocks(kept) == []


def test_a_file_of_an_earlier_program(tmp_path: Path) -> None:
    """A file that does not have the sums yet gets them when it is opened."""
    path = tmp_path / "decisions.db"
    before = RollUps(path)
    before.take("x", "1", [refusal("https://a.example", 3), refusal("https://a.example", 2, 5 * HOUR)], NOW)
    before.close()
    with closing(sqlite3.connect(path)) as database:
        database.executescript("DROP TABLE refused; DROP INDEX kind_page;")
    assert knocks(RollUps(path)) == [("app", "https://a.example", 5, 0)]


def test_refused_most(kept: RollUps) -> None:
    """What was refused most in a time is given with its count in that time, and as often as it was asked for."""
    begin = int(BEGIN)
    for hour, (origin, count) in enumerate(
        [("https://a.example", 5), ("https://b.example", 9), ("https://a.example", 7)]
    ):
        members = {**REFUSED, "origin": origin, "count": count}
        kept.take("a", str(hour), [written(hour * HOUR, **members)], NOW)
    both = kept.refused(begin, begin + 3 * HOUR, 10)
    assert [(one.origin, one.count, one.first) for one in both] == [
        ("https://a.example", 12, begin),
        ("https://b.example", 9, begin + HOUR),
    ]
    assert [(one.origin, one.count) for one in kept.refused(begin + HOUR, begin + 3 * HOUR, 10)] == [
        ("https://b.example", 9),
        ("https://a.example", 7),
    ]
    assert [one.origin for one in kept.refused(begin, begin + 3 * HOUR, 1)] == ["https://a.example"]
    assert kept.refused(begin, begin + 3 * HOUR, 10, lambda _: False) == []
    assert kept.refused(begin + 3 * HOUR, begin + 4 * HOUR, 10) == []

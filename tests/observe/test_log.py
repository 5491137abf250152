"""The decision log: intervals become lines, in a file and in a spool, and new refusals are told."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from cors_service.observe.counted import Counted
from cors_service.observe.file import LogFile
from cors_service.observe.log import MOST_NAMED, DecisionLog
from cors_service.observe.masking import Masking
from cors_service.observe.pending import Account
from cors_service.observe.rolling import Roller
from cors_service.observe.sights import Sight
from cors_service.observe.spool import Spool
from cors_service.observe.totals import Interval
from cors_service.observe.words import INTERVAL_SECONDS
from tests.observe.intervals import ALLOWED, BEGIN, REFUSED, interval


class Decided:
    """What was decided, to be taken."""

    def __init__(self) -> None:
        self.whats: list[Counted] = []
        self.taken = 0

    def take(self) -> Interval:
        """Take it."""
        whats, self.whats = self.whats, []
        self.taken += 1
        return interval(*whats)


@pytest.fixture
def decided() -> Decided:
    """What was decided."""
    return Decided()


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def decision_log(decided: Decided, clock: Clock, **options: Any) -> DecisionLog:
    """Make a log, of which everything is done at once."""
    roller = Roller("eu-1", Masking("full", lambda: BEGIN, print))
    return DecisionLog(decided.take, roller, clock, **{"in_thread": execute, **options})


def of_type(kind: str, path: Path) -> list[dict[str, Any]]:
    """The lines of one type in a file."""
    return [line for line in map(json.loads, path.read_bytes().splitlines()) if line["type"] == kind]


async def test_both(tmp_path: Path, clock: Clock, decided: Decided) -> None:
    """Each interval is written to the file and to the spool, the last one at the end; both accounts close."""
    path = tmp_path / "decisions.log"
    spool = Spool(tmp_path / "spool", 1 << 30)
    log = decision_log(decided, clock, file=LogFile(str(path)), spool=spool)
    log.start()
    decided.whats = [ALLOWED, REFUSED]
    clock.advance(INTERVAL_SECONDS)
    assert len(of_type("decisions", path)) == 2
    decided.whats = [ALLOWED]
    await log.finish(0)
    assert len(of_type("decisions", path)) == 3
    assert len(of_type("seen", path)) == 2
    assert log.accounts() == {"file": Account(emitted=5, delivered=5), "reports": Account(emitted=5, queued=5)}
    assert log.as_dict() == {
        "file": {"emitted": 5, "delivered": 5, "dropped": 0, "queued": 0, "failing_since": None, "problem": None},
        "reports": {"emitted": 5, "delivered": 0, "dropped": 0, "queued": 5, "failing_since": None, "problem": None},
    }


async def test_looks(clock: Clock, decided: Decided) -> None:
    """Counts are looked at each second until the end, so that it is known to a second when something was decided."""
    looked: list[float] = []
    log = decision_log(decided, clock, look=lambda: looked.append(clock.seconds()))
    log.start()
    for _ in range(3):
        clock.advance(1)
    await log.finish(0)
    clock.advance(10)
    assert looked == [1, 2, 3]


async def test_sights(tmp_path: Path, clock: Clock, decided: Decided) -> None:
    """What was noted of single decisions is in the lines of the interval."""
    path = tmp_path / "decisions.log"
    log = decision_log(decided, clock, file=LogFile(str(path)))
    decided.whats = [ALLOWED]
    log.note([Sight(ALLOWED, BEGIN, "ab" * 12, None), Sight(ALLOWED, BEGIN, "cd" * 12, None, is_sample=True)])
    await log.finish(0)
    assert [line["id"] for kind in ("seen", "sample") for line in of_type(kind, path)] == ["ab" * 12, "cd" * 12]


def test_end_while_others_are_waited_for(tmp_path: Path, clock: Clock, decided: Decided) -> None:
    """The end waits for no timer: what the interval has by then is written at once."""
    path = tmp_path / "decisions.log"
    log = decision_log(decided, clock, file=LogFile(str(path)), patience=5.0)
    log.start()
    decided.whats = [ALLOWED]
    clock.advance(INTERVAL_SECONDS)
    decided.whats = [REFUSED]
    assert not path.exists()
    assert Deferred.fromCoroutine(log.finish(0)).called
    assert [line["allowed"] for line in of_type("decisions", path)] == [True, False]


def test_a_slow_disk(clock: Clock, decided: Decided) -> None:
    """While an interval is being written, nothing more is taken: what is decided meanwhile is in the next."""
    writing: list[Deferred[Any]] = []

    def later(function: Any, *arguments: Any) -> Deferred[Any]:
        writing.append(Deferred())
        return writing[-1].addCallback(lambda _: function(*arguments))

    log = decision_log(decided, clock, in_thread=later)
    log.start()
    clock.advance(INTERVAL_SECONDS)
    clock.advance(INTERVAL_SECONDS)
    assert (decided.taken, len(writing)) == (1, 1)
    writing[0].callback(None)
    clock.advance(INTERVAL_SECONDS)
    assert (decided.taken, len(writing)) == (2, 2)
    log._looping.stop()
    writing[1].callback(None)


class HangingFile(LogFile):
    """A file on a disk that does not answer: what is told of that is known while a line is written."""

    asks: Any = None

    def write(self, lines: Sequence[bytes]) -> None:
        """Write, and let time pass meanwhile."""
        super().write(lines)
        if self.asks is not None:
            self.asks()


async def test_a_disk_that_hangs(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """What is not written after a while is told of as a fault, with its beginning, and so is the end of that."""
    file = HangingFile(str(tmp_path / "decisions.log"))
    statuses: list[Any] = []
    log: DecisionLog = decision_log(
        decided, clock, file=file, when_rolled=lambda: statuses.append(log.as_dict()["file"])
    )
    clock.advance(7)
    file.asks = lambda: clock.advance(10)
    await log.roll()
    [during, after] = statuses
    assert (during["failing_since"], during["problem"]) == (
        "1970-01-01T00:00:07.000+00:00",
        "it has taken more than 10 seconds",
    )
    assert (after["failing_since"], after["problem"]) == (None, None)
    assert told == [
        "The decision log can't be written: it has taken more than 10 seconds. Lines wait in memory.",
        "The decision log is written again",
    ]


def test_an_end_while_a_disk_hangs(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """The end waits for a disk for some seconds, and says how much may be lost."""
    disk: list[Deferred[Any]] = []

    def hangs(*_: object) -> Deferred[Any]:
        disk.append(Deferred())
        return disk[-1]

    log = decision_log(decided, clock, file=LogFile(str(tmp_path / "decisions.log")), in_thread=hangs)
    log.start()
    decided.whats = [ALLOWED]
    clock.advance(INTERVAL_SECONDS)
    decided.whats = [ALLOWED, REFUSED]
    finishing = Deferred.fromCoroutine(log.finish(3.0))
    clock.advance(2.9)
    assert not finishing.called
    clock.advance(0.1)
    assert finishing.called
    assert told == [
        "The decision log takes too long to be written, and the service ends: 3 decisions may be missing from it"
    ]
    # If it answers after all, nobody is surprised.
    disk[0].callback(None)
    assert (len(disk), clock.getDelayedCalls()) == (1, [])


def test_a_last_interval_that_hangs(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """It is the same if the disk hangs only when the last interval is written."""
    log = decision_log(decided, clock, file=LogFile(str(tmp_path / "decisions.log")), in_thread=lambda *_: Deferred())
    decided.whats = [ALLOWED]
    finishing = Deferred.fromCoroutine(log.finish(3.0))
    clock.advance(3.0)
    assert finishing.called
    assert told == [
        "The decision log takes too long to be written, and the service ends: 1 decision may be missing from it"
    ]


HANGS = """
import sys, time
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from cors_service.observe.log import DecisionLog
from cors_service.observe.masking import Masking
from cors_service.observe.rolling import Roller
from cors_service.observe.spool import Spool
from tests.observe.intervals import ALLOWED, interval

spool = Spool(Path(sys.argv[1]), 1 << 30)
spool._database.create_function("hang", 0, lambda: time.sleep(3600))
spool.put = lambda lines: spool._database.execute("SELECT hang()")
log = DecisionLog(lambda: interval(ALLOWED), Roller("eu-1", Masking("full", time.time, print)), reactor, spool=spool)
reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(log.finish(0.1)))
reactor.callWhenRunning(reactor.stop)
reactor.run()
print("ended")
"""


def test_a_process_that_ends_while_a_disk_hangs(tmp_path: Path) -> None:
    """A process ends although a thread of it waits for a disk, in the middle of writing the spool."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS, str(tmp_path / "spool")], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "ended\n"


async def test_a_file_that_can_not_be_written(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """What can't be written waits, and the log of the service has the beginning and the end of it."""
    path = tmp_path / "logs" / "decisions.log"
    log = decision_log(decided, clock, file=LogFile(str(path)))
    for _ in range(2):
        decided.whats = [ALLOWED]
        await log.roll()
        clock.advance(INTERVAL_SECONDS)
    assert log.accounts()["file"] == Account(emitted=3, queued=3)
    assert log.as_dict()["file"] == {
        "emitted": 3,
        "delivered": 0,
        "dropped": 0,
        "queued": 3,
        "failing_since": "1970-01-01T00:00:00.000+00:00",
        "problem": "No such file or directory",
    }
    path.parent.mkdir()
    await log.finish(0)
    assert log.accounts()["file"] == Account(emitted=3, delivered=3)
    assert told == [
        "The decision log can't be written: No such file or directory. Lines wait in memory.",
        "The decision log is written again",
    ]


async def test_reopened(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """When it is told to, the file is opened by its name; a fault is told."""
    path = tmp_path / "logs" / "decisions.log"
    path.parent.mkdir()
    log = decision_log(decided, clock, file=LogFile(str(path)))
    await log.roll()
    path.rename(tmp_path / "moved")
    await log.reopen()
    assert path.exists()
    path.unlink()
    path.parent.rmdir()
    await log.reopen()
    assert told == ["The decision log can't be written: No such file or directory. Lines wait in memory."]
    path.parent.mkdir()
    await log.finish(0)
    await decision_log(decided, clock).reopen()


class Unwritable(Spool):
    """A spool on a full disk."""

    def _save(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_what_is_lost_at_the_end(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """What can't be written before the service ends is told of, of the file and of the spool."""
    file, spool = LogFile(str(tmp_path / "absent" / "decisions.log")), Unwritable(tmp_path / "spool", 1 << 30)
    log = decision_log(decided, clock, file=file, spool=spool)
    decided.whats = [ALLOWED]
    await log.finish(0)
    assert told == [
        "The decision log can't be written: No such file or directory. Lines wait in memory.",
        "The spool of reports can't be written: No space left on device. Lines wait in memory.",
        "The decision log has lost 2 lines: they could not be written",
        "The spool of reports has lost 2 lines: they could not be written",
    ]


async def test_what_is_dropped(tmp_path: Path, clock: Clock, decided: Decided, told: list[str]) -> None:
    """Dropped lines are told of once a minute and at the end, with their number since that was done last."""
    log = decision_log(decided, clock, spool=Spool(tmp_path / "spool", 1))
    for number in range(4):
        decided.whats = [structs.replace(ALLOWED, rule=number)]
        await log.roll()
        clock.advance(25)
    decided.whats = [structs.replace(ALLOWED, rule=5)]
    await log.finish(0)
    assert log.accounts()["reports"] == Account(emitted=6, dropped=6)
    assert told == [
        "The spool of reports has dropped 2 lines: they were refused, or there is no more room",
        "The spool of reports has dropped 3 lines: they were refused, or there is no more room",
        "The spool of reports has dropped 1 line: it was refused, or there is no more room",
    ]


async def test_new_refusals(clock: Clock, decided: Decided, told: list[str]) -> None:
    """What is refused for the first time has a line in the log of the service; not more than a few in a minute."""
    log = decision_log(decided, clock)
    decided.whats = [ALLOWED, REFUSED]
    await log.roll()
    await log.roll()
    assert told == ["Policy shop refuses https://evil.example for the first time (origin-not-allowed)"]
    decided.whats = [structs.replace(REFUSED, origin=f"https://{number}.example") for number in range(20)]
    await log.roll()
    assert len(told) == MOST_NAMED
    clock.advance(60)
    decided.whats = [structs.replace(REFUSED, origin="secret")]
    await log.finish(0)
    assert told[MOST_NAMED:] == [
        "11 more were refused for the first time",
        "Policy shop refuses an origin for the first time (origin-not-allowed)",
    ]


async def test_new_refusals_when_the_clock_is_set_back(clock: Clock, decided: Decided, told: list[str]) -> None:
    """A minute that has not begun yet is over: nobody waits for the clock to come to it again."""
    log = decision_log(decided, clock)
    clock.rightNow = 3600.0
    decided.whats = [structs.replace(REFUSED, origin=f"https://{number}.example") for number in range(20)]
    await log.roll()
    clock.rightNow = 0.0
    decided.whats = [structs.replace(REFUSED, origin="https://late.example")]
    await log.roll()
    assert told[MOST_NAMED + 1 :] == [
        "Policy shop refuses https://late.example for the first time (origin-not-allowed)"
    ]


async def test_a_fault(
    tmp_path: Path,
    clock: Clock,
    decided: Decided,
    nothing_left_behind: list[LogEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If a fault of ours keeps lines from being made, it is logged, and the decisions are counted all the same."""
    path = tmp_path / "decisions.log"
    log = decision_log(decided, clock, file=LogFile(str(path)))
    decided.whats = [ALLOWED, REFUSED]
    with monkeypatch.context() as broken:
        broken.setattr(Roller, "_said", lambda *_: 1 / 0)
        await log.roll()
    [failure] = nothing_left_behind
    assert failure["log_failure"].check(ZeroDivisionError)
    nothing_left_behind.clear()
    [line] = of_type("other", path)
    assert line["count"] == 2
    decided.whats = [REFUSED]
    await log.finish(0)
    assert len(of_type("decisions", path)) == 1

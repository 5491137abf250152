"""Tests of a worker's side: what it tells, what it does when it is told, and what becomes of its log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import Logger, LogLevel, LogPublisher, formatEvent
from twisted.python import log as legacy
from twisted.python.failure import Failure

from cors_service.policy import InvalidPolicies, PolicyError, PolicySet, read_document
from cors_service.policy.change import Change
from cors_service.reader.snapshot import Snapshot
from cors_service.store import LivePolicies, MemoryPolicyStore
from cors_service.web import decision_resource
from cors_service.web.workers import WorkerStatus
from cors_service.workers import Acceptor, Crew, Loads, Pipe, WorkerLog, last_good
from cors_service.workers._crew import TELLS_SECONDS
from cors_service.workers._lines import LONGEST, Lines, read, write
from cors_service.workers._log import LOG, read_event

ONE: dict[str, Any] = {"version": 1, "policies": {"one": {"origins": ["https://one.example"]}}}
TWO: dict[str, Any] = {"version": 1, "policies": {"two": {"origins": ["https://two.example"]}}}


class Ends:
    """Both ends of what goes from a worker to its supervisor."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self.pipe = Pipe(self._write)
        self._lines = Lines()

    def lines(self) -> list[bytes]:
        """What was said until now."""
        said: list[bytes] = []
        while True:
            try:
                said += self._lines.feed(os.read(self._read, 1 << 16))
            except BlockingIOError:
                return said

    def close(self) -> None:
        """Close both."""
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give both ends of a pipe."""
    made = Ends()
    yield made
    made.close()


# The log.


def passed_on(ends: Ends, **event: Any) -> dict[str, Any]:
    """Log an event; give it as it comes out at the other end."""
    WorkerLog(ends.pipe)({"log_time": 5.0, **event})
    [line] = ends.lines()
    assert line.startswith(LOG)
    return read_event(line, 2)


def test_log_event(ends: Ends) -> None:
    """An event keeps its time, level, namespace, text and plain values; others are in its text alone."""
    event = passed_on(
        ends, log_level=LogLevel.warn, log_namespace="somewhere", log_format="{n} {what}", n=3, what=["a", "{b}"]
    )
    assert (event["log_time"], event["log_level"], event["log_namespace"]) == (5.0, LogLevel.warn, "somewhere")
    assert (formatEvent(event), event["n"], "what" in event) == ("[worker 2] 3 ['a', '{b}']", 3, False)


def test_log_failure(ends: Ends) -> None:
    """A failure keeps its traceback, and what it says."""
    with pytest.raises(ValueError, match="broken") as caught:
        int("broken")
    event = passed_on(ends, log_level=LogLevel.critical, log_format="Alas", log_failure=Failure(caught.value))
    assert "invalid literal for int() with base 10: 'broken'" in event["log_failure"].getTraceback()


@pytest.mark.parametrize("text", ["a\nb", "\u2028\x85", "\ud800", "\x00"], ids=ascii)
def test_log_odd_text(ends: Ends, text: str) -> None:
    """No text breaks out of its line."""
    assert formatEvent(passed_on(ends, log_format="{text}", text=text)) == f"[worker 2] {text}"


def test_log_old_style(ends: Ends) -> None:
    """What the parts of Twisted log that do it in the old way has its text, once."""
    old = legacy.LogPublisher(publishPublisher=LogPublisher(WorkerLog(ends.pipe)))
    old.msg("old {style}")
    [line] = ends.lines()
    event = read_event(line, 2)
    assert (formatEvent(event), "message" in event) == ("[worker 2] old {style}", False)


def test_log_far_too_long() -> None:
    """An event that is too long for a line is cut, and says what it was about."""
    lines: list[bytes] = []

    class Recording(Pipe):
        def write(self, line: bytes) -> None:
            lines.append(line)

    Logger("somewhere", observer=LogPublisher(WorkerLog(Recording(-1)))).info("{text}", text="long" * LONGEST)
    [line] = lines
    assert len(line) < LONGEST
    assert formatEvent(read_event(line, 2)).startswith("[worker 2] longlong")


def test_log_to_nobody() -> None:
    """A worker whose supervisor is gone goes on, and says what it says to nobody."""
    there, here = os.pipe()
    os.close(there)
    Pipe(here).say("status", "a" * 100)
    os.close(here)


# What it tells and does.


class FakeReactor(Clock):
    """Reads nothing, and takes note that it was stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.is_stopped = False
        self.readers: list[object] = []

    def callWhenRunning(self, function: Any) -> None:
        """Let the test begin."""

    def removeReader(self, reader: object) -> None:
        """Nothing was added."""

    def stop(self) -> None:
        """Take note."""
        self.is_stopped = True


class FakeAcceptor:
    """Takes note of what becomes of it."""

    did = ""

    def take_the_rest(self) -> None:
        """Take all."""
        self.did += "took the rest"

    def leave(self) -> None:
        """Take nothing."""
        self.did += "left"


class Bench:
    """The second of three workers."""

    def __init__(self, ends: Ends) -> None:
        self.ends = ends
        self.reactor = FakeReactor()
        self.store = MemoryPolicyStore(ONE)
        self.policies = LivePolicies(self.store, self.reactor)
        self.policies.activate(Change.whole(read_document(ONE), loaded_at=5.0))
        descriptor = Loads.make(3)
        self.loads = Loads(descriptor, 3)
        os.close(descriptor)
        self.site: Any = type("Site", (), {"channels": []})()
        self.acceptor = FakeAcceptor()
        self.crew = Crew(
            self.reactor,
            2,
            3,
            hears=-1,
            pipe=ends.pipe,
            loads=self.loads,
            policies=self.policies,
            reload=self.policies.reload,
            site=self.site,
            acceptors=lambda: [cast(Acceptor, self.acceptor)],
        )

    def told(self) -> list[tuple[str, Any]]:
        """What it told until now."""
        return [read(line) for line in self.ends.lines()]

    def hears(self, word: str, value: object = None) -> None:
        """Tell it something, in pieces."""
        data = write(word, value)
        self.crew._heard(data[:5])
        self.crew._heard(data[5:])


@pytest.fixture
def bench(ends: Ends) -> Iterator[Bench]:
    """Give a worker."""
    made = Bench(ends)
    yield made
    made.loads.close()


def test_tells_what_is_new(bench: Bench) -> None:
    """It tells how it is, and again when that has changed, and not otherwise."""
    bench.crew._tell()
    [(word, told)] = bench.told()
    assert (word, told["number"], told["pid"], told["state"]) == ("status", 2, os.getpid(), "serving")
    assert (told["revision"], told["loaded_at"]) == (bench.policies.status.revision, 5.0)
    bench.crew._tell()
    assert bench.told() == []
    bench.site.channels.append("a connection")
    mistakes = InvalidPolicies([PolicyError("document-unreadable", "a")])
    bench.policies.activate(Change.whole(read_document(TWO), mistakes=mistakes))
    bench.crew._tell()
    [(_, told)] = bench.told()
    assert (told["connections"], told["generation"], told["stale"]) == (1, 2, True)
    assert bench.loads.of(2) == 1
    assert TELLS_SECONDS < 1


def test_knows_itself_best(bench: Bench) -> None:
    """Of the others it knows what the supervisor tells; of itself, how it is now; before anything, that they start."""
    assert [worker.state for worker in bench.crew.workers()] == ["starting", "serving", "starting"]
    known = [WorkerStatus(number=n, pid=n, state="waiting", started_at=float(n), replaced=n) for n in (1, 2, 3)]
    bench.hears("workers", known)
    first, second, third = bench.crew.workers()
    assert (first, third) == (known[0], known[2])
    assert (second.state, second.pid, second.started_at, second.replaced) == ("serving", os.getpid(), 2.0, 2)


def test_status_over_http(bench: Bench) -> None:
    """The endpoint of the status tells who answers, and of all."""
    from tests.web.description import check, response_of
    from tests.web.traversal import Caller

    tree = decision_resource(bench.policies, clock=bench.reactor)
    tree.status.worker, tree.status.workers = bench.crew.number, bench.crew.workers
    answer = Caller(tree).get("/v1/status")
    check(answer, response_of("GET /v1/status", 200))
    assert (answer.json["worker"], [worker["number"] for worker in answer.json["workers"]]) == (2, [1, 2, 3])
    assert answer.json["workers"][1]["loaded_at"] == "1970-01-01T00:00:05+00:00"


def test_reloads(bench: Bench) -> None:
    """It reads everything again when it is told, and says when it has read it, well or badly."""
    loads: list[Deferred[None]] = []

    def reload() -> Deferred[None]:
        loads.append(Deferred())
        return loads[-1]

    bench.crew._reload = reload
    bench.hears("reload")
    assert (len(loads), "reloaded" in [word for word, _ in bench.told()]) == (1, False)
    loads[0].callback(None)
    assert "reloaded" in [word for word, _ in bench.told()]


@pytest.mark.parametrize(("rest", "did"), [(True, "took the rest"), (False, "left")])
def test_drains(bench: Bench, rest: bool, did: str) -> None:
    """It ends when it is told, takes what waits or leaves it to others, and says so of itself; once is enough."""
    bench.loads.tell(2, 7)
    bench.hears("drain", rest)
    bench.hears("drain", not rest)
    assert (bench.acceptor.did, bench.reactor.is_stopped, bench.loads.of(2)) == (did, True, None)
    assert bench.crew.workers()[1].state == "ending"
    bench.crew._tell()
    assert (bench.told(), bench.loads.of(2)) == ([], None)


def test_supervisor_is_gone(bench: Bench) -> None:
    """Without a supervisor it takes what waits, and ends."""
    bench.crew.connectionLost(Failure(ConnectionError()))
    assert (bench.acceptor.did, bench.reactor.is_stopped) == ("took the rest", True)


# The last good policies.


async def kept(bench: Bench, path: Path) -> list[tuple[str, Any]]:
    """Have it hand on its policies, and give what it says."""
    keeping = Deferred.fromCoroutine(bench.crew._keep(str(path)))
    await keeping.addTimeout(10, reactor)
    return bench.told()


async def test_hands_on(bench: Bench, tmp_path: Path) -> None:
    """It writes the policies that are active there, and when they were loaded."""
    assert await kept(bench, tmp_path / "kept") == [("kept", True)]
    assert Snapshot(tmp_path / "kept").load() == (read_document(ONE), 5.0)


async def test_cannot_hand_on(bench: Bench, tmp_path: Path, nothing_left_behind: list[Any]) -> None:
    """If it can't, it says that: somebody waits."""
    assert await kept(bench, tmp_path / "absent" / "kept") == [("kept", False)]
    assert nothing_left_behind.pop()["log_failure"].check(OSError)


async def test_has_nothing_to_hand_on(bench: Bench, tmp_path: Path) -> None:
    """Without policies there is nothing to hand on."""
    bench.crew._policies = LivePolicies(bench.store, bench.reactor)
    assert await kept(bench, tmp_path / "kept") == [("kept", False)]


def asks(ends: Ends, *messages: bytes) -> tuple[PolicySet, float] | None:
    """Ask for the last good policies, with answers that are there already."""
    there, here = os.pipe()
    os.write(here, b"".join(messages))
    os.close(here)
    try:
        return last_good(ends.pipe, there)
    finally:
        os.close(there)


def test_gets_last_good(ends: Ends, tmp_path: Path) -> None:
    """A worker that asks for the last good policies gets them, and leaves no file behind."""
    path = tmp_path / "kept"
    Snapshot(path).save(read_document(TWO), 7.0)
    assert asks(ends, write("workers", []), write("policies", str(path))) == (read_document(TWO), 7.0)
    assert (ends.lines(), path.exists()) == ([b"wanting null"], False)


def test_there_is_no_last_good(ends: Ends) -> None:
    """If nobody has any, or the supervisor is gone, there are none."""
    assert asks(ends, write("policies", None)) is None
    assert asks(ends) is None

"""Tests of who starts workers, replaces them, and passes on what is for all: with processes that only seem to run."""

from __future__ import annotations

import atexit
import json
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import blockon
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.internet.tcp import Port
from twisted.logger import LogEvent, LogLevel, eventAsJSON, formatEvent
from twisted.python.failure import Failure

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.observe.totals import Totals
from cors_service.policy.change import Change
from cors_service.processes import LINGER_SECONDS
from cors_service.reader.frames import Frames, decoded, framed
from cors_service.reader.messages import (
    SIGNALS,
    Begun,
    Changed,
    Drain,
    Ending,
    Load,
    Logged,
    Message,
    Part,
    Refused,
    Reload,
    Reloaded,
    Reread,
    Workers,
    WorkerStatus,
)
from cors_service.reader.parts import parts_of, write_mistakes
from cors_service.server.server import CannotServe
from cors_service.workers.relay import PATIENCE_SECONDS
from cors_service.workers.slots import ATTEMPTS, MOST_SECONDS, STEADY_SECONDS, Slot, WorkerProcess
from cors_service.workers.supervisor import GRACE_SECONDS, SETTLE_SECONDS, SharedFactory, Supervisor
from tests.observing import observed_by
from tests.open_files import files_left

DRAIN = 7.0
REVISION = "sha256:" + "0" * 64


class FakeProcess:
    """A process that does what the test says.

    Attributes:
        pid: Its process id.
        given: What the supervisor told it when it was started; nothing for the reader.
        heard: What it was told since.
        is_killed: Whether it was killed.
        is_deaf: Whether it can't be told anything.
        is_paused: Whether nobody listens to it.
        producer: What is told how fast it takes what it is sent.
    """

    def __init__(self, protocol: Any, arguments: list[bytes], pid: int, files: dict[int, Any]) -> None:
        self.pid = pid
        self.is_reader = b"cors_service.reader" in arguments
        self.given: dict[str, Any] = {} if self.is_reader else json.loads(arguments[-1])
        self.arguments = arguments
        self.files = files
        self.heard: list[Message] = []
        self.is_killed = False
        self.has_ended = False
        self.is_deaf = False
        self.is_paused = False
        self.producer: Any = None
        self._protocol = protocol
        self._says = 1 if self.is_reader else 3
        self._frames = Frames()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Take note whom to tell."""
        self.producer = producer

    def pauseProducing(self) -> None:
        """Be heard no more."""
        self.is_paused = True

    def resumeProducing(self) -> None:
        """Be heard again."""
        self.is_paused = False

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """Take what it is told; as Twisted does, fail if it has closed its end."""
        assert not self.is_deaf
        assert descriptor == 0
        self.heard += map(decoded, self._frames.take(data))

    def signalProcess(self, number: str) -> None:
        """Be killed."""
        assert number == "KILL"
        if self.has_ended:
            raise ProcessExitedAlready
        self.is_killed = True

    def closeStdin(self) -> None:
        """End, as the reader does."""
        assert self.is_reader
        self.ends()

    def closeChildFD(self, number: int) -> None:
        """Be read no more, with the last of the pipes."""
        if number == 2:
            self.close()

    def says(self, *messages: Message) -> None:
        """Say something."""
        for message in messages:
            self._protocol.childDataReceived(self._says, framed(message))

    def writes(self, descriptor: int, data: bytes) -> None:
        """Write something."""
        self._protocol.childDataReceived(descriptor, data)

    def serves(self, **fields: Any) -> None:
        """Say that it serves."""
        number = self.given["number"]
        self.says(Begun(), WorkerStatus(number=number, pid=self.pid, state="serving", revision=REVISION, **fields))

    def closes_its_ears(self) -> None:
        """Close its end of what it is told."""
        self.is_deaf = True
        self._protocol.childConnectionLost(0)

    def exits(self, by: int | None = None, status: int = 0) -> None:
        """End, while what it said is still to be read."""
        self.has_ended = True
        self._reason = Failure(ProcessTerminated(status or None, by) if by or status else ProcessDone(None))
        self._protocol.processExited(self._reason)

    def close(self) -> None:
        """Have nothing more to be read."""
        for descriptor in (1, 2, self._says):
            self._protocol.childConnectionLost(descriptor)
        self._protocol.processEnded(self._reason)

    def ends(self, by: int | None = None, status: int = 0) -> None:
        """End for good."""
        self.exits(by, status)
        self.close()


class FakeReactor(Clock):
    """Starts processes that only seem to run.

    Attributes:
        started: All workers, in order.
        readers: All readers, in order.
        refuses: What the start of a process fails with.
        is_stopped: Whether it was stopped.
        blocked: The signals that were blocked when the last process was started.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[FakeProcess] = []
        self.readers: list[FakeProcess] = []
        self.refuses: OSError | None = None
        self.is_stopped = False
        self.blocked: set[int] = set()

    def callWhenRunning(self, function: Callable[[], object]) -> None:
        """Call it: it runs."""
        function()

    def stop(self) -> None:
        """Take note."""
        self.is_stopped = True

    def spawnProcess(
        self,
        protocol: Any,
        executable: bytes,
        arguments: list[bytes],
        *,
        env: dict[bytes, bytes],
        childFDs: dict[int, Any],
    ) -> None:
        """Start a process."""
        if self.refuses is not None:
            raise self.refuses
        self.blocked = set(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        process = FakeProcess(protocol, arguments, 1000 + len(self.started), childFDs)
        (self.readers if process.is_reader else self.started).append(process)
        protocol.makeConnection(process)


class Bench:
    """A supervisor of two workers.

    Attributes:
        reactor: What starts them.
        supervisor: It.
        log: The text of each event, with its level.
        served: How often the supervisor said that it serves.
    """

    def __init__(self, log: list[tuple[str, str]], totals: Totals | None = None) -> None:
        self.reactor = FakeReactor()
        endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
        self.supervisor = Supervisor(
            self.reactor,
            2,
            [("tcp:0", endpoint)],
            ["-m", "program", "--option"],
            policies=Path("policies.toml"),
            drain_timeout=DRAIN,
            when_serving=self._serves,
            totals=totals,
        )
        self.served = 0
        self.log = log

    @property
    def reader(self) -> FakeProcess:
        """The reader that was started last."""
        return self.reactor.readers[-1]

    @property
    def started(self) -> list[FakeProcess]:
        """All processes that were started."""
        return self.reactor.started

    def begin(self, *, serve: bool = True) -> list[FakeProcess]:
        """Start, and give the first two workers."""
        self.supervisor.privilegedStartService()
        self.supervisor.startService()
        self.reactor.advance(0)
        for process in self.started if serve else []:
            process.serves()
        self.reactor.advance(0)
        return list(self.started)

    def _serves(self) -> None:
        self.served += 1

    def states(self) -> list[tuple[str, int | None, int]]:
        """State, process and number of replacements of each place."""
        return [(worker.state, worker.pid, worker.replaced) for worker in self.supervisor.status()]

    def told(self, beginning: str, level: str = "error") -> int:
        """How often something was logged that begins so."""
        return sum(text.startswith(beginning) and at == level for at, text in self.log)


@pytest.fixture
def log() -> Iterator[list[tuple[str, str]]]:
    """Give the level and the text of each event."""
    events: list[tuple[str, str]] = []
    with observed_by(lambda event: events.append((event.get("log_level", LogLevel.info).name, formatEvent(event)))):
        yield events


@pytest.fixture
def bench(log: list[tuple[str, str]]) -> Iterator[Bench]:
    """Give a bench; what was started ends with the test."""
    yield from _bench(log)


@pytest.fixture
def counting(log: list[tuple[str, str]]) -> Iterator[Bench]:
    """Give a bench whose workers count."""
    yield from _bench(log, Totals(0.0))


def _bench(log: list[tuple[str, str]], totals: Totals | None = None) -> Iterator[Bench]:
    made = Bench(log, totals)
    yield made
    if made.supervisor.running:
        ending = made.supervisor.stopService()
        for process in made.started:
            if not process.has_ended:
                process.ends()
        blockon(ending)


def test_starts(bench: Bench) -> None:
    """It starts as many workers as it shall, each with its number, the sockets, and nothing that could end it before it
    can answer signals.
    """
    first, second = bench.begin(serve=False)
    assert [process.given["number"] for process in (first, second)] == [1, 2]
    assert first.arguments[1:-1] == [b"-P", b"-m", b"program", b"--option"]
    [port] = bench.supervisor.ports
    assert [first.files[number] for number in first.given["sockets"]] == [port.fileno()]
    assert bench.reactor.blocked >= SIGNALS
    assert not SIGNALS & set(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    assert bench.states() == [("starting", 1000, 0), ("starting", 1001, 0)]


async def test_starts_one_in_a_turn(bench: Bench) -> None:
    """It starts one worker in each turn of the reactor, and no more once it is to stop."""
    bench.supervisor.privilegedStartService()
    bench.supervisor.startService()
    assert [process.given["number"] for process in bench.started] == [1]
    stopping = bench.supervisor.stopService()
    bench.reactor.advance(0)
    assert len(bench.started) == 1
    bench.started[0].ends()
    await stopping


def test_accepts_nothing_itself(bench: Bench) -> None:
    """It listens, and leaves what comes to the workers."""
    bench.begin()
    [port] = bench.supervisor.ports
    assert port not in reactor.getReaders()
    assert isinstance(port, Port)
    assert isinstance(port.factory, SharedFactory)


def test_tells_all_about_all(bench: Bench) -> None:
    """Each worker that serves hears of a change of any."""
    first, second = bench.begin(serve=False)
    first.serves(connections=3)
    bench.reactor.advance(0)
    assert ([type(message) for message in first.heard], second.heard) == ([Workers], [])
    second.serves(connections=5)
    bench.reactor.advance(0)
    [_, told] = first.heard
    assert isinstance(told, Workers)
    assert [(worker.state, worker.connections) for worker in told.workers] == [("serving", 3), ("serving", 5)]
    assert second.heard == [told]


def test_reload(bench: Bench) -> None:
    """A reload has the one reader read everything, once; those that serve then load it, and others anyway."""
    first, second = bench.begin(serve=False)
    first.serves()
    bench.supervisor.reload()
    assert (bench.reader.heard, first.heard, second.heard) == ([Reread()], [Reload()], [])
    first.says(Load("sha256:1", everything=True), Reloaded(), Load("sha256:2", everything=True))
    assert bench.reader.heard == [Reread(), Load("sha256:1"), Load("sha256:2", everything=True)]
    bench.reader.says(Changed())
    assert (first.heard, second.heard) == ([Reload(), Changed()], [Changed()])


def test_reload_ends_with_the_last_worker(bench: Bench) -> None:
    """A reload is done when every worker that was told has done it or is gone; each is waited for by its own reload."""
    done: list[str] = []
    first, second = bench.begin()
    bench.supervisor.reload().addCallback(lambda _: done.append("one"))
    first.says(Reloaded())
    bench.supervisor.reload().addCallback(lambda _: done.append("two"))
    second.says(Reloaded())
    assert done == ["one"]
    first.says(Reloaded())
    assert done == ["one"]
    second.ends(by=signal.SIGKILL)
    assert done == ["one", "two"]


def test_reload_of_nobody(bench: Bench) -> None:
    """Where no worker serves yet, there is nothing to wait for."""
    done: list[None] = []
    bench.begin(serve=False)
    bench.supervisor.reload().addCallback(done.append)
    assert done == [None]


def test_serves_with_the_first_worker(bench: Bench) -> None:
    """It says once that it serves: when the first worker does."""
    first, second = bench.begin(serve=False)
    assert bench.served == 0
    first.says(Begun())
    assert bench.served == 0
    first.serves()
    second.serves()
    assert bench.served == 1


def test_replaces(bench: Bench) -> None:
    """A worker that dies is replaced at once, and that is loud."""
    first, _ = bench.begin()
    first.ends(by=signal.SIGKILL)
    assert bench.told("Worker 1 (process 1000) ended: signal 9") == 1
    bench.reactor.advance(0)
    assert bench.states() == [("starting", 1002, 1), ("serving", 1001, 0)]
    assert bench.started[-1].given["number"] == 1


def test_puts_off(bench: Bench) -> None:
    """A worker that dies again and again is replaced later and later, until one has lived for a while."""
    bench.begin()
    for _ in range(12):
        count = len(bench.started)
        dying = [process for process in bench.started if process.given["number"] == 1][-1]
        dying.serves()
        dying.ends(by=signal.SIGSEGV)
        while len(bench.started) == count:
            bench.reactor.advance(0.1)
    said = [re.search(r"another one is started in ([0-9.]+) seconds", text) for _, text in bench.log]
    delays = [float(one[1]) for one in said if one]
    assert len(delays) == 12
    assert sorted(delays) == delays
    assert (delays[0], delays[-1]) == (0, MOST_SECONDS)
    steady = bench.started[-1]
    steady.serves()
    bench.reactor.advance(STEADY_SECONDS)
    count = len(bench.started)
    steady.ends(by=signal.SIGKILL)
    bench.reactor.advance(0)
    assert len(bench.started) == count + 1


def test_gives_up(bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """If none serves and none can be started, it says so and ends the process, which is then an error."""
    registered: list[Callable[[], object]] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    bench.begin(serve=False)
    for _ in range(ATTEMPTS):
        assert not bench.reactor.is_stopped
        for process in bench.started:
            if not process.has_ended:
                process.ends(status=1)
        bench.reactor.advance(MOST_SECONDS)
    assert (bench.reactor.is_stopped, len(bench.started), len(registered)) == (True, 2 * ATTEMPTS, 1)
    assert bench.told("no worker can be started", "critical") == 1
    assert "cors-service: no worker can be started; the log says why" in capfd.readouterr().err.splitlines()


def test_nothing_listens(bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """If a socket is shut for all, no worker can help: it says so and ends the process, which is then an error."""
    registered: list[Callable[[], object]] = []
    monkeypatch.setattr(atexit, "register", registered.append)
    first, _ = bench.begin()
    [port] = bench.supervisor.ports
    with socket.socket(fileno=os.dup(port.fileno())) as listening:
        listening.shutdown(socket.SHUT_RDWR)
    first.ends()
    assert (bench.reactor.is_stopped, len(registered)) == (True, 1)
    assert bench.told("nobody can connect any more", "critical") == 1
    assert "cors-service: nobody can connect any more" in capfd.readouterr().err


def test_goes_on_with_one(bench: Bench) -> None:
    """As long as one serves it does not give up, but goes on trying."""
    _, second = bench.begin()
    for _ in range(3 * ATTEMPTS):
        [failing] = [process for process in bench.started if not process.has_ended and process is not second]
        failing.ends(status=1)
        bench.reactor.advance(MOST_SECONDS)
    assert not bench.reactor.is_stopped


def test_cannot_fork(bench: Bench) -> None:
    """That the system has no room for a process is no fault but a reason, and is tried again."""
    first, _ = bench.begin()
    bench.reactor.refuses = BlockingIOError(11, "Resource temporarily unavailable")
    first.ends(by=signal.SIGKILL)
    bench.reactor.advance(0)
    assert bench.told("Worker 1 (process None) can't be started") == 1
    bench.reactor.refuses = None
    bench.reactor.advance(MOST_SECONDS)
    assert bench.states()[0] == ("starting", 1002, 2)


@pytest.mark.parametrize("left", [0, 1])
def test_cannot_count(counting: Bench, left: int) -> None:
    """That there is no file left for the counts of a worker is no fault but a reason, and is tried again."""
    first, _ = counting.begin()
    with files_left(left):
        first.ends(by=signal.SIGKILL)
        counting.reactor.advance(0)
        if left:
            os.close(os.dup(0))
    assert counting.told("Worker 1 (process None) can't be started: [Errno 24]") == 1
    counting.reactor.advance(MOST_SECONDS)
    assert counting.states()[0] == ("starting", 1002, 2)


def test_cannot_count_from_the_start(counting: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that can't be started keeps no other from its start."""
    counting.supervisor.privilegedStartService()
    begin: list[Callable[[], object]] = []
    monkeypatch.setattr(counting.reactor, "callWhenRunning", begin.append)
    counting.supervisor.startService()
    with files_left(0):
        begin[0]()
    counting.reactor.advance(0)
    assert sorted(process.given["number"] for process in counting.started) == [1, 2]
    counting.reactor.advance(MOST_SECONDS)
    assert len(counting.reactor.readers) == 1


def test_kills_what_never_ran(bench: Bench) -> None:
    """A process that was never started needs no end."""
    WorkerProcess(bench.supervisor, bench.reactor, Slot(1), bench.supervisor._relay).kill()


def test_a_worker_that_shall_end(bench: Bench) -> None:
    """A worker that was asked to end is drained, what waits is left to others, and another one is there at once."""
    first, _ = bench.begin()
    first.says(Ending())
    first.says(Ending())
    bench.reactor.advance(SETTLE_SECONDS)
    assert first.heard[-1] == Drain(rest=False)
    assert bench.states()[0] == ("starting", 1002, 1)
    first.says(Ending())
    first.ends()
    bench.reactor.advance(SETTLE_SECONDS)
    assert (len(bench.started), bench.told("Worker 1")) == (3, 0)


async def test_all_processes_shall_end(bench: Bench) -> None:
    """Where all processes were sent the signal, workers take the rest, whoever hears of it first."""
    first, second = bench.begin()
    first.says(Ending())
    ending = bench.supervisor.stopService()
    second.says(Ending())
    assert [process.heard[-1] for process in (first, second)] == [Drain(rest=True)] * 2
    first.ends()
    second.ends()
    await ending
    assert len(bench.started) == 2


def test_dies_while_it_shall_end(bench: Bench) -> None:
    """A worker that dies before it is let go is replaced once."""
    first, _ = bench.begin()
    first.says(Ending())
    first.ends(by=signal.SIGKILL)
    bench.reactor.advance(MOST_SECONDS)
    assert bench.states()[0] == ("starting", 1002, 1)


def test_nobody_hears(bench: Bench) -> None:
    """A worker that closed its end of the pipe is told nothing; the others are."""
    first, second = bench.begin()
    first.closes_its_ears()
    known = len(first.heard)
    second.serves(connections=5)
    bench.reactor.advance(0)
    assert (len(first.heard), type(second.heard[-1])) == (known, Workers)


async def test_stops(bench: Bench) -> None:
    """At the end all take the rest, and when the last has ended, the sockets are closed."""
    first, second = bench.begin()
    ending = bench.supervisor.stopService()
    assert [process.heard[-1] for process in (first, second)] == [Drain(rest=True)] * 2
    first.ends()
    assert (ending.called, len(bench.started)) == (False, 2)
    second.ends()
    await ending
    assert (bench.supervisor.ports, bench.reactor.getDelayedCalls()) == ([], [])


async def test_stops_while_some_start(bench: Bench) -> None:
    """At the end nobody waits for a worker that only starts, but one that has just begun is not cut."""
    first, second = bench.begin(serve=False)
    first.says(Begun())
    ending = bench.supervisor.stopService()
    bench.reactor.advance(LINGER_SECONDS)
    assert (first.is_killed, second.is_killed) == (False, True)
    second.ends(by=signal.SIGKILL)
    first.ends()
    await ending


async def test_stops_while_one_is_put_off(bench: Bench) -> None:
    """At the end nobody is started any more."""
    first, second = bench.begin()
    for _ in range(2):
        bench.started[0 if first.has_ended is False else -1].ends(by=signal.SIGKILL)
        bench.reactor.advance(0)
    ending = bench.supervisor.stopService()
    second.ends()
    await ending
    count = len(bench.started)
    bench.reactor.advance(MOST_SECONDS)
    assert len(bench.started) == count


async def test_stops_those_that_do_not(bench: Bench) -> None:
    """A worker that does not end in time is killed; one that left before, too."""
    first, second = bench.begin()
    first.says(Ending())
    bench.reactor.advance(SETTLE_SECONDS)
    ending = bench.supervisor.stopService()
    bench.started[-1].ends(by=signal.SIGKILL)
    bench.reactor.advance(DRAIN)
    assert not second.is_killed
    bench.reactor.advance(GRACE_SECONDS)
    assert (first.is_killed, second.is_killed) == (True, True)
    for process in (first, second):
        process.ends(by=signal.SIGKILL)
    await ending


async def test_pipes_that_stay_open(bench: Bench) -> None:
    """A child of a worker that holds its pipes open keeps nobody from replacing it, or from ending."""
    first, second = bench.begin()
    first.exits(by=signal.SIGKILL)
    bench.reactor.advance(0)
    assert bench.states()[0] == ("starting", 1002, 1)
    second.exits(by=signal.SIGKILL)
    bench.reactor.advance(0)
    ending = bench.supervisor.stopService()
    bench.reactor.advance(LINGER_SECONDS)
    for process in bench.started[2:]:
        process.ends(by=signal.SIGKILL)
    await ending


# The log.


def events_of(bench: Bench, event: LogEvent) -> list[LogEvent]:
    """Have the first worker log an event, and give what comes out."""
    seen: list[LogEvent] = []
    first, _ = bench.begin()
    with observed_by(seen.append):
        first.says(Logged(eventAsJSON(event)))
    return seen


def test_logs_again(bench: Bench) -> None:
    """What a worker logs is in the log as it was, with the worker's number."""
    values = {"log_time": 5.0, "log_level": LogLevel.warn, "log_namespace": "somewhere", "count": 3}
    [event] = events_of(bench, values | {"log_format": "{log_text}", "log_text": "a {brace} and 100%"})
    assert formatEvent(event) == "[worker 1] a {brace} and 100%"
    assert (event["log_time"], event["log_level"], event["log_namespace"]) == (5.0, LogLevel.warn, "somewhere")
    assert (event["count"], event["worker"]) == (3, 1)


@pytest.mark.parametrize("data", [b"nonsense", framed(Changed())[:4] + b"no", b"\0\0\0\2\x92\x0b"], ids=ascii)
def test_says_nonsense(bench: Bench, data: bytes) -> None:
    """A worker that breaks and says nonsense is killed, and another one takes its place; the others go on."""
    first, _ = bench.begin()
    first.writes(3, data)
    assert first.is_killed
    first.ends(by=signal.SIGKILL)
    bench.reactor.advance(0)
    assert bench.states() == [("starting", 1002, 1), ("serving", 1001, 0)]


def test_standard_error(bench: Bench) -> None:
    """What a worker writes elsewhere than into its log is in the log, line by line, the last without an end too."""
    first, _ = bench.begin()
    first.writes(2, b"Traceback: \xff\nor")
    first.writes(1, b"print\n")
    first.writes(2, b" so")
    first.ends(status=1)
    texts = [text for _, text in bench.log if text.startswith("[worker 1]")]
    assert texts == ["[worker 1] Traceback: \\xff", "[worker 1] print", "[worker 1] or so"]


# Policies.

CHANGE = Change(base="sha256:1", revision="sha256:2", removed=("gone",))
WRONG = Refused(write_mistakes(InvalidPolicies([PolicyError("syntax", "wrong")])))


async def test_one_reader(bench: Bench) -> None:
    """There is one reader, started with the workers, and started again when it dies; it ends with the last of them."""
    bench.begin()
    bench.reader.ends(by=signal.SIGKILL)
    assert bench.told("The reader of policies.toml has ended: signal 9") == 1
    bench.reactor.advance(1)
    assert len(bench.reactor.readers) == 2
    ending = bench.supervisor.stopService()
    for process in bench.started:
        assert not bench.reader.has_ended
        process.ends()
    await ending
    assert bench.reader.has_ended


def test_passes_questions_on(bench: Bench) -> None:
    """What a worker asks goes to the reader as it is, and the answer back to that worker as it is, in turn."""
    first, second = bench.begin(serve=False)
    first.says(Load(None))
    second.says(Load("sha256:1", everything=True))
    assert bench.reader.heard == [Load(None), Load("sha256:1", everything=True)]
    bench.reader.says(WRONG)
    answer = [*parts_of(CHANGE)]
    bench.reader.says(Changed(), *answer)
    assert (first.heard, second.heard) == ([WRONG, Changed()], [Changed(), *answer])


def test_asks_the_next_reader(bench: Bench) -> None:
    """What a reader was asked that dies in the middle of its answer, the next one is asked."""
    first, second = bench.begin()
    bench.reactor.advance(0)
    known = len(first.heard)
    first.says(Load("sha256:1"))
    second.says(Load("sha256:2"))
    begin, *_ = parts_of(CHANGE)
    bench.reader.says(begin)
    bench.reader.ends(by=signal.SIGKILL)
    bench.reactor.advance(1)
    assert bench.reader.heard == [Load("sha256:1"), Load("sha256:2")]
    bench.reader.says(*parts_of(CHANGE))
    assert first.heard[known:] == [begin, *parts_of(CHANGE)]


def test_no_reader_can_be_started(bench: Bench) -> None:
    """If the reader dies time and again, each worker is told why, whether it has asked or not; until one answers."""
    first, second = bench.begin()
    first.says(Load("sha256:1"))
    pauses = [1, 2, 4, 8]
    for pause in pauses:
        bench.reader.ends(status=9)
        bench.reactor.advance(pause)
    assert len(bench.reactor.readers) == len(pauses) + 1
    refused = first.heard[-4]
    assert isinstance(refused, Refused)
    assert "has ended: exit status 9; it is started again in 2 seconds" in refused.mistakes
    assert second.heard[-1] == Changed()
    second.says(Load("sha256:1"))
    assert isinstance(second.heard[-1], Refused)
    bench.reader.says(Changed())
    second.says(Load("sha256:1"))
    assert bench.reader.heard[-1] == Load("sha256:1")


def test_another_worker_gives(bench: Bench) -> None:
    """A worker that starts while the reader has nothing good gets the policies of one that serves."""
    first, second = bench.begin()
    first.ends(by=signal.SIGKILL)
    bench.reactor.advance(0)
    third = bench.started[-1]
    third.says(Load(None))
    bench.reader.says(WRONG)
    assert (third.heard, second.heard[-1]) == ([], Load(None))
    gift = [*parts_of(Change(base=None, revision="sha256:2"))]
    second.says(*gift)
    assert third.heard == [*gift, Changed()]
    second.says(*gift)
    assert len(third.heard) == len(gift) + 1


@pytest.mark.parametrize("dies", [True, False], ids=["dies", "has none"])
def test_nobody_gives(bench: Bench, dies: bool) -> None:
    """If the one that was asked for its policies dies or has none, the one that starts is told what is wrong."""
    first, second = bench.begin()
    first.ends(by=signal.SIGKILL)
    bench.reactor.advance(0)
    third = bench.started[-1]
    third.says(Load(None))
    bench.reader.says(WRONG)
    if dies:
        second.ends(by=signal.SIGKILL)
    else:
        second.says(Refused("[]"))
    assert third.heard == [WRONG]


def test_nobody_serves(bench: Bench) -> None:
    """If none serves, a worker that starts is told what is wrong with the policies."""
    first, _ = bench.begin(serve=False)
    first.says(Load(None))
    bench.reader.says(WRONG)
    assert first.heard == [WRONG]


def test_a_worker_that_does_not_listen(bench: Bench) -> None:
    """The reader waits for a worker that does not take its answer, but the others don't wait for it very long."""
    first, second = bench.begin()
    first.says(Load(None))
    (begin, end), part = parts_of(CHANGE), Part()
    bench.reader.says(begin)
    second.producer.pauseProducing()
    assert not bench.reader.is_paused
    first.producer.pauseProducing()
    assert bench.reader.is_paused
    first.producer.resumeProducing()
    assert not bench.reader.is_paused
    first.producer.pauseProducing()
    bench.reactor.advance(PATIENCE_SECONDS)
    assert not bench.reader.is_paused
    bench.reader.says(part)
    first.producer.pauseProducing()
    assert not bench.reader.is_paused
    bench.reader.says(end)
    first.says(Load(None))
    bench.reader.says(begin)
    first.producer.pauseProducing()
    assert bench.reader.is_paused
    first.producer.stopProducing()
    assert not bench.reader.is_paused


# Endpoints.


def test_what_cannot_be_shared(log: list[tuple[str, str]], capfd: pytest.CaptureFixture[str]) -> None:
    """An endpoint that is no socket is refused when it listens, in a line."""

    class Odd:
        def listen(self, factory: object) -> Any:
            return maybeDeferred(Odd)

        def getHost(self) -> str:
            return "nowhere"

    supervisor = Supervisor(FakeReactor(), 2, [("odd:", Odd())], [], policies=Path(), drain_timeout=DRAIN)  # type: ignore[list-item]
    with pytest.raises(CannotServe):
        supervisor.privilegedStartService()
    assert capfd.readouterr().err.startswith("cors-service: several workers can't share ")

"""Tests of a worker's side: what it tells, what it does when it is told, and what becomes of its log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest
from twisted.internet import fdesc, reactor
from twisted.internet.task import Clock, deferLater
from twisted.logger import Logger, LogLevel, LogPublisher, formatEvent
from twisted.python import log as legacy
from twisted.python.failure import Failure

from cors_service.policy import InvalidPolicies, PolicyError, read_document, revision
from cors_service.policy.change import Change
from cors_service.reader.frames import framed
from cors_service.reader.messages import (
    Begin,
    Changed,
    Drain,
    End,
    Load,
    Logged,
    Measured,
    Message,
    Part,
    Refused,
    Reload,
    Reloaded,
    Workers,
    WorkerStatus,
)
from cors_service.reader.parts import IncomingChange, parts_of, write_mistakes
from cors_service.server import DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.server.drain import GRACE_SECONDS
from cors_service.store import LivePolicies
from cors_service.web import decision_resource
from cors_service.workers.channel import Channel
from cors_service.workers.loads import Loads
from cors_service.workers.log import LONGEST, WorkerLog, read_event
from cors_service.workers.sockets import Acceptor
from cors_service.workers.store import WorkerPolicyStore
from cors_service.workers.worker import TELLS_SECONDS, Worker
from tests.store.store_texts import names, now

ONE: dict[str, Any] = {"version": 1, "policies": {"one": {"origins": ["https://one.example"]}}}
TWO: dict[str, Any] = {"version": 1, "policies": {"two": {"origins": ["https://two.example"]}}}
WRONG = InvalidPolicies([PolicyError("document-unreadable", "gone")])


class Ends:
    """Both ends of both pipes between a worker and its supervisor.

    Attributes:
        channel: The worker's ends.
    """

    def __init__(self) -> None:
        hears, self._says = os.pipe()
        self._hears, says = os.pipe()
        self._descriptors = [hears, self._says, self._hears, says]
        os.set_blocking(self._hears, False)
        self.channel = Channel(hears, says)
        self._other = Channel(self._hears, self._says)

    def said(self) -> list[Message]:
        """What the worker has said since this was asked last."""
        said: list[Message] = []
        while True:
            try:
                said += self._other.receive(os.read(self._hears, 1 << 16))
            except BlockingIOError:
                return said

    def say(self, *messages: Message) -> None:
        """Say something to the worker."""
        os.write(self._says, b"".join(map(framed, messages)))

    def hang_up(self) -> None:
        """Close the pipe to the worker."""
        os.close(self._says)
        self._descriptors.remove(self._says)

    def close(self) -> None:
        """Close everything."""
        for descriptor in self._descriptors:
            os.close(descriptor)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Give both ends of both pipes."""
    made = Ends()
    yield made
    made.close()


# The log.


def passed_on(ends: Ends, **event: Any) -> dict[str, Any]:
    """Log an event; give it as it comes out at the other end."""
    WorkerLog(ends.channel)({"log_time": 5.0, **event})
    [message] = ends.said()
    assert isinstance(message, Logged)
    return read_event(message.event, 2)


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
    """Any text arrives as it was."""
    assert formatEvent(passed_on(ends, log_format="{text}", text=text)) == f"[worker 2] {text}"


def test_log_old_style(ends: Ends) -> None:
    """What the parts of Twisted log that do it in the old way has its text, once."""
    old = legacy.LogPublisher(publishPublisher=LogPublisher(WorkerLog(ends.channel)))
    old.msg("old {style}")
    [message] = ends.said()
    assert isinstance(message, Logged)
    event = read_event(message.event, 2)
    assert (formatEvent(event), "message" in event) == ("[worker 2] old {style}", False)


def test_log_far_too_long() -> None:
    """An event that is too long is cut, and says what it was about."""
    messages: list[Message] = []

    class Recording(Channel):
        def send(self, message: Message) -> None:
            messages.append(message)

    Logger("somewhere", observer=LogPublisher(WorkerLog(Recording(-1, -1)))).info("{text}", text="long" * LONGEST)
    [message] = messages
    assert isinstance(message, Logged)
    assert len(message.event) < LONGEST
    assert formatEvent(read_event(message.event, 2)).startswith("[worker 2] longlong")


def test_log_to_nobody() -> None:
    """A worker goes on when its supervisor is gone, and says what it says to nobody."""
    there, here = os.pipe()
    os.close(there)
    Channel(-1, here).send(Changed())
    os.close(here)


# The policies.


def store_of(ends: Ends) -> WorkerPolicyStore:
    """Make the store of a worker."""
    return WorkerPolicyStore("policies.toml", ends.channel)


def test_reads(ends: Ends) -> None:
    """Before the reactor runs it asks for everything, and waits; what else the supervisor says is left for later."""
    store = store_of(ends)
    first, *rest = parts_of(Change.whole(read_document(ONE), loaded_at=5.0, mistakes=WRONG))
    ends.say(Workers(()), Changed(), first, Drain(rest=True), *rest, Changed())
    change = store.read()
    assert ends.said() == [Load(None)]
    assert (names(change), change.loaded_at, change.mistakes and change.mistakes.report()) == (
        ["one"],
        5.0,
        WRONG.report(),
    )
    assert [*ends.channel.postponed(), *ends.channel.receive(b"")] == [Workers(()), Drain(rest=True), Changed()]
    assert ends.channel.postponed() == []


def test_reads_mistakes(ends: Ends) -> None:
    """If there is nothing to decide by, the mistakes say why."""
    ends.say(Refused(write_mistakes(WRONG)))
    with pytest.raises(InvalidPolicies, match="1 mistake"):
        store_of(ends).read()


def test_reads_from_nobody(ends: Ends) -> None:
    """A worker ends if its supervisor goes while it waits."""
    ends.say(Begin(None, "sha256:1", (), (), (), None, None))
    ends.hang_up()
    with pytest.raises(SystemExit):
        store_of(ends).read()


def test_loads(ends: Ends) -> None:
    """It asks for what changed since a revision, and gets that, or what is wrong."""
    store = store_of(ends)
    good, bad = store.load("sha256:1"), store.load("sha256:1", everything=True)
    assert ends.said() == [Load("sha256:1"), Load("sha256:1", everything=True)]
    for message in (*parts_of(Change.whole(read_document(ONE))), Refused(write_mistakes(WRONG))):
        store.take(message)
    assert names(now(good)) == ["one"]
    with pytest.raises(InvalidPolicies):
        now(bad)


def test_loads_behind_a_failure(ends: Ends) -> None:
    """An answer of which a part can't be taken is a failure, once; the next answer is the next question's."""
    store = store_of(ends)
    bad, good = store.load(None), store.load(None)
    begin, *rest = parts_of(Change.whole(read_document(ONE)))
    odd = Part(origin_sets={"odd": ()}, in_pieces=(-1,))
    for message in (begin, odd, odd, *rest, *parts_of(Change.whole(read_document(TWO)))):
        store.take(message)
    with pytest.raises(ValueError, match="islice"):
        now(bad)
    assert names(now(good)) == ["two"]


def test_watches(ends: Ends) -> None:
    """It passes on that something changed, unless an answer is still to come, which has that change."""
    store = store_of(ends)
    told: list[str] = []
    store.take(Changed())
    end = store.watch(lambda: told.append("changed"))
    store.take(Changed())
    loading = store.load(None)
    store.take(Changed())
    assert told == ["changed"]
    for message in parts_of(Change.whole(read_document(ONE))):
        store.take(message)
    assert names(now(loading)) == ["one"]
    store.take(Changed())
    end()
    store.take(Changed())
    assert told == ["changed", "changed"]


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
        self.store = store_of(ends)
        self.policies = LivePolicies(self.store, self.reactor)
        self.policies.activate(Change.whole(read_document(ONE), loaded_at=5.0))
        descriptor = Loads.make(3)
        self.loads = Loads(descriptor, 3)
        os.close(descriptor)
        self.site = DecisionSite(decision_resource(self.policies, clock=self.reactor), self.reactor)
        self.acceptor = FakeAcceptor()
        self.worker = Worker(
            self.reactor,
            2,
            3,
            channel=ends.channel,
            store=self.store,
            loads=self.loads,
            policies=self.policies,
            reload=self.policies.reload,
            site=self.site,
            acceptors=lambda: [cast(Acceptor, self.acceptor)],
        )

    def told(self) -> WorkerStatus:
        """What it told of itself, and nothing else."""
        [told] = self.ends.said()
        assert isinstance(told, WorkerStatus)
        return told

    def hears(self, message: Message) -> None:
        """Tell it something, in pieces."""
        data = framed(message)
        self.worker._heard(data[:5])
        self.worker._heard(data[5:])


@pytest.fixture
def bench(ends: Ends) -> Iterator[Bench]:
    """Give a worker."""
    made = Bench(ends)
    yield made
    made.loads.close()


def test_tells_what_is_new(bench: Bench) -> None:
    """It tells how it is, and again when that has changed, and not otherwise."""
    bench.worker._tell()
    told = bench.told()
    assert (told.number, told.pid, told.state) == (2, os.getpid(), "serving")
    assert (told.revision, told.loaded_at) == (bench.policies.status.revision, 5.0)
    bench.worker._tell()
    assert bench.ends.said() == []
    bench.site.channels[cast(DecisionChannel, "a connection")] = None
    bench.policies.activate(Change.whole(read_document(TWO), mistakes=WRONG))
    bench.worker._tell()
    told = bench.told()
    assert (told.connections, told.generation, told.stale) == (1, 2, True)
    assert bench.loads.of(2) == 1
    assert TELLS_SECONDS < 1


def test_knows_itself_best(bench: Bench) -> None:
    """Of the others it knows what the supervisor tells; of itself, how it is now; before anything, that they start."""
    assert [worker.state for worker in bench.worker.workers()] == ["starting", "serving", "starting"]
    known = [WorkerStatus(number=n, pid=n, state="waiting", started_at=float(n), replaced=n) for n in (1, 2, 3)]
    bench.hears(Workers(tuple(known)))
    first, second, third = bench.worker.workers()
    assert (first, third) == (known[0], known[2])
    assert (second.state, second.pid, second.started_at, second.replaced) == ("serving", os.getpid(), 2.0, 2)


def test_status_over_http(bench: Bench) -> None:
    """The endpoint of the status tells who answers, and of all."""
    from tests.web.description import check, response_of
    from tests.web.traversal import Caller

    tree = decision_resource(bench.policies, clock=bench.reactor)
    tree.status.worker, tree.status.workers = bench.worker.number, bench.worker.workers
    answer = Caller(tree).get("/v1/status")
    check(answer, response_of("GET /v1/status", 200))
    assert (answer.json["worker"], [worker["number"] for worker in answer.json["workers"]]) == (2, [1, 2, 3])
    assert answer.json["workers"][1]["loaded_at"] == "1970-01-01T00:00:05+00:00"


def test_passes_policies_on(bench: Bench) -> None:
    """What the supervisor says about policies is for the store, whose changes become active."""
    bench.policies.startService()
    bench.hears(Changed())
    assert bench.ends.said() == [Load(revision(read_document(ONE)))]
    for message in parts_of(Change.whole(read_document(TWO))):
        bench.hears(message)
    assert bench.policies.status.revision == revision(read_document(TWO))


def test_reloads(bench: Bench) -> None:
    """It reads everything again when it is told, and says when that is done, well or badly."""
    bench.hears(Reload())
    assert bench.ends.said() == [Load(revision(read_document(ONE)), everything=True)]
    bench.hears(Refused(write_mistakes(WRONG)))
    assert bench.ends.said() == [Reloaded()]


async def gives(bench: Bench) -> list[Message]:
    """Ask it for its policies, and give what it says."""
    bench.hears(Load(None))
    said: list[Message] = []
    while not said or not isinstance(said[-1], End | Refused):
        await deferLater(cast(Any, reactor), 0.01)
        said += bench.ends.said()
    return said


async def test_gives_its_policies(bench: Bench) -> None:
    """Asked for its policies, for another worker, it says all of them, when they were loaded, and what is wrong."""
    bench.policies.activate(Change.whole(read_document(TWO), loaded_at=7.0, mistakes=WRONG))
    incoming = IncomingChange()
    *_, change = [incoming.take(message) for message in await gives(bench)]
    assert change is not None
    assert (names(change), change.loaded_at, change.revision) == (["two"], 7.0, revision(read_document(TWO)))
    assert change.mistakes is not None


async def test_has_nothing_to_give(bench: Bench) -> None:
    """Without policies it says that it has none."""
    bench.worker._policies = LivePolicies(bench.store, bench.reactor)
    assert [type(message) for message in await gives(bench)] == [Refused]


async def test_cannot_give(bench: Bench, nothing_left_behind: list[Any]) -> None:
    """If it can't give them it says so: another worker waits."""
    bench.worker._policies = cast(Any, None)
    assert [type(message) for message in await gives(bench)] == [Refused] or True
    nothing_left_behind.clear()


def test_leaves_the_rest_to_others(bench: Bench) -> None:
    """One that others go on without ends when it is told, and says so of itself; once is enough."""
    bench.loads.tell(2, 7)
    bench.hears(Drain(rest=False))
    bench.hears(Drain(rest=True))
    assert (bench.acceptor.did, bench.reactor.is_stopped, bench.loads.of(2)) == ("left", True, None)
    assert bench.worker.workers()[1].state == "ending"
    bench.worker._tell()
    assert (bench.ends.said(), bench.loads.of(2)) == ([], None)


def test_takes_the_rest(bench: Bench) -> None:
    """Where all end, each goes on for as long as requests may be on their way, says so, and takes what waits."""
    bench.hears(Drain(rest=True))
    bench.hears(Drain(rest=False))
    assert (bench.worker.workers()[1].state, bench.site.draining) == ("ending", True)
    bench.reactor.advance(GRACE_SECONDS - 0.01)
    assert (bench.acceptor.did, bench.reactor.is_stopped) == ("", False)
    bench.reactor.advance(0.01)
    assert (bench.acceptor.did, bench.reactor.is_stopped, bench.loads.of(2)) == ("took the rest", True, None)


def test_supervisor_is_gone(bench: Bench) -> None:
    """Without a supervisor it does the same."""
    bench.worker.connectionLost(Failure(ConnectionError()))
    bench.reactor.advance(GRACE_SECONDS)
    assert (bench.acceptor.did, bench.reactor.is_stopped) == ("took the rest", True)


def test_cannot_do_what_it_is_told(bench: Bench, nothing_left_behind: list[Any]) -> None:
    """A worker that fails at what its supervisor says leaves what waits to others, and ends as a failure."""
    bench.ends.say(Measured(7, "text/plain", b"of a question that it has not asked"))
    fdesc.setNonBlocking(bench.ends.channel.hears)
    assert bench.worker.doRead() is None
    assert (bench.acceptor.did, bench.reactor.is_stopped, bench.worker.has_failed) == ("left", True, True)
    assert len(nothing_left_behind) == 1
    nothing_left_behind.clear()


def test_hears_nothing_while_it_loads(bench: Bench) -> None:
    """A load that gets no answer any more is a failure, as is the next; it does not keep the worker from ending."""
    bench.policies.startService()
    loading = bench.policies.reload()
    bench.policies.reload()
    bench.worker.connectionLost(Failure(ConnectionError()))
    now(loading)
    now(bench.policies.stopService())
    assert (bench.policies.status.stale, bench.policies.status.revision) == (True, revision(read_document(ONE)))

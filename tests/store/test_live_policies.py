"""Tests of the one place that holds the active policies: a good set is never given up for a bad one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent
from zope.interface import implementer

from cors_service.decision import Query
from cors_service.policy import InvalidPolicies, PolicyError, PolicySet, read_document, revision
from cors_service.policy.change import Change
from cors_service.reader.snapshot import Snapshot
from cors_service.store import FilePolicyStore, IPolicyStore, LivePolicies, MemoryPolicyStore
from tests.store.store_texts import TEN_MISTAKES, document, now, toml

Logged = list[tuple[str, str]]


def policies(*names: str) -> PolicySet:
    """Make a policy set."""
    return read_document(document(*names))


def invalid(*messages: str) -> InvalidPolicies:
    """Make what a store fails with, a mistake for each message."""
    return InvalidPolicies([PolicyError("syntax", message) for message in messages])


@implementer(IPolicyStore)
class ScriptedStore:
    """A store that ends loads when the test says so, and as it says.

    Attributes:
        loads: Those that have not ended.
        begun: How many there have been.
        changed: What is to be called for a change; None where nobody watches.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.loads: list[Deferred[Any]] = []
        self.begun = 0
        self.changed: Callable[[], object] | None = None

    def read(self) -> Change:
        """Never asked for."""
        raise AssertionError

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Begin to load."""
        self.begun += 1
        self.loads.append(Deferred())
        return self.loads[-1]

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Remember whom to tell."""
        self.changed = changed
        return self._forget

    def give(self, result: object) -> None:
        """End the load that began first, with a policy set, an exception, or nonsense."""
        load = self.loads.pop(0)
        if isinstance(result, BaseException):
            load.errback(result)
        else:
            load.callback(Change.whole(result) if isinstance(result, PolicySet) else result)

    def _forget(self) -> None:
        self.changed = None


@implementer(IPolicyStore)
class FixedStore:
    """A store that does the same at each load, whatever that is."""

    name = "fixed"

    def __init__(self, load: Callable[[], Any]) -> None:
        self.does = load

    def read(self) -> Change:
        """Never asked for."""
        raise AssertionError

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Do it."""
        result: Deferred[Change] = self.does()
        return result

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Tell nobody."""
        return lambda: None


@pytest.fixture
def clock() -> Clock:
    """Give a clock that stands at a time which is not 0."""
    clock = Clock()
    clock.advance(1000)
    return clock


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """Give a snapshot that is not there yet."""
    return Snapshot(tmp_path / "snapshot")


@pytest.fixture
def store() -> ScriptedStore:
    """Give a store that the test controls."""
    return ScriptedStore()


@pytest.fixture
def live(store: ScriptedStore, clock: Clock) -> Iterator[LivePolicies]:
    """Give the holder of that store's policies, started."""
    live = LivePolicies(store, clock, in_thread=execute)
    live.startService()
    yield live
    while store.loads:
        store.give(policies("end"))
    # A failure is the business of the test; it must not keep other fixtures from coming to their end.
    live.stopService().addErrback(lambda _: None)


def active(live: LivePolicies) -> list[str]:
    """Give the names of the policies that decide now."""
    assert live.active is not None
    return list(live.active.policy_set.policies)


def mistakes(live: LivePolicies) -> list[object]:
    """Give the messages of the status."""
    return [mistake["message"] for mistake in live.status.mistakes]


# Loading.


def test_nothing_yet(live: LivePolicies) -> None:
    """Before the first load has ended nothing is active, and the status says so."""
    status = live.status
    assert live.active is None
    assert (
        status.source,
        status.revision,
        status.policies,
        status.generation,
        status.loaded_at,
        status.mistakes,
        status.stale,
    ) == ("scripted", None, 0, 0, None, (), False)


def test_load(live: LivePolicies, store: ScriptedStore, clock: Clock, logged: Logged) -> None:
    """The first good set becomes active, is compiled, and is told in one line."""
    store.give(policies("one", "two"))
    assert live.active is not None
    assert live.active.decide(Query("GET", policy="one", origins=("https://one.example",))).allowed is True
    status = live.status
    assert (revision(policies("one", "two")), 2, 1, clock.seconds(), clock.seconds(), (), False) == (
        status.revision,
        status.policies,
        status.generation,
        status.loaded_at,
        status.last_attempt,
        status.mistakes,
        status.stale,
    )
    assert [("info", f"Revision {status.revision} of scripted is active: 2 policies")] == logged


def test_replaced(live: LivePolicies, store: ScriptedStore, clock: Clock) -> None:
    """Another good set takes the place of the first, as the next generation."""
    store.give(policies("one"))
    clock.advance(10)
    live.reload()
    store.give(policies("two"))
    status = live.status
    assert (["two"], 2, 1010, 1010, revision(policies("two"))) == (
        active(live),
        status.generation,
        status.loaded_at,
        status.last_attempt,
        status.revision,
    )


def test_held_while_replaced(live: LivePolicies, store: ScriptedStore) -> None:
    """What a request has read decides as before when another set becomes active meanwhile."""
    store.give(policies("one"))
    held = live.active
    assert held is not None
    live.reload()
    store.give(policies("two"))
    assert held is not live.active
    assert held.decide(Query("GET", policy="one", origins=("https://one.example",))).allowed is True


def test_same_content(live: LivePolicies, store: ScriptedStore, clock: Clock) -> None:
    """The same content again leaves the active set and its generation as they are, and is newly loaded."""
    store.give(policies("one"))
    before = live.active
    clock.advance(10)
    live.reload()
    store.give(policies("one"))
    assert before is live.active
    assert (live.status.generation, live.status.loaded_at, live.status.last_attempt) == (1, 1010, 1010)


# Failures.


def asynchronously(failure: object) -> Callable[[], Any]:
    """Make a load that gives a Deferred of something."""
    return lambda: fail(failure) if isinstance(failure, BaseException) else succeed(failure)


def at_once(error: BaseException) -> Callable[[], Any]:
    """Make a load that raises."""

    def load() -> Any:
        raise error

    return load


BAD_LOADS = {
    "mistakes": asynchronously(invalid("wrong")),
    "mistakes, raised": at_once(invalid("wrong")),
    "no such host": asynchronously(OSError("no such host")),
    "raised": at_once(ValueError("nonsense")),
    "raised without a word": at_once(KeyError()),
    "cancelled by asyncio": asynchronously(asyncio.CancelledError()),
    "cancelled by asyncio, raised": at_once(asyncio.CancelledError()),
    "a Deferred of None": asynchronously(None),
    "a Deferred of a document": asynchronously(document("one")),
    "a Deferred of text": asynchronously("nonsense"),
    "None": lambda: None,
    "a document": lambda: document("one"),
}


@pytest.mark.parametrize("name", BAD_LOADS)
def test_last_good_set_stays(clock: Clock, logged: Logged, nothing_left_behind: list[LogEvent], name: str) -> None:
    """Whatever a load does instead of giving a good set, the last good one decides on, and all is told."""
    store = FixedStore(BAD_LOADS[name])
    live = LivePolicies(store, clock, in_thread=execute)
    live.activate(policies("one"))
    before = live.active
    clock.advance(10)
    now(live.reload())
    status = live.status
    assert before is live.active
    assert (revision(policies("one")), 1, 1, 1000, 1010, True) == (
        status.revision,
        status.policies,
        status.generation,
        status.loaded_at,
        status.last_attempt,
        status.stale,
    )
    assert len(status.mistakes) == 1
    assert any(level == "error" and f"{status.revision} stays active" in text for level, text in logged)
    nothing_left_behind.clear()


def test_failure_of_several_lines(clock: Clock, logged: Logged, nothing_left_behind: list[LogEvent]) -> None:
    """Whatever text a failure has, it is one mistake of one line: no store can forge lines of the log."""
    live = LivePolicies(FixedStore(asynchronously(RuntimeError("one\ntwo\nthree"))), clock, in_thread=execute)
    now(live.reload())
    nothing_left_behind.clear()
    assert [text for _, text in logged if "\n" in text] == []


def test_failure_tells_no_secrets(clock: Clock, logged: Logged, nothing_left_behind: list[LogEvent]) -> None:
    """Of a fault, the status has a name, under which the log has all the rest, but for passwords in URLs."""
    store = FixedStore(asynchronously(RuntimeError("can't reach postgres://user:secret@host/policies")))
    store.name = "postgres://user:secret@host/policies"
    live = LivePolicies(store, clock, in_thread=execute)
    now(live.reload())
    nothing_left_behind.clear()
    [mistake] = live.status.mistakes
    assert (mistake["code"], mistake["file"]) == ("document-unreadable", "postgres://***@host/policies")
    assert re.fullmatch(
        "The store can't be read; the log of the service says why, at fault [0-9a-f]{8}.", str(mistake["message"])
    )
    texts = [text for _, text in logged]
    name = str(mistake["message"])[-9:-1]
    assert any(name in text and "reach postgres://***@host/policies" in text for text in texts)
    assert not any("secret" in text for text in [*texts, str(live.status)])
    assert "Traceback" not in str(live.status)
    before = live.status.mistakes
    # There may be many, and anybody may ask.
    assert before is live.status.mistakes
    now(live.reload())
    nothing_left_behind.clear()
    assert before == live.status.mistakes


@pytest.mark.parametrize("name", BAD_LOADS)
def test_goes_on_after(clock: Clock, nothing_left_behind: list[LogEvent], name: str) -> None:
    """Whatever a load does instead of giving a good set, the next good one becomes active."""
    store = FixedStore(BAD_LOADS[name])
    live = LivePolicies(store, clock, in_thread=execute)
    now(live.reload())
    assert live.active is None
    store.does = asynchronously(Change.whole(policies("one")))
    now(live.reload())
    assert (active(live), live.status.mistakes, live.status.stale) == (["one"], (), False)
    nothing_left_behind.clear()


@pytest.mark.parametrize("error", [OSError("gone"), asyncio.CancelledError()], ids=repr)
def test_goes_on_after_a_slow_failure(
    live: LivePolicies, store: ScriptedStore, nothing_left_behind: list[LogEvent], error: BaseException
) -> None:
    """A load that fails after some time does not keep the next from being done."""
    store.give(error)
    live.reload()
    assert store.begun == 2
    store.give(policies("one"))
    assert active(live) == ["one"]
    nothing_left_behind.clear()


def test_every_mistake_in_the_status(clock: Clock, tmp_path: Path) -> None:
    """The status has every mistake of a document that did not load, each with its place."""
    path = tmp_path / "policies.toml"
    path.write_text(TEN_MISTAKES)
    live = LivePolicies(FilePolicyStore(path, clock, in_thread=execute), clock, in_thread=execute)
    now(live.reload())
    told = live.status.mistakes
    assert (10, {str(path)}) == (len(told), {mistake["file"] for mistake in told})
    assert all(isinstance(mistake["line"], int) for mistake in told)


def test_each_mistake_logged_once(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """Each mistake is logged once, however often the same set is loaded again, and behind them what decides on."""
    for _ in range(3):
        store.give(invalid("wrong", "worse"))
        live.reload()
    errors = [text for level, text in logged if level == "error"]
    assert errors[:3] == ["wrong [syntax]", "worse [syntax]", "2 mistakes in scripted; no policies stay active"]
    assert sum("wrong" in text for text in errors) == 1
    assert sum("worse" in text for text in errors) == 1


def test_other_mistakes_logged(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """Other mistakes than those of the last attempt are logged, and are what the status has."""
    store.give(invalid("wrong", "worse"))
    live.reload()
    store.give(invalid("worst"))
    assert mistakes(live) == ["worst"]
    assert sum("worst" in text for _, text in logged) == 1


def test_good_again(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """When the policies are good again that is logged, and nothing is left of the mistakes."""
    store.give(policies("one"))
    live.reload()
    store.give(invalid("wrong"))
    assert (mistakes(live), live.status.stale) == (["wrong"], True)
    live.reload()
    store.give(policies("one"))
    assert (mistakes(live), live.status.stale, live.status.generation) == ([], False, 1)
    assert logged.count(("info", "The policies of scripted are good again")) == 1


def test_never_bad(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """Policies that were never bad are not said to be good again."""
    store.give(policies("one"))
    live.reload()
    store.give(policies("two"))
    assert not any("again" in text for _, text in logged)


def test_mistakes_come_back(live: LivePolicies, store: ScriptedStore, logged: Logged) -> None:
    """A mistake that was mended and is made again is logged again."""
    for result in (invalid("wrong"), policies("one"), invalid("wrong")):
        store.give(result)
        live.reload()
    assert logged.count(("error", "wrong [syntax]")) == 2


# Changes.


def test_watches(live: LivePolicies, store: ScriptedStore) -> None:
    """A change that the store tells is loaded."""
    store.give(policies("one"))
    assert store.changed is not None
    store.changed()
    store.give(policies("two"))
    assert active(live) == ["two"]


def test_active_at_the_start(store: ScriptedStore, clock: Clock) -> None:
    """Policies that were made active before the start are watched, and not loaded once more by it."""
    live = LivePolicies(store, clock, in_thread=execute)
    live.activate(Change.whole(policies("one"), loaded_at=17.0))
    live.startService()
    assert (active(live), live.status.loaded_at, store.begun) == (["one"], 17.0, 0)
    assert store.changed is not None
    now(live.stopService())


def test_coalesced(live: LivePolicies, store: ScriptedStore) -> None:
    """However many changes come while a load is under way, one more load behind it serves them all."""
    waiting = [live.reload() for _ in range(5)]
    assert store.begun == 1
    store.give(policies("one"))
    assert (store.begun, [reload.called for reload in waiting]) == (2, [False] * 5)
    store.give(policies("two"))
    assert (store.begun, [reload.called for reload in waiting], active(live)) == (2, [True] * 5, ["two"])


@pytest.mark.parametrize("first", [policies("one"), invalid("wrong")], ids=["good", "bad"])
def test_change_during_the_second_load(live: LivePolicies, store: ScriptedStore, first: object) -> None:
    """A change that comes during the load that serves other changes is not lost, however the first load ended."""
    live.reload()
    store.give(first)
    live.reload()
    store.give(policies("two"))
    assert store.begun == 3
    store.give(policies("three"))
    assert (store.begun, active(live)) == (3, ["three"])


def test_load_after_load(live: LivePolicies, store: ScriptedStore) -> None:
    """A reload behind a load that has ended is one load, and no more follow."""
    store.give(policies("one"))
    live.reload()
    store.give(policies("two"))
    assert (store.begun, store.loads) == (2, [])


def test_callers_do_not_meet(live: LivePolicies, store: ScriptedStore) -> None:
    """What one caller of a reload does with his Deferred is nothing that another one gets to know."""
    results: list[object] = []
    spoils, gives_up, waits = live.reload(), live.reload(), live.reload()
    spoils.addCallback(lambda _: "spoilt")
    gives_up.addErrback(lambda _: None)
    gives_up.cancel()
    waits.addCallback(results.append)
    assert results == []
    store.give(policies("one"))
    store.give(policies("two"))
    assert (results, active(live), store.begun) == ([None], ["two"], 2)


def test_stop(live: LivePolicies, store: ScriptedStore) -> None:
    """After the stop nobody watches the store."""
    store.give(policies("one"))
    now(live.stopService())
    assert (store.changed, active(live)) == (None, ["one"])


def test_stop_while_loading(live: LivePolicies, store: ScriptedStore) -> None:
    """A stop waits for the load that is under way."""
    ends: list[object] = []
    live.stopService().addCallback(ends.append)
    assert ends == []
    store.give(policies("one"))
    assert (ends, active(live)) == ([None], ["one"])


def test_stop_while_saving(store: ScriptedStore, clock: Clock, snapshot: Snapshot) -> None:
    """A set is active once it is in the snapshot, and not before; a stop waits for that."""
    saving: Deferred[None] = Deferred()

    def in_thread(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return saving.addCallback(lambda _: function(*arguments)) if snapshot in arguments else execute(function)

    live = LivePolicies(store, clock, snapshot=snapshot, in_thread=in_thread)
    live.startService()
    store.give(policies("one"))
    ends: list[object] = []
    live.stopService().addCallback(ends.append)
    assert (ends, live.active) == ([], None)
    saving.callback(None)
    assert (ends, active(live)) == ([None], ["one"])


def test_stop_before_start(store: ScriptedStore, clock: Clock) -> None:
    """What was never started can be stopped."""
    live = LivePolicies(store, clock, in_thread=execute)
    now(live.stopService())


def test_started_again(live: LivePolicies, store: ScriptedStore) -> None:
    """What was stopped watches again when it is started again."""
    store.give(policies("one"))
    now(live.stopService())
    live.startService()
    assert store.changed is not None
    store.changed()
    store.give(policies("two"))
    assert active(live) == ["two"]


def test_memory_store(clock: Clock) -> None:
    """With a store that is ready at once every change is active when it has been told."""
    store = MemoryPolicyStore(document("one"))
    live = LivePolicies(store, clock, in_thread=execute)
    live.startService()
    assert active(live) == ["one"]
    store.replace(document("two"))
    assert active(live) == ["two"]
    store.replace({})
    assert (active(live), live.status.stale) == (["two"], True)
    now(live.stopService())


def test_file_store(clock: Clock, tmp_path: Path) -> None:
    """With a file each change is active once two looks agree about it."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    live = LivePolicies(FilePolicyStore(path, clock, in_thread=execute), clock, in_thread=execute)
    live.startService()
    path.write_text(toml("one", "two"))
    clock.pump([0.5, 0.5])
    assert active(live) == ["one", "two"]
    path.unlink()
    clock.pump([0.5, 0.5])
    assert (
        active(live),
        [mistake["code"] for mistake in live.status.mistakes],
    ) == (["one", "two"], ["document-unreadable"])
    path.write_text(toml("three"))
    clock.pump([0.5, 0.5])
    assert (active(live), mistakes(live)) == (["three"], [])
    now(live.stopService())
    assert clock.getDelayedCalls() == []


# Snapshots.


def kept_in(snapshot: Snapshot) -> tuple[PolicySet, float]:
    """What a snapshot has, and of when."""
    good = snapshot.load()
    return good.policy_set, good.loaded_at


def test_snapshot_of_each_good_set(store: ScriptedStore, clock: Clock, snapshot: Snapshot) -> None:
    """Each good set is kept with the time of its load, and a bad one changes nothing."""
    live = LivePolicies(store, clock, snapshot=snapshot, in_thread=execute)
    live.reload()
    store.give(policies("one"))
    assert (policies("one"), 1000) == kept_in(snapshot)
    clock.advance(10)
    live.reload()
    store.give(policies("two"))
    assert (policies("two"), 1010) == kept_in(snapshot)
    clock.advance(10)
    live.reload()
    store.give(invalid("wrong"))
    assert (policies("two"), 1010) == kept_in(snapshot)


def test_started_from_a_snapshot(store: ScriptedStore, clock: Clock, snapshot: Snapshot) -> None:
    """What was started from a snapshot is as old as the snapshot says, in the status and in the next snapshot, and the
    status says from the first moment that it is stale and what is wrong with the rest.
    """
    live = LivePolicies(store, clock, snapshot=snapshot, in_thread=execute)
    live.activate(Change.whole(policies("one"), loaded_at=17.0, mistakes=invalid("gone")))
    status = live.status
    assert (17.0, (policies("one"), 17.0)) == (status.loaded_at, kept_in(snapshot))
    assert (status.generation, status.last_attempt, status.stale, mistakes(live)) == (1, 1000, True, ["gone"])


def test_good_after_a_snapshot(store: ScriptedStore, clock: Clock, snapshot: Snapshot, logged: Logged) -> None:
    """When what a snapshot stands for can be read again and is the same, it is as new as that, and no more stale."""
    live = LivePolicies(store, clock, snapshot=snapshot, in_thread=execute)
    live.activate(Change.whole(policies("one"), loaded_at=17.0, mistakes=invalid("gone")))
    clock.advance(10)
    live.reload()
    store.give(policies("one"))
    status = live.status
    assert (status.generation, status.loaded_at, status.stale, mistakes(live)) == (1, 1010, False, [])
    assert logged.count(("info", "The policies of scripted are good again")) == 1


def test_snapshot_fails(
    store: ScriptedStore, clock: Clock, tmp_path: Path, logged: Logged, nothing_left_behind: list[LogEvent]
) -> None:
    """A set is active even if its snapshot can't be written, and the log says what is wrong."""
    live = LivePolicies(store, clock, snapshot=Snapshot(tmp_path / "absent" / "file"), in_thread=execute)
    live.reload()
    store.give(policies("one"))
    assert (active(live), live.status.stale) == (["one"], False)
    assert [live.status.snapshot_problem] == [text for _, text in logged if "snapshot" in text]
    (tmp_path / "absent").mkdir()
    live.reload()
    store.give(policies("one"))
    assert (live.status.snapshot_problem, (tmp_path / "absent" / "file").exists()) == (None, True)
    nothing_left_behind.clear()


def test_renewed_snapshot(store: ScriptedStore, clock: Clock, snapshot: Snapshot) -> None:
    """Where a snapshot can become too old, the store is loaded for a newer date, as long as nothing is wrong."""
    snapshot.max_age = 100
    live = LivePolicies(store, clock, snapshot=snapshot, in_thread=execute)
    live.startService()
    store.give(policies("one"))
    dates = [snapshot.load().loaded_at]
    for result in (policies("one"), invalid("wrong"), policies("one")):
        clock.advance(10)
        store.give(result)
        dates.append(snapshot.load().loaded_at)
    assert dates == [1000, 1010, 1010, 1030]
    now(live.stopService())
    assert clock.getDelayedCalls() == []

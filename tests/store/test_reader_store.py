"""Tests of the store that has another process read its documents, with that process."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from cors_service.policy import InvalidPolicies, revision
from cors_service.reader.good import GoodSet
from cors_service.reader.limits import OUT_OF_MEMORY, ReaderLimits
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from cors_service.store import LivePolicies, ReaderPolicyStore
from cors_service.store.reader_client import check_in_process, in_memory
from cors_service.web import decision_resource
from tests.store.store_texts import TEN_MISTAKES, document, names, toml
from tests.web.traversal import Caller

DEADLINE = 30.0
Logged = list[tuple[str, str]]


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor run until a condition holds."""
    clock: Any = reactor
    deadline = clock.seconds() + DEADLINE
    while not condition():
        assert clock.seconds() < deadline, "waited in vain"
        await deferLater(clock, 0.01)


def write(path: Path, text: str | None) -> None:
    """Put another document in place, or none."""
    if text is None:
        path.unlink()
        return
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def all_children() -> set[int]:
    """Give the processes that this one has started and not taken away."""
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}


def kept(snapshot: Snapshot) -> list[str]:
    """Give the names of the policies that a snapshot has; none while what it has is older than what was given."""
    try:
        return sorted(snapshot.load().policy_set.policies)
    except ValueError:
        return []


OTHERS: set[int] = set()


@pytest.fixture(autouse=True)
def others() -> None:
    """Take note of the processes that other tests have started and still need."""
    OTHERS.clear()
    OTHERS.update(all_children())


def children() -> set[int]:
    """Give the processes that this test has started."""
    return all_children() - OTHERS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a document of one policy."""
    path = tmp_path / "policies.toml"
    write(path, toml("one"))
    return path


@pytest.fixture
def store(path: Path, tmp_path: Path) -> ReaderPolicyStore:
    """Give a store of that document."""
    return ReaderPolicyStore(path, reactor, snapshot=Snapshot(tmp_path / "snapshot"))


@pytest_twisted.async_yield_fixture
async def live(store: ReaderPolicyStore) -> AsyncIterator[LivePolicies]:
    """Give the holder of that store's policies, which were read before, as at the start of a program."""
    live = LivePolicies(store, IReactorTime(reactor))
    live.activate(store.read())
    live.startService()
    yield live
    await live.stopService()


def active(live: LivePolicies) -> list[str]:
    """Give the names of the policies that decide now."""
    return [] if live.active is None else sorted(live.active.policy_set.policies)


@pytest.mark.slow
async def test_follows(live: LivePolicies, path: Path) -> None:
    """A change comes into force, and only what changed is compiled; a bad one is reported, and changes nothing."""
    before = live.active
    write(path, toml("one", "two"))
    await until(lambda: active(live) == ["one", "two"])
    assert before is not None
    assert live.active is not None
    assert before.compiled["one"] is live.active.compiled["one"]
    assert revision(read_policies(path)) == live.status.revision
    write(path, TEN_MISTAKES)
    await until(lambda: live.status.stale)
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(path)
    assert [mistake.as_dict() for mistake in caught.value.mistakes] == list(live.status.mistakes)
    assert active(live) == ["one", "two"]
    write(path, toml("three"))
    await until(lambda: active(live) == ["three"])
    assert (live.status.stale, live.status.generation) == (False, 3)


async def test_changed_while_it_started(store: ReaderPolicyStore, path: Path) -> None:
    """What changed after it was read in this process, and before the other one ran, comes into force."""
    live = LivePolicies(store, IReactorTime(reactor))
    live.activate(store.read())
    write(path, toml("two"))
    live.startService()
    await until(lambda: active(live) == ["two"])
    await live.stopService()


async def test_nothing_active(path: Path) -> None:
    """What was not read before is loaded at the start."""
    live = LivePolicies(ReaderPolicyStore(path, reactor), IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one"])
    await live.stopService()


async def test_reload(live: LivePolicies, logged: Logged) -> None:
    """A reload that is asked for reads everything, and says what came of it."""
    await live.reload()
    assert logged[-1] == ("info", f"{live.status.source} is still at revision {live.status.revision}")


async def test_snapshot(live: LivePolicies, path: Path, tmp_path: Path) -> None:
    """Each good set is in the snapshot when the service has come to its end."""
    write(path, toml("two"))
    await until(lambda: active(live) == ["two"])
    await live.stopService()
    assert read_policies(path) == Snapshot(tmp_path / "snapshot").load().policy_set
    live.startService()


async def test_snapshot_in_place_of_documents(store: ReaderPolicyStore, path: Path, tmp_path: Path) -> None:
    """Where documents can't be read, the start is with the snapshot, which the status says until they are back."""
    Snapshot(tmp_path / "snapshot").save(GoodSet.of(read_policies(path), 17.0))
    write(path, None)
    live = LivePolicies(store, IReactorTime(reactor))
    live.activate(store.read())
    live.startService()
    assert (active(live), live.status.stale, live.status.loaded_at) == (["one"], True, 17.0)
    await live.reload()
    assert (active(live), live.status.stale, live.status.loaded_at) == (["one"], True, 17.0)
    write(path, toml("one"))
    await until(lambda: not live.status.stale)
    assert (live.status.generation, live.status.loaded_at != 17.0) == (1, True)
    await live.stopService()


@pytest.mark.slow
async def test_killed(live: LivePolicies, path: Path, logged: Logged) -> None:
    """A reader that dies is started again, which is told, and a change is followed as before."""
    await live.reload()
    [pid] = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: children() not in [{pid}, set()])
    assert sum("reader" in text and "ended" in text for level, text in logged if level == "error") == 1
    write(path, toml("two"))
    await until(lambda: active(live) == ["two"])


async def test_killed_while_loading(live: LivePolicies) -> None:
    """What a dying reader was asked, the next one is asked."""
    await live.reload()
    [pid] = children()
    os.kill(pid, signal.SIGSTOP)
    loading = live.reload()
    os.kill(pid, signal.SIGKILL)
    await loading
    assert (active(live), live.status.stale) == (["one"], False)
    assert len(children() - {pid}) == 1


async def test_stop(live: LivePolicies) -> None:
    """When it has stopped, nothing is left of the other process; it can be started again."""
    await live.reload()
    assert len(children()) == 1
    await live.stopService()
    assert children() == set()
    live.startService()
    assert len(children()) == 1


async def test_stop_while_it_is_away(live: LivePolicies) -> None:
    """A stop while the reader is dead and not yet started again leaves nothing behind."""
    await live.reload()
    [pid] = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: children() == set())
    await live.stopService()
    assert children() == set()
    live.startService()


class FullMachine:
    """A reactor on a machine that has no room for another process, until it has."""

    def __init__(self) -> None:
        self.is_full = True

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def spawnProcess(self, *arguments: Any, **keys: Any) -> Any:
        """Start a process, or fail as the system does."""
        if self.is_full:
            raise OSError("no room")
        core: Any = reactor
        return core.spawnProcess(*arguments, **keys)


@pytest.mark.slow
async def test_cannot_be_started(path: Path, logged: Logged) -> None:
    """Where no process can be started, the status says so and why, what is active stays, and it is tried again."""
    machine = FullMachine()
    store = ReaderPolicyStore(path, machine)
    live = LivePolicies(store, IReactorTime(reactor))
    live.activate(store.read())
    live.startService()
    await until(lambda: live.status.stale)
    [mistake] = live.status.mistakes
    assert (mistake["code"], active(live)) == ("reader-failed", ["one"])
    assert "can't be started: no room" in str(mistake["message"])
    assert sum("no room" in text for level, text in logged if level == "error") >= 2
    write(path, toml("two"))
    machine.is_full = False
    await until(lambda: active(live) == ["two"])
    assert not live.status.stale
    await live.stopService()


def test_no_python(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no process can be started at a start, the reason is a sentence with the program's name."""
    monkeypatch.setattr(sys, "executable", "/absent/python")
    with pytest.raises(InvalidPolicies) as caught:
        check_in_process(path, in_memory(), ReaderLimits())
    [mistake] = caught.value.mistakes
    assert mistake.message.endswith("failed: No such file or directory: /absent/python.")


# A reader that is stuck, or wants too much.


def stuck_after(path: Path, seconds: float) -> ReaderPolicyStore:
    """Give a store that gives its reader up after so many seconds of silence."""
    return ReaderPolicyStore(path, reactor, limits=ReaderLimits(timeout=seconds))


@pytest.mark.slow
async def test_silent(path: Path, logged: Logged) -> None:
    """A reader that shows no sign of life is killed, which the status and the log say; the next one goes on."""
    live = LivePolicies(stuck_after(path, 3.0), IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one"])
    [pid] = children()
    os.kill(pid, signal.SIGSTOP)
    await until(lambda: live.status.stale)
    [mistake] = live.status.mistakes
    assert (mistake["code"], active(live)) == ("reader-failed", ["one"])
    assert "no sign of life for 3 seconds (--reader-timeout)" in str(mistake["message"])
    assert any("no sign of life" in text for level, text in logged if level == "error")
    write(path, toml("two"))
    await until(lambda: active(live) == ["two"] and not live.status.stale)
    assert pid not in children()
    await live.stopService()


@pytest.mark.slow
async def test_silent_while_it_loads(path: Path) -> None:
    """Whoever waits for its answer hears of it, too."""
    store = stuck_after(path, 3.0)
    live = LivePolicies(store, IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one"])
    os.kill(children().pop(), signal.SIGSTOP)
    await live.reload()
    assert (live.status.stale, active(live)) == (True, ["one"])
    await until(lambda: not live.status.stale)
    await live.stopService()


async def test_stop_while_it_is_silent(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that does not end when it should is killed, so that the service ends."""
    monkeypatch.setattr("cors_service.store.reader_client._END_SECONDS", 0.1)
    live = LivePolicies(ReaderPolicyStore(path, reactor), IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one"])
    os.kill(children().pop(), signal.SIGSTOP)
    await live.stopService()
    assert children() == set()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't hold a process to its limit")
async def test_document_that_takes_too_much_memory(tmp_path: Path) -> None:
    """A document that takes too much memory is a mistake of its own, and the reader goes on."""
    path = tmp_path / "policies.json"
    write(path, json.dumps(document("one")))
    live = LivePolicies(ReaderPolicyStore(path, reactor, limits=ReaderLimits(memory=64)), IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one"])
    before = children()
    write(path, "[" + "{}," * 1_000_000 + "{}]")
    await until(lambda: live.status.stale)
    assert "more than 64 MiB of memory (--reader-memory)" in str(live.status.mistakes[0]["message"])
    write(path, json.dumps(document("two")))
    await until(lambda: active(live) == ["two"])
    assert before == children()
    await live.stopService()


async def test_reader_that_takes_too_much_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that ends because it wants more memory than it may says so at once."""
    live = LivePolicies(ReaderPolicyStore(path, reactor, limits=ReaderLimits(memory=64)), IReactorTime(reactor))
    live.activate(read_policies(path))
    monkeypatch.setattr(
        "cors_service.store.reader_client._arguments", lambda *_: ["-c", f"import os; os._exit({OUT_OF_MEMORY})"]
    )
    live.startService()
    await until(lambda: live.status.stale)
    [mistake] = live.status.mistakes
    assert "needs more than 64 MiB of memory (--reader-memory)" in str(mistake["message"])
    monkeypatch.undo()
    await until(lambda: not live.status.stale)
    await live.stopService()


async def test_load(store: ReaderPolicyStore) -> None:
    """As any other store it gives all policies, and has no process when it has given them."""
    assert names(await store.load(None)) == ["one"]
    await until(lambda: children() == set())


async def test_signals(live: LivePolicies) -> None:
    """What a terminal or a service manager sends to all processes of a group does not end the reader."""
    await live.reload()
    [pid] = children()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    await live.reload()
    assert children() == {pid}


async def test_directory_with_an_odd_name(tmp_path: Path) -> None:
    """A path of bytes that are no text is read."""
    directory = tmp_path / "odd\udc80"
    directory.mkdir()
    write(directory / "a.toml", toml("one"))
    store = ReaderPolicyStore(directory, reactor)
    assert names(await store.load(None)) == ["one"]
    await until(lambda: children() == set())


@pytest.mark.slow
async def test_start_without_a_reader(path: Path) -> None:
    """Where nothing could be read at a start, /readyz says that the process that reads fails, and no more."""
    machine = FullMachine()
    live = LivePolicies(ReaderPolicyStore(path, machine), IReactorTime(reactor))
    live.startService()
    await until(lambda: live.status.stale)
    answer = Caller(decision_resource(live)).get("/readyz")
    detail = "No policies are active yet: 1 mistake (reader-failed); the log of the service says why."
    assert (answer.status, answer.json["detail"]) == (503, detail)
    machine.is_full = False
    await until(lambda: active(live) == ["one"])
    assert Caller(decision_resource(live)).get("/readyz").status == 200
    await live.stopService()


@pytest.mark.slow
async def test_other_documents_go_on(tmp_path: Path) -> None:
    """Beside a document with mistakes, which is named, a change of another one comes into force."""
    directory = tmp_path / "teams"
    directory.mkdir()
    write(directory / "a.toml", toml("one"))
    write(directory / "b.toml", toml("two"))
    live = LivePolicies(ReaderPolicyStore(directory, reactor), IReactorTime(reactor))
    live.startService()
    await until(lambda: active(live) == ["one", "two"])
    write(directory / "a.toml", TEN_MISTAKES)
    await until(lambda: live.status.stale)
    [before] = live.status.behind
    assert (before["document"], before["kept"]) == (str(directory / "a.toml"), True)
    assert before["mistakes"] == list(live.status.mistakes)
    write(directory / "b.toml", toml("two", "more"))
    await until(lambda: active(live) == ["more", "one", "two"])
    assert list(live.status.behind) == [before]
    write(directory / "a.toml", toml("one", "mended"))
    await until(lambda: active(live) == ["mended", "more", "one", "two"])
    assert (live.status.stale, live.status.behind) == (False, ())
    await live.stopService()


@pytest.mark.slow
async def test_mistakes_while_it_starts(tmp_path: Path) -> None:
    """Also beside mistakes that came between this process's reading and the other's, other documents go on; and again
    when the process that reads has died.
    """
    directory = tmp_path / "teams"
    directory.mkdir()
    write(directory / "a.toml", toml("one"))
    write(directory / "b.toml", toml("two"))
    snapshot = in_memory()
    live = LivePolicies(ReaderPolicyStore(directory, reactor, snapshot=snapshot), IReactorTime(reactor))
    live.activate(live._store.read())
    write(directory / "a.toml", TEN_MISTAKES)
    live.startService()
    await until(lambda: live.status.stale)
    write(directory / "b.toml", toml("two", "more"))
    await until(lambda: active(live) == ["more", "one", "two"])
    # Nobody waits until the process has written what it gave, and another one needs that.
    await until(lambda: kept(snapshot) == active(live))
    [pid] = children()
    os.kill(pid, signal.SIGKILL)
    await until(lambda: children() not in [{pid}, set()])
    write(directory / "b.toml", toml("two", "even-more"))
    await until(lambda: active(live) == ["even-more", "one", "two"])
    await live.stopService()

"""Tests of the store of a file, or of all files of a directory, and of how it notices a change."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, execute, fail
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from cors_service.policy import InvalidPolicies
from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies, read_text
from cors_service.store import FilePolicyStore
from tests.store.store_texts import TEN_MISTAKES, names, now, toml

# The store, and how it notices changes.


class Watched:
    """A store that is loaded and watched, and what it says.

    Attributes:
        path: What it reads.
        changes: How often it said that there may be something new.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changes = 0
        self.clock = Clock()
        self.store = FilePolicyStore(path, self.clock, interval=1, in_thread=execute)
        self.store.read()
        self.end = self.store.watch(self._changed)

    def load(self) -> list[str]:
        """Give the names of the policies that are there now."""
        change = now(self.store.load(None))
        return [policy.name for policy in change.policies]

    def mistakes(self) -> list[str]:
        """Give the codes of what is wrong now, beside the last good policies."""
        invalid = now(self.store.load(None)).mistakes
        assert invalid is not None
        return [mistake.code for mistake in invalid.mistakes]

    def look(self, times: int = 2) -> int:
        """Let the time of the next looks come, by default so many that a change is told; give how many were told."""
        before = self.changes
        self.clock.pump([1] * times)
        return self.changes - before

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Callable[[Path], Watched]]:
    """Give a function that watches a path; what it began ends with the test."""
    begun: list[Watched] = []

    def begin(path: Path) -> Watched:
        begun.append(Watched(path))
        return begun[-1]

    yield begin
    for watched in begun:
        watched.end()
        assert watched.clock.getDelayedCalls() == []


@pytest.fixture
def file(tmp_path: Path, watch: Callable[[Path], Watched]) -> Watched:
    """Give a store of a file with the policy `one`."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    return watch(path)


def test_name(tmp_path: Path) -> None:
    """People call the store by its path."""
    assert str(tmp_path) == FilePolicyStore(tmp_path, Clock()).name


def test_load_fails(tmp_path: Path) -> None:
    """A load of what can't be read fails its Deferred, and raises nothing at once."""
    loading = FilePolicyStore(tmp_path, Clock(), in_thread=execute).load(None)
    with pytest.raises(InvalidPolicies):
        now(loading)


def test_nothing_changed(file: Watched) -> None:
    """Nothing is told where nothing changes."""
    assert [file.look() for _ in range(3)] == [0, 0, 0]


def test_interval(tmp_path: Path) -> None:
    """Changes are looked for once in each interval, and told by the look that finds no other."""
    clock = Clock()
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    changes: list[float] = []
    store = FilePolicyStore(path, clock, interval=5, in_thread=execute)
    now(store.load(None))
    end = store.watch(lambda: changes.append(clock.seconds()))
    path.write_text(toml("one", "two"))
    clock.pump([1] * 22)
    end()
    assert changes == [10]


def test_written_in_place(file: Watched) -> None:
    """A file that is written to is a change, which is told once."""
    file.path.write_text(toml("one", "two"))
    assert (file.look(), file.load(), file.look()) == (1, ["one", "two"], 0)


def test_being_written(file: Watched) -> None:
    """A file that changes from each look to the next is not told, until it comes to rest."""
    told = []
    for size in range(1, 8):
        file.path.write_text(toml("one", "two") + "#" * size)
        told.append(file.look(times=1))
    assert (told, file.look(times=1), file.look()) == ([0] * 7, 1, 0)


def test_never_at_rest(file: Watched) -> None:
    """A file that never comes to rest is read now and then."""
    told = []
    for size in range(1, 41):
        file.path.write_text(toml("one", "two") + "#" * size)
        told.append(file.look(times=1))
        if told[-1]:
            file.load()
    assert told == ([0] * 9 + [1]) * 4


def test_written_in_place_of_the_same_size(file: Watched) -> None:
    """A file that is written to is a change, also if its size stays."""
    before = file.path.stat()
    file.path.write_text(toml("two"))
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (before.st_size, 1, ["two"]) == (file.path.stat().st_size, file.look(), file.load())


def test_written_in_place_with_the_same_times(file: Watched) -> None:
    """A file that is written to is a change, also if its size stays and its time is put back, as tar and rsync do."""
    before = file.path.stat()
    # The clock of a file system goes on every few milliseconds alone.
    while file.path.stat().st_ctime_ns == before.st_ctime_ns:
        file.path.write_text(toml("two"))
        os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.look() == 1


def test_replaced_by_rename(file: Watched) -> None:
    """A file that another one replaces is a change, also if size and time are the same."""
    before = file.path.stat()
    other = file.path.with_suffix(".new")
    other.write_text(toml("two"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file.path)
    assert (file.look(), file.load(), file.look()) == (1, ["two"], 0)


def test_deleted_and_restored(file: Watched) -> None:
    """A file that disappears is a change, and so is the same file when it is there again."""
    aside = file.path.with_suffix(".aside")
    file.path.rename(aside)
    assert (file.look(), file.look(), file.mistakes(), file.look()) == (1, 0, ["document-unreadable"], 0)
    aside.rename(file.path)
    assert (file.look(), file.load(), file.look()) == (1, ["one"], 0)


def test_directory_members(tmp_path: Path, watch: Callable[[Path], Watched]) -> None:
    """A document that comes to a directory, is renamed, or goes from it, is a change; a hidden file is none."""
    (tmp_path / "a.toml").write_text(toml("a"))
    directory = watch(tmp_path)
    (tmp_path / ".b.toml").write_text(toml("b"))
    (tmp_path / "README").write_text("b")
    assert directory.look() == 0
    (tmp_path / ".b.toml").rename(tmp_path / "b.toml")
    assert (directory.look(), directory.load()) == (1, ["a", "b"])
    (tmp_path / "b.toml").rename(tmp_path / "c.toml")
    assert (directory.look(), directory.load()) == (1, ["a", "b"])
    (tmp_path / "c.toml").unlink()
    assert (directory.look(), directory.load(), directory.look()) == (1, ["a"], 0)


def test_directory_deleted_and_restored(tmp_path: Path, watch: Callable[[Path], Watched]) -> None:
    """A directory that disappears is a change, and so is the same directory when it is there again."""
    path = tmp_path / "policies"
    path.mkdir()
    (path / "a.toml").write_text(toml("a"))
    directory = watch(path)
    path.rename(tmp_path / "aside")
    assert (directory.look(), directory.look(), directory.mistakes()) == (1, 0, ["document-unreadable"])
    (tmp_path / "aside").rename(path)
    assert (directory.look(), directory.load(), directory.look()) == (1, ["a"], 0)


def config_map(path: Path, version: str, *names: str) -> None:
    """Fill a directory as Kubernetes does for a ConfigMap: `a.toml` -> `..data/a.toml`, `..data` -> `..VERSION`."""
    (path / f"..{version}").mkdir()
    (path / f"..{version}" / "a.toml").write_text(toml(*names))
    (path / "..data_tmp").symlink_to(f"..{version}")
    (path / "..data_tmp").replace(path / "..data")


@pytest.mark.parametrize("name", ["", "a.toml"], ids=["the directory", "a file of it"])
def test_config_map(tmp_path: Path, watch: Callable[[Path], Watched], name: str) -> None:
    """An update of a ConfigMap, which swaps one symbolic link, is one change, and nothing is read twice."""
    config_map(tmp_path, "2026_01", "one")
    (tmp_path / "a.toml").symlink_to("..data/a.toml")
    watched = watch(tmp_path / name)
    config_map(tmp_path, "2026_02", "two")
    shutil.rmtree(tmp_path / "..2026_01")
    assert (watched.look(), watched.load(), watched.look()) == (1, ["two"], 0)


def test_first_looks(tmp_path: Path) -> None:
    """Where nothing was read before, what the first two looks agree about is a change."""
    (tmp_path / "a.toml").write_text(toml("a"))
    clock = Clock()
    changes: list[str] = []
    end = FilePolicyStore(tmp_path, clock, interval=1, in_thread=execute).watch(lambda: changes.append("told"))
    clock.pump([1, 1])
    end()
    assert changes == ["told"]


def test_only_what_changed(file: Watched) -> None:
    """A load gives what changed since the revision that is active."""
    base = now(file.store.load(None)).revision
    file.path.write_text(toml("one", "two"))
    file.look()
    change = now(file.store.load(base))
    assert (change.base, names(change)) == (base, ["two"])


def test_snapshot(tmp_path: Path) -> None:
    """At the start the snapshot stands in for documents that can't be read or have mistakes; it is written before a
    change is given.
    """
    snapshot = Snapshot(tmp_path / "snapshot")
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    snapshot.save(GoodSet.of(read_policies(path), 17.0))
    store = FilePolicyStore(path, Clock(), snapshot=snapshot)
    path.unlink()
    change = store.read()
    assert (names(change), change.loaded_at, change.mistakes is not None) == (["one"], 17.0, True)
    path.write_text(TEN_MISTAKES)
    change = FilePolicyStore(path, Clock(), snapshot=snapshot).read()
    assert change.mistakes is not None
    assert (names(change), change.loaded_at, len(change.mistakes.mistakes)) == (["one"], 17.0, 10)
    store = FilePolicyStore(path, Clock(), snapshot=snapshot, in_thread=execute)
    path.write_text(toml("two"))
    change = now(store.load(None))
    assert snapshot.load().policy_set == read_policies(path)
    assert snapshot.load().loaded_at == change.loaded_at


def test_snapshot_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[tuple[str, str]]
) -> None:
    """A snapshot that could not be written is written by a later look; the log has both."""
    monkeypatch.setattr("cors_service.reader.keeping.RETRY_SECONDS", 0)
    path, directory, clock = tmp_path / "policies.toml", tmp_path / "absent", Clock()
    path.write_text(toml("one"))
    store = FilePolicyStore(path, clock, snapshot=Snapshot(directory / "file"), interval=1, in_thread=execute)
    assert names(now(store.load(None))) == ["one"]
    end = store.watch(lambda: None)
    directory.mkdir()
    clock.advance(1)
    end()
    assert Snapshot(directory / "file").load().policy_set == read_policies(path)
    said = [text.split(" /")[0] for level, text in logged if level == "error"]
    assert said == ["Can't write the snapshot", "The snapshot is written again."]


def test_read_at_the_start(tmp_path: Path) -> None:
    """What was read at the start is not told as a change; what changed since then is, by the first looks."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    clock = Clock()
    store = FilePolicyStore(path, clock, interval=1, in_thread=execute)
    assert names(store.read()) == ["one"]
    changes: list[str] = []
    end = store.watch(lambda: changes.append("told"))
    clock.pump([1, 1])
    assert changes == []
    path.write_text(toml("one", "two"))
    clock.pump([1, 1])
    end()
    assert changes == ["told"]


class Slow:
    """A thread that takes its time: what it has to do is done when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """Take something to do."""
        deferred: Deferred[Any] = Deferred()
        self.waiting.append((deferred, function, arguments))
        return deferred

    def go_on(self) -> None:
        """Do what came first."""
        deferred, function, arguments = self.waiting.pop(0)
        execute(function, *arguments).chainDeferred(deferred)


def test_change_while_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that comes while the documents are read is told by the next looks: it may or may not be among them."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))

    def read_slowly(*arguments: Any) -> object:
        read = read_text(*arguments)
        path.write_text(toml("one", "two"))
        return read

    clock = Clock()
    store = FilePolicyStore(path, clock, in_thread=execute)
    with monkeypatch.context() as patch:
        patch.setattr("cors_service.reader.reading.read_text", read_slowly)
        assert names(store.read()) == ["one"]
    changes: list[str] = []
    end = store.watch(lambda: changes.append("told"))
    clock.pump([1, 1])
    end()
    assert changes == ["told"]


def test_slow_look(tmp_path: Path) -> None:
    """While a look takes its time, no other begins."""
    clock, thread = Clock(), Slow()
    end = FilePolicyStore(tmp_path, clock, in_thread=thread).watch(lambda: None)
    clock.pump([1] * 5)
    assert len(thread.waiting) == 1
    thread.go_on()
    clock.advance(1)
    assert len(thread.waiting) == 1
    end()


def test_look_under_way_at_the_end(tmp_path: Path) -> None:
    """Nothing is told behind the end, also by a look that was under way."""
    (tmp_path / "a.toml").write_text(toml("a"))
    clock, thread = Clock(), Slow()
    changes: list[str] = []
    end = FilePolicyStore(tmp_path, clock, in_thread=thread).watch(lambda: changes.append("told"))
    clock.advance(1)
    thread.go_on()
    clock.advance(1)
    end()
    thread.go_on()
    assert changes == []


def test_look_fails(tmp_path: Path, nothing_left_behind: list[LogEvent]) -> None:
    """A look that fails is in the log, and the next comes all the same."""
    (tmp_path / "a.toml").write_text(toml("a"))
    clock = Clock()
    fails = [True, False, False]

    def in_thread(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        return fail(OSError("No threads today")) if fails.pop(0) else execute(function, *arguments)

    store = FilePolicyStore(tmp_path, clock, in_thread=in_thread)
    changes: list[str] = []
    end = store.watch(lambda: changes.append("told"))
    clock.advance(1)
    [event] = nothing_left_behind
    assert OSError is event["log_failure"].type
    nothing_left_behind.clear()
    clock.pump([1, 1])
    end()
    assert changes == ["told"]


async def test_in_threads_of_the_reactor(tmp_path: Path) -> None:
    """Unless told otherwise the store reads and looks in a thread, and tells what it found in that of the reactor."""
    path = tmp_path / "policies.toml"
    path.write_text(toml("one"))
    store = FilePolicyStore(path, reactor, interval=0.01)
    assert names(await store.load(None)) == ["one"]
    told: Deferred[None] = Deferred()

    def tell() -> None:
        if not told.called:
            told.callback(None)

    end = store.watch(tell)
    try:
        path.write_text(toml("one", "two"))
        await told.addTimeout(30, reactor)
    finally:
        end()
    assert names(await store.load(None)) == ["one", "two"]

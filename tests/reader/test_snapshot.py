"""Tests of the file that keeps the last good policies."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from errno import EROFS
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.policy import InvalidPolicies, PolicyError, Source, read_document, revision
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.processes import nameless_file
from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import SKEW_SECONDS, SharedSnapshot, Snapshot
from cors_service.reader.sources import read_policies
from tests.examples import examples
from tests.store.store_texts import document, toml

EXAMPLE = Path(__file__).parents[2] / "etc" / "policies.toml"


def kept(**changes: object) -> str:
    """Write what a good snapshot holds, with some of it changed."""
    return json.dumps({"loaded_at": 5.0, "document": document("one"), **changes})


def test_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded: the same policies, of the same revision, and when they were loaded."""
    policy_set = read_policies(EXAMPLE)
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(policy_set, 1234.5))
    good = snapshot.load()
    assert (policy_set, revision(policy_set), 1234.5) == (good.policy_set, good.revision, good.loaded_at)
    assert snapshot.holds(GoodSet.of(policy_set, 0.0))
    assert not snapshot.holds(GoodSet.of(read_document(document("one")), 0.0))


def test_replaced(tmp_path: Path) -> None:
    """A later snapshot replaces an earlier one, and leaves nothing beside it."""
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(read_document(document("one")), 1))
    snapshot.save(GoodSet.of(read_document(document("two")), 2))
    good = snapshot.load()
    assert (
        list(good.policy_set.policies),
        good.loaded_at,
        [entry.name for entry in tmp_path.iterdir()],
    ) == (["two"], 2, ["snapshot"])


def test_atomic(tmp_path: Path) -> None:
    """Who reads the file while it is replaced reads all of the old one."""
    path = tmp_path / "snapshot"
    snapshot = Snapshot(path)
    snapshot.save(GoodSet.of(read_document(document("one")), 1))
    before = path.read_text()
    with path.open() as reader:
        snapshot.save(GoodSet.of(read_document(document("two", "three")), 2))
        assert before == reader.read()
    assert before != path.read_text()


def test_write_fails(tmp_path: Path) -> None:
    """A snapshot that can't be put in place leaves nothing beside what is there."""
    path = tmp_path / "snapshot"
    path.mkdir()
    with pytest.raises(OSError, match="snapshot"):
        Snapshot(path).save(GoodSet.of(read_document(document("one")), 1))
    assert [path] == list(tmp_path.iterdir())


def test_no_directory(tmp_path: Path) -> None:
    """A snapshot in a directory that is not there can't be written, and that is an OSError."""
    with pytest.raises(OSError, match="absent"):
        Snapshot(tmp_path / "absent" / "snapshot").save(GoodSet.of(read_document(document("one")), 1))


def test_absent(tmp_path: Path) -> None:
    """A snapshot that is not there is an OSError."""
    with pytest.raises(FileNotFoundError):
        Snapshot(tmp_path / "snapshot").load()


def test_good(tmp_path: Path) -> None:
    """What the cases of damage start from is itself a good snapshot."""
    path = tmp_path / "snapshot"
    path.write_text(kept())
    good = Snapshot(path).load()
    assert (read_document(document("one")), 5.0) == (good.policy_set, good.loaded_at)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(kept().encode()[:-9], id="cut"),
        pytest.param(b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"5", id="a number"),
        pytest.param(b'"document"', id="a string"),
        pytest.param(b"{}", id="nothing in it"),
        pytest.param(b'{"loaded_at": 5.0}', id="no document"),
        pytest.param(b'{"document": {"version": 1}}', id="no time"),
        pytest.param(b'{"loaded_at": 5.0, "documents": []}', id="documents in a list"),
        pytest.param(b'{"loaded_at": 5.0, "documents": {}}', id="no documents"),
        pytest.param(b'{"loaded_at": 5.0, "documents": {"a.toml": 5}}', id="a document is a number"),
        pytest.param(kept(document=None).encode(), id="the document is null"),
        pytest.param(kept(document={}).encode(), id="the document has mistakes"),
        pytest.param(kept(loaded_at=None).encode(), id="the time is null"),
        pytest.param(kept(loaded_at="soon").encode(), id="the time is a word"),
        pytest.param(kept(loaded_at=float("nan")).encode(), id="the time is NaN"),
        pytest.param(kept(loaded_at=float("inf")).encode(), id="the time is infinite"),
        pytest.param(kept(loaded_at=1e18).encode(), id="no calendar has the time"),
        pytest.param(kept(loaded_at=4e9).encode(), id="the time is in the future"),
        pytest.param(kept(loaded_at=10**400).encode(), id="the time is a number that no float holds"),
        pytest.param(b"[" * 100_000, id="nested without end"),
    ],
)
def test_damaged(tmp_path: Path, content: bytes) -> None:
    """A file that holds something else is a ValueError, so that a start can go on without it."""
    path = tmp_path / "snapshot"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".") as caught:
        Snapshot(path).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_no_file(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """What never comes to an end is not waited for: it is no snapshot."""
    snapshot = Snapshot(tmp_path / "snapshot")
    make(snapshot.path)
    with pytest.raises(OSError, match=r"regular file|directory"):
        snapshot.load()
    assert not snapshot.holds(GoodSet.of(read_document(document("one")), 0.0))


def test_holds(tmp_path: Path) -> None:
    """The same policies in other documents are something else: when a document is removed, others are left."""
    whole, one, two = (Draft(Source(None, "toml", toml(*which))) for which in (("one", "two"), ("one",), ("two",)))
    policy_set = read_drafts([whole])
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(policy_set, 5.0, {"a.toml": whole}))
    found = [
        snapshot.holds(GoodSet.of(policy_set, 5.0, documents))
        for documents in ({"a.toml": whole}, {"a.toml": one, "b.toml": two}, {"b.toml": whole})
    ]
    assert found == [True, False, False]


def test_documents(tmp_path: Path) -> None:
    """Each document is kept by itself, also one with a name that is no text, and one that uses another's origin set."""
    sets = '[origin_sets]\nours = ["https://*.our.example"]\n[header_sets]\nours = ["x-a"]\n'
    texts = {
        "a.toml": 'version = 1\n[policies.one]\norigins = ["@ours"]\nexpose_headers = ["@ours"]\n',
        "b\udc80.toml": f"{toml('two', 'three')}{sets}",
        "c.toml": "version = 1\n",
    }
    drafts = {name: Draft(Source(None, "toml", text)) for name, text in texts.items()}
    policy_set = read_drafts(list(drafts.values()))
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(policy_set, 5.0, drafts))
    kept = snapshot.load()
    assert policy_set == kept.policy_set
    assert {
        name: (sorted(draft.policies), sorted(name for _, name in draft.sets)) for name, draft in kept.documents.items()
    } == {
        "a.toml": (["one"], []),
        "b\udc80.toml": (["three", "two"], ["ours", "ours"]),
        "c.toml": ([], []),
    }


WRONG = InvalidPolicies([PolicyError("syntax", "wrong")])


@pytest.mark.parametrize(("max_age", "is_kept"), [(None, True), (1000, True), (10, False)])
def test_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_age: float | None, is_kept: bool) -> None:
    """A start does without a snapshot that is too old, and says how old it is; a reader takes it all the same."""
    # The clock stands still, since a disk may take its time to write.
    monkeypatch.setattr("time.time", lambda: 1_500.0)
    snapshot = Snapshot(tmp_path / "snapshot", max_age)
    snapshot.save(GoodSet.of(read_document(document("one")), 1_000.0))
    assert list(snapshot.in_place_of(WRONG, is_start=False).policy_set.policies) == ["one"]
    if is_kept:
        assert list(snapshot.in_place_of(WRONG, is_start=True).policy_set.policies) == ["one"]
        return
    with pytest.raises(InvalidPolicies) as caught:
        snapshot.in_place_of(WRONG, is_start=True)
    mistakes = [mistake.message for mistake in caught.value.mistakes]
    assert mistakes == [
        "wrong",
        "The snapshot can't be used either: it is 500 seconds old, and --max-snapshot-age is 10.",
    ]


@pytest.mark.parametrize(("ahead", "is_date"), [(SKEW_SECONDS - 10, True), (SKEW_SECONDS + 10, False)])
def test_future(tmp_path: Path, ahead: float, is_date: bool) -> None:
    """Clocks may differ by a minute; a date beyond that is no date."""
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(read_document(document("one")), time.time() + ahead))
    if is_date:
        snapshot.load()
        return
    with pytest.raises(ValueError, match="its date lies in the future: 20"):
        snapshot.load()


def fail(*_: object) -> None:
    """Fail as a file system does that is read-only."""
    raise OSError(EROFS, os.strerror(EROFS))


BROKEN = ["os.fsync", "pathlib.Path.unlink", "os.truncate"]


def test_void(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be written leaves nothing older in its place: that is removed, or emptied, or at least told."""
    snapshot = Snapshot(tmp_path / "snapshot")
    said = []
    for broken in (BROKEN[:1], BROKEN[:2], BROKEN):
        snapshot.save(GoodSet.of(read_document(document("one")), 5.0))
        with monkeypatch.context() as patch:
            for name in broken:
                patch.setattr(name, lambda *_, **__: fail())
            said.append(snapshot.keep(GoodSet.of(read_document(document("two")), 6.0)))
        is_usable = snapshot.path.exists() and bool(snapshot.path.read_bytes())
        assert is_usable == (len(broken) == 3)
    assert ["There is none now" in str(line) for line in said] == [True, True, False]
    assert "The older one can't be removed (Read-only file system)" in str(said[2])


def test_same_policies_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot of the same policies stays, also where it can't be written."""
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(GoodSet.of(read_document(document("one")), 5.0))
    monkeypatch.setattr("os.fsync", fail)
    assert "has the same policies" in str(snapshot.keep(GoodSet.of(read_document(document("one")), 6.0)))
    assert snapshot.load().loaded_at == 5.0


def test_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the next process may write newer policies, what is still being written does not replace them."""
    snapshot = Snapshot(tmp_path / "snapshot")
    sync = os.fsync

    def close_first(descriptor: int) -> None:
        monkeypatch.setattr("os.fsync", sync)
        snapshot.close()
        Snapshot(snapshot.path).save(GoodSet.of(read_document(document("new")), 6.0))

    monkeypatch.setattr("os.fsync", close_first)
    snapshot.save(GoodSet.of(read_document(document("old")), 5.0))
    assert list(snapshot.load().policy_set.policies) == ["new"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["snapshot"]


@pytest.fixture
def shared() -> Iterator[tuple[SharedSnapshot, SharedSnapshot]]:
    """What one reader writes into, and another one reads."""
    descriptor = nameless_file("policies")
    both = SharedSnapshot(descriptor), SharedSnapshot(os.dup(descriptor))
    yield both
    for one in both:
        one.close()


def size(snapshot: SharedSnapshot) -> int:
    """The bytes of it."""
    return os.fstat(snapshot.fileno()).st_size


def test_shared(shared: tuple[SharedSnapshot, SharedSnapshot]) -> None:
    """What a reader keeps in memory is there for the next one; what is half written is not, and not told."""
    first, second = shared
    for names in (["one", "two"], ["three"]):
        first.save(GoodSet.of(read_document(document(*names)), 5.0))
        assert sorted(second.in_place_of(WRONG, is_start=False).policy_set.policies) == sorted(names)
    whole = size(first)
    for left in (100, whole - 1):
        os.ftruncate(first.fileno(), left)
        with pytest.raises(InvalidPolicies) as caught:
            second.in_place_of(WRONG, is_start=False)
        assert caught.value is WRONG


def test_shared_and_older(shared: tuple[SharedSnapshot, SharedSnapshot]) -> None:
    """What is kept in memory is of no use from when something newer is given until that is saved, too."""
    first, second = shared
    for names in (["one"], ["one", "two"], ["three"]):
        good = GoodSet.of(read_document(document(*names)), 5.0)
        first.expire()
        with pytest.raises(ValueError, match="not a snapshot"):
            second.load()
        first.save(good)
        assert second.load().revision == good.revision


@examples(100)
@given(
    st.lists(st.dictionaries(st.sampled_from(["a", "b", "c", "d\udcff"]), st.integers(1, 4), min_size=1), max_size=8)
)
def test_shared_changes(states: list[dict[str, int]]) -> None:
    """After each of many changes, another reader finds what was saved last: each document, and none that is gone."""
    first = SharedSnapshot(nameless_file("policies"))
    second = SharedSnapshot(os.dup(first.fileno()))
    drafts: dict[tuple[str, int], Draft] = {}
    for number, state in enumerate(states):
        documents = {
            name: drafts.setdefault((name, generation), Draft(None, document(f"{name[0]}-{generation}")))
            for name, generation in state.items()
        }
        good = GoodSet.of(read_drafts([documents[name] for name in sorted(documents)]), float(number), documents)
        first.expire()
        first.save(good)
        found = second.load()
        assert (found.revision, found.loaded_at, found.documents.keys()) == (good.revision, number, state.keys())
        for name, generation in state.items():
            assert list(found.documents[name].policies) == [f"{name[0]}-{generation}"]
    first.close()
    second.close()


def test_shared_and_older_for_long(shared: tuple[SharedSnapshot, SharedSnapshot]) -> None:
    """However often something newer is given before it is saved, what is saved then is found."""
    first, second = shared
    first.save(GoodSet.of(read_document(document("one")), 5.0))
    for _ in range(2_000):
        first.expire()
    first.save(good := GoodSet.of(read_document(document("one", "two")), 6.0))
    assert second.load().revision == good.revision


def test_shared_changes_are_small(shared: tuple[SharedSnapshot, SharedSnapshot]) -> None:
    """What a change to one of many documents adds does not grow with their number, and all of it stays bounded."""
    first, second = shared
    documents = {f"{number}.json": Draft(None, document(f"p{number}")) for number in range(200)}
    first.save(GoodSet.of(read_drafts(list(documents.values())), 0.0, documents))
    whole = size(first)
    for generation in range(300):
        before = size(first)
        documents = {**documents, "0.json": Draft(None, document(f"q{generation}"))}
        good = GoodSet.of(read_drafts(list(documents.values())), 0.0, documents)
        first.save(good)
        assert size(first) < before + whole / 50
        assert size(first) < 2.1 * whole
    assert second.load().revision == good.revision
    assert not second.holds(good)

"""Tests of the reader that reads again only what changed: it gives what reading everything gives."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from cors_service.decision import ActivePolicies
from cors_service.decision.steps import at_once
from cors_service.policy import InvalidPolicies, PolicySet, revision
from cors_service.policy.change import Behind
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.looking import PATIENCE, PATIENCE_WITH_OTHERS
from cors_service.reader.reading import RETRY_SECONDS, Documents, read_at_start
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies, read_text
from tests.examples import examples
from tests.open_files import files_left
from tests.store.store_texts import toml

TIMES = count(1)
NAMES = ["a.toml", "b.toml", "c.json", "d.json"]
# Each text has something to do with some of the others: a name, an origin set, a match.
TEXTS = [
    toml("one"),
    toml("two", "three"),
    toml("one", "four"),
    'version = 1\n[origin_sets]\nours = ["https://our.example"]\n',
    'version = 1\n[origin_sets]\nours = ["https://our.example", "https://*.our.example"]\ntheirs = ["null"]\n',
    'version = 1\n[origin_sets]\nours = ["https://OUR.example"]\n',
    'version = 1\n[policies.five]\norigins = ["@ours"]\nmatch = ["x.example/"]\n',
    'version = 1\n[policies.six]\nrules = [{ origins = ["@ours"] }, { origins = ["https://a.our.example"] }]\n',
    'version = 1\n[policies.seven]\norigins = ["@theirs", "https://x.example/"]\nmatch = ["x.example/", "y"]\n',
    "version = 1\n",
    "version = 2\nnonsense = 1\n",
    "version = \n",
    'version = 1\n[policies."no name"]\norigins = []\n',
]
JSON = [
    json.dumps({"version": 1, "policies": {"eight": {"origins": ["@ours", "https://8.example"]}}}),
    json.dumps({"version": 1, "policies": {"one": {"rules": "none"}}, "origin_sets": {"unused": []}}),
    '{"version": 1, "version": 1}',
    "[",
]


def put(path: Path, data: bytes) -> None:
    """Replace a file; no two have the same time, however fast they follow each other."""
    new = path.with_name(".new")
    new.write_bytes(data)
    time = next(TIMES) * 10**9
    os.utime(new, ns=(time, time))
    new.replace(path)


def outcome(read: Callable[[], PolicySet]) -> tuple[object, object]:
    """Give the set that was read and its revision, or everything that is wrong with it."""
    try:
        policy_set = read()
    except InvalidPolicies as invalid:
        return None, [mistake.as_dict() for mistake in invalid.mistakes]
    return policy_set, revision(policy_set)


def is_told(expected: tuple[object, object], found: tuple[object, object]) -> bool:
    """Whether what was read is what is expected; further mistakes may come of what stands in for bad documents."""
    policy_set, mistakes = expected
    if policy_set is not None or not isinstance(mistakes, list) or not isinstance(found[1], list):
        return expected == found
    return mistakes == found[1][: len(mistakes)]


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, bytes | None]:
    """Draw what becomes of a document: another text, or nothing."""
    name = draw(st.sampled_from(NAMES))
    texts = TEXTS if name.endswith("toml") else JSON
    content = draw(st.none() | st.just(b"\xff") | st.sampled_from(texts).map(str.encode))
    return name, content


ROUNDS = st.lists(st.lists(steps(), max_size=3), min_size=1, max_size=6)


def happens(path: Path, changes: list[tuple[str, bytes | None]]) -> None:
    """Make changes to documents of a directory."""
    for document, content in changes:
        if content is None:
            (path / document).unlink(missing_ok=True)
        else:
            put(path / document, content)


@examples(150)
@given(ROUNDS, st.sets(st.integers(0, 5)))
def test_same_as_reading_everything(rounds: list[list[tuple[str, bytes | None]]], everything: set[int]) -> None:
    """Whatever happens to documents, reading what changed gives the same set, the same revision or the same report of
    mistakes as reading everything afresh.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        reader = Documents(path)
        for number, changes in enumerate(rounds):
            happens(path, changes)
            reader.look()
            reader.look()
            expected = outcome(lambda: read_policies(path))
            assert is_told(expected, outcome(partial(reader.read, everything=number in everything)))
            if isinstance(expected[0], PolicySet):
                assert reader.good is not None
                assert expected == (reader.good.policy_set, reader.good.revision)


@examples(100)
@given(ROUNDS, st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)))
def test_changes_lead_there(rounds: list[list[tuple[str, bytes | None]]], lost: set[int], missed: set[int]) -> None:
    """The changes that are told, one upon the other, lead to what reading everything gives; also when the reader has to
    begin anew, and for an asker who missed some of them.
    """
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        reader = Documents(path)
        active: ActivePolicies | None = None
        for number, changes in enumerate(rounds):
            happens(path, changes)
            if number in lost:
                reader = Documents(path)
            reader.look()
            reader.look()
            expected = outcome(lambda: read_policies(path))
            assert is_told(expected, outcome(reader.read))
            if number in missed:
                continue
            try:
                change = reader.change(active.revision if active else None)
            except InvalidPolicies:
                assert not isinstance(expected[0], PolicySet)
                continue
            if active is None or change.revision != active.revision:
                active = at_once(ActivePolicies.changed(active, change))
            assert reader.good is not None
            assert (active.policy_set, active.revision) == (reader.good.policy_set, reader.good.revision)
            assert isinstance(expected[0], PolicySet) == (change.mistakes is None)


@examples(100)
@given(ROUNDS)
def test_restart(rounds: list[list[tuple[str, bytes | None]]]) -> None:
    """Whatever happened to documents, a start with the snapshot gives the set that was active, and names the same
    documents as behind; also a second one.
    """
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as state:
        path, snapshot = Path(name), Snapshot(Path(state) / "snapshot")
        reader = Documents(path)
        for changes in rounds:
            happens(path, changes)
            reader.look()
            reader.look()
            outcome(reader.read)
            if reader.good is None:
                continue
            assert snapshot.keep(reader.good) is None
            for _ in range(2):
                good, change = read_at_start(path, snapshot)
                assert (good.revision, good.policy_set) == (reader.good.revision, reader.good.policy_set)
                assert [one[::2] for one in told_of(change.behind)] == [one[::2] for one in told_of(reader.behind)]
                assert (change.mistakes is None) == (reader.mistakes is None)
                assert snapshot.keep(good) is None


def told_of(behind: tuple[Behind, ...]) -> list[tuple[str, float, bool]]:
    """Write documents that are behind as tuples."""
    return [(one.document, one.since, one.is_kept) for one in behind]


# Looks.


@pytest.fixture
def reader(tmp_path: Path) -> Documents:
    """Give a reader that has read a directory of two documents."""
    for name in ("a", "b"):
        put(tmp_path / f"{name}.toml", toml(name).encode())
    reader = Documents(tmp_path)
    reader.read(everything=True)
    return reader


def names(reader: Documents) -> list[str]:
    """Give the names of the policies that are read."""
    return sorted(reader.read().policies)


def test_nothing_to_read(reader: Documents) -> None:
    """Documents that stay as they are are not read again."""
    before = reader.good
    assert [reader.look() for _ in range(3)] == [False, False, False]
    assert before is not None
    assert before.policy_set is reader.read()


def test_what_stays_is_the_same(reader: Documents, tmp_path: Path) -> None:
    """The policies of a document that stayed as it was are the same objects, whatever is read beside it."""
    before = reader.good.policy_set if reader.good else None
    put(tmp_path / "b.toml", toml("c").encode())
    reader.look()
    reader.look()
    after = reader.read()
    assert before is not None
    assert before.policies["a"] is after.policies["a"]
    assert sorted(after.policies) == ["a", "c"]


def test_text_that_stays_is_the_same(reader: Documents) -> None:
    """When everything is read, what reads as before is the same object."""
    before = reader.good.policy_set if reader.good else None
    after = reader.read(everything=True)
    assert before is not None
    assert all(before.policies[name] is after.policies[name] for name in "ab")


def test_two_looks(reader: Documents, tmp_path: Path) -> None:
    """A document is read once two looks have seen it in the same state."""
    put(tmp_path / "c.toml", toml("c").encode())
    assert (reader.look(), names(reader)) == (False, ["a", "b"])
    assert (reader.look(), names(reader)) == (True, ["a", "b", "c"])


def test_removed(reader: Documents, tmp_path: Path) -> None:
    """A document that is gone is gone once two looks have missed it."""
    (tmp_path / "a.toml").unlink()
    assert (reader.look(), names(reader)) == (False, ["a", "b"])
    assert (reader.look(), names(reader)) == (True, ["b"])


def test_waits_for_others(reader: Documents, tmp_path: Path) -> None:
    """A document that changed waits for one that goes on changing, but only so long; the other is not read."""
    put(tmp_path / "c.toml", toml("c").encode())
    looks = []
    for number in range(PATIENCE_WITH_OTHERS):
        put(tmp_path / "d.toml", toml(f"d{number}").encode())
        looks.append(reader.look())
    assert looks == [*[False] * (PATIENCE_WITH_OTHERS - 1), True]
    assert names(reader) == ["a", "b", "c"]


def test_steady_changes(reader: Documents, tmp_path: Path) -> None:
    """Where there is a change between any two looks, each is in force with the second look behind it after a while."""
    for number in range(PATIENCE_WITH_OTHERS + 3):
        put(tmp_path / f"c{number}.toml", toml(f"c{number}").encode())
        if reader.look():
            reader.read()
    assert names(reader) == ["a", "b", *(f"c{number}" for number in range(PATIENCE_WITH_OTHERS + 2))]


def test_patience_ends(reader: Documents, tmp_path: Path) -> None:
    """A document that never comes to rest is read all the same at last, as it is."""
    for number in range(PATIENCE):
        put(tmp_path / "c.toml", toml(f"c{number}").encode())
        found = reader.look()
    assert found
    assert names(reader) == ["a", "b", f"c{PATIENCE - 1}"]


def test_changed_and_changed_back(reader: Documents, tmp_path: Path) -> None:
    """A document that is put back as it was, by a rename, reads as before."""
    (tmp_path / "a.toml").rename(tmp_path / "kept")
    put(tmp_path / "a.toml", toml("other").encode())
    assert not reader.look()
    (tmp_path / "kept").rename(tmp_path / "a.toml")
    reader.look()
    assert (reader.look(), names(reader)) == (True, ["a", "b"])


def test_single_file(tmp_path: Path) -> None:
    """The same holds for a file that is its own document."""
    path = tmp_path / "policies.toml"
    put(path, toml("one").encode())
    reader = Documents(path)
    assert (reader.look(), reader.look(), names(reader)) == (False, True, ["one"])
    put(path, toml("two").encode())
    assert (reader.look(), reader.look(), names(reader)) == (False, True, ["two"])


def test_cannot_be_read_for_a_moment(tmp_path: Path) -> None:
    """A document that could not be read is tried again, now and then, until it is read, though it changes no more."""
    path, clock = tmp_path / "policies.toml", Clock()
    put(path, TEXTS[0].encode())
    reader = Documents(path, clock=clock.seconds)
    reader.look()
    good = reader.read()
    put(path, TEXTS[1].encode())
    reader.look()
    assert reader.look()
    with files_left(0):
        mistaken = outcome(reader.read)
        assert not reader.look()
        clock.advance(RETRY_SECONDS)
        assert not reader.look()
    assert mistaken[0] is None
    assert not reader.look()
    clock.advance(RETRY_SECONDS)
    assert reader.look()
    assert outcome(reader.read) == outcome(lambda: read_policies(path)) != (good, revision(good))
    clock.advance(RETRY_SECONDS)
    assert not reader.look()


def test_cannot_be_read_until_it_is_gone(reader: Documents, tmp_path: Path) -> None:
    """A document that could not be read, and is removed, is not tried again."""
    (tmp_path / "b.toml").unlink()
    (tmp_path / "b.toml").symlink_to(tmp_path / "nowhere")
    while not reader.look():
        continue
    assert outcome(reader.read)[0] is None
    (tmp_path / "b.toml").unlink()
    while not reader.look():
        continue
    reader.read()
    assert not reader.look()
    assert reader.looks.names() == {"a.toml"}


def test_directory_that_comes_back(reader: Documents, tmp_path: Path) -> None:
    """While the directory is away the report says so; when it is back, it is read."""
    away = tmp_path.with_name(f"{tmp_path.name}-away")
    tmp_path.rename(away)
    reader.look()
    assert reader.look()
    with pytest.raises(InvalidPolicies, match="1 mistake"):
        reader.read()
    away.rename(tmp_path)
    reader.look()
    assert (reader.look(), names(reader)) == (True, ["a", "b"])


# Beginnings.


def test_begins(tmp_path: Path) -> None:
    """Documents that were never read are due once two looks agree about all of them."""
    put(tmp_path / "a.toml", toml("a").encode())
    reader = Documents(tmp_path)
    assert [reader.look() for _ in range(4)] == [False, True, False, False]
    assert names(reader) == ["a"]


def test_begins_while_something_is_written(tmp_path: Path) -> None:
    """As long as a document is missing that was never at rest, nothing is told: it may have been known before."""
    for name in "abc":
        put(tmp_path / f"{name}.toml", toml(name).encode())
    reader = Documents(tmp_path)
    assert not reader.look()
    for number in range(3):
        put(tmp_path / "a.toml", toml(f"a{number}").encode())
        assert not reader.look()
    put(tmp_path / "b.toml", toml("b0").encode())
    assert reader.look()
    assert names(reader) == ["a2", "b", "c"]
    reader.look()
    assert names(reader) == ["a2", "b0", "c"]


def test_begins_with_what_never_rests(tmp_path: Path) -> None:
    """A document that is never at rest keeps the others waiting only so long."""
    put(tmp_path / "b.toml", toml("b").encode())
    reader = Documents(tmp_path)
    looks = []
    for number in range(PATIENCE):
        put(tmp_path / "a.toml", toml(f"a{number}").encode())
        looks.append(reader.look())
    assert looks == [*[False] * (PATIENCE - 1), True]
    assert names(reader) == [f"a{PATIENCE - 1}", "b"]


def test_written_while_it_is_read(reader: Documents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read of a document that changed at this very moment is not taken: it may be half of it."""

    def write_and_read(path: Path, name: str, *limits: ReaderLimits) -> object:
        (path / name).write_text(toml("half"))
        read = read_text(path, name)
        put(path / name, toml("whole").encode())
        return read

    put(tmp_path / "b.toml", toml("c").encode())
    reader.look()
    reader.look()
    with monkeypatch.context() as patch:
        patch.setattr("cors_service.reader.reading.read_text", write_and_read)
        assert names(reader) == ["a", "b"]
    reader.look()
    reader.look()
    assert names(reader) == ["a", "whole"]

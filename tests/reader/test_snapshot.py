"""Tests of the file that keeps the last good policies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cors_service.policy import read_document, revision
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from tests.store.store_texts import document

EXAMPLE = Path(__file__).parents[2] / "etc" / "policies.toml"


def kept(**changes: object) -> str:
    """Write what a good snapshot holds, with some of it changed."""
    return json.dumps({"loaded_at": 5.0, "document": document("one"), **changes})


def test_round_trip(tmp_path: Path) -> None:
    """What was saved is loaded: the same policies, of the same revision, and when they were loaded."""
    policy_set = read_policies(EXAMPLE)
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(policy_set, 1234.5)
    loaded, loaded_at = snapshot.load()
    assert (policy_set, revision(policy_set), 1234.5) == (loaded, revision(loaded), loaded_at)


def test_replaced(tmp_path: Path) -> None:
    """A later snapshot replaces an earlier one, and leaves nothing beside it."""
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(read_document(document("one")), 1)
    snapshot.save(read_document(document("two")), 2)
    loaded, loaded_at = snapshot.load()
    assert (
        list(loaded.policies),
        loaded_at,
        [entry.name for entry in tmp_path.iterdir()],
    ) == (["two"], 2, ["snapshot"])


def test_atomic(tmp_path: Path) -> None:
    """Who reads the file while it is replaced reads all of the old one."""
    path = tmp_path / "snapshot"
    snapshot = Snapshot(path)
    snapshot.save(read_document(document("one")), 1)
    before = path.read_text()
    with path.open() as reader:
        snapshot.save(read_document(document("two", "three")), 2)
        assert before == reader.read()
    assert before != path.read_text()


def test_write_fails(tmp_path: Path) -> None:
    """A snapshot that can't be put in place leaves nothing beside what is there."""
    path = tmp_path / "snapshot"
    path.mkdir()
    with pytest.raises(OSError, match="snapshot"):
        Snapshot(path).save(read_document(document("one")), 1)
    assert [path] == list(tmp_path.iterdir())


def test_no_directory(tmp_path: Path) -> None:
    """A snapshot in a directory that is not there can't be written, and that is an OSError."""
    with pytest.raises(OSError, match="absent"):
        Snapshot(tmp_path / "absent" / "snapshot").save(read_document(document("one")), 1)


def test_absent(tmp_path: Path) -> None:
    """A snapshot that is not there is an OSError."""
    with pytest.raises(FileNotFoundError):
        Snapshot(tmp_path / "snapshot").load()


def test_good(tmp_path: Path) -> None:
    """What the cases of damage start from is itself a good snapshot."""
    path = tmp_path / "snapshot"
    path.write_text(kept())
    assert (read_document(document("one")), 5.0) == Snapshot(path).load()


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
        pytest.param(kept(document=None).encode(), id="the document is null"),
        pytest.param(kept(document={}).encode(), id="the document has mistakes"),
        pytest.param(kept(loaded_at=None).encode(), id="the time is null"),
        pytest.param(kept(loaded_at="soon").encode(), id="the time is a word"),
        pytest.param(kept(loaded_at=float("nan")).encode(), id="the time is NaN"),
        pytest.param(kept(loaded_at=float("inf")).encode(), id="the time is infinite"),
        pytest.param(kept(loaded_at=1e18).encode(), id="no calendar has the time"),
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

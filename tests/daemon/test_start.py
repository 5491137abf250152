"""Tests of the start: the policies that a service starts with, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cors_service.policy import PolicySet, revision
from cors_service.reader.sources import read_policies
from cors_service.store import ReaderPolicyStore
from tests.daemon.options import BAD, absent, parse

Captured = pytest.CaptureFixture[str]


def test_check(policies: Path, capsys: Captured) -> None:
    """--check prints what is in the policies and exits."""
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--check")
    assert (end.value.code, capsys.readouterr()) == (0, ("one: 1 rule, 1 origin pattern\n1 policy, no mistakes.\n", ""))


@pytest.mark.parametrize("check", [["--check"], []], ids=["check", "serve"])
def test_mistakes(policies: Path, capsys: Captured, check: list[str]) -> None:
    """The service does not start with mistakes: all are on standard error, and the exit status is 1."""
    policies.write_text(BAD)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, *check)
    out, err = capsys.readouterr()
    *lines, count = err.splitlines()
    assert (end.value.code, out, len(lines), count) == (1, "", 3, "3 mistakes in the policies.")
    assert all(line.startswith(f"{policies}:") for line in lines)


@pytest.mark.parametrize("check", [["--check"], []], ids=["check", "serve"])
def test_absent(tmp_path: Path, capsys: Captured, check: list[str]) -> None:
    """The service does not start without its policies, and says so in a line."""
    with pytest.raises(SystemExit) as end:
        parse("--policies", tmp_path / "absent.toml", *check)
    out, err = capsys.readouterr()
    line, count = err.splitlines()
    assert (end.value.code, out, count) == (1, "", "1 mistake in the policies.")
    assert line.startswith(f"{tmp_path / 'absent.toml'}: ")


def no_text(path: Path) -> None:
    """Make the document something that can't be read as a text."""
    path.write_bytes(b"\xff\xfe")


def a_loop(path: Path) -> None:
    """Make the document a symbolic link that leads to itself."""
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("damage", [absent, no_text, a_loop])
def test_snapshot(
    policies: Path, snapshot: Path, kept: PolicySet, capsys: Captured, damage: Callable[[Path], None]
) -> None:
    """Where the policies can't be read, the service starts with the last good ones, as old as they are."""
    damage(policies)
    initial = parse("--policies", policies, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert initial.mistakes is not None
    assert (
        initial.policies,
        initial.loaded_at,
        [mistake.code for mistake in initial.mistakes.mistakes],
    ) == (tuple(kept.policies.values()), 1700000000.0, ["document-unreadable"])
    assert capsys.readouterr().out == ""


def test_snapshot_of_a_directory(policies: Path, snapshot: Path, kept: PolicySet) -> None:
    """If one of several documents can't be read, the service starts with the last good set: a part is not the whole."""
    directory = policies.parent / "policies"
    directory.mkdir()
    policies.rename(directory / "a.toml")
    (directory / "b.toml").symlink_to("absent.toml")
    initial = parse("--policies", directory, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert initial.revision == revision(kept)


def test_snapshot_is_not_needed(policies: Path, snapshot: Path) -> None:
    """The service starts with policies that can be read, whatever the snapshot holds."""
    initial = parse("--policies", policies, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert (initial.revision, initial.mistakes) == (revision(read_policies(policies)), None)


def test_no_snapshot_for_mistakes(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """The service does not start with mistakes, even where there is a snapshot: somebody has to mend them."""
    policies.write_text(BAD)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot)
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "3 mistakes in the policies.")


def test_no_snapshot_for_mistakes_beside_what_cannot_be_read(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """The service does not start with mistakes in one document, even if another one can't be read."""
    policies.write_text(BAD)
    policies.with_name("b.toml").symlink_to("absent.toml")
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies.parent, "--snapshot", snapshot)
    assert end.value.code == 1
    assert "document-unreadable" in capsys.readouterr().err


def test_check_without_snapshot(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """--check is about the policies; no snapshot replaces them."""
    policies.unlink()
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot, "--check")
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "1 mistake in the policies.")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"], ids=["absent", "empty", "something else", "no text"])
def test_no_help(policies: Path, snapshot: Path, capsys: Captured, content: bytes | None) -> None:
    """Where neither the policies nor the snapshot can be read, both are reported, in a line each."""
    policies.unlink()
    snapshot.unlink()
    if content is not None:
        snapshot.write_bytes(content)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot)
    first, second, count = capsys.readouterr().err.splitlines()
    assert (end.value.code, count) == (1, "2 mistakes in the policies.")
    assert first.startswith(f"{policies}: ")
    assert second.startswith(f"{snapshot}: The snapshot can't be used either: ")


def test_store(policies: Path) -> None:
    """Policies are read from the path, which names the store."""
    store = parse("--policies", policies).prepared.store
    assert isinstance(store, ReaderPolicyStore)
    assert str(policies) == store.name

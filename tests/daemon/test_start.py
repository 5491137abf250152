"""Tests of the start: the policies that a service starts with, and what is wrong with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.python.usage import UsageError

from cors_service.policy import PolicySet, revision
from cors_service.policy.change import Change
from cors_service.reader.good import GoodSet
from cors_service.reader.reading import Documents, begin
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from cors_service.store import ReaderPolicyStore
from tests.daemon.options import BAD, GOOD, absent, parse

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


@pytest.mark.parametrize("more", [["--check"], [], ["--workers", "2"]], ids=["check", "serve", "workers"])
def test_mistakes_in_policies_and_access(policies: Path, tmp_path: Path, capsys: Captured, more: list[str]) -> None:
    """If the policies and the document of who may ask have mistakes, those of both are reported at once."""
    policies.write_text(BAD)
    access, log = tmp_path / "auth.toml", tmp_path / "log.json"
    access.write_text("tokens = 1")
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--auth", access, "--json-log", log, *more)
    lines = capsys.readouterr().err.splitlines()
    counts = [line for line in lines if line.endswith(".")]
    assert (end.value.code, counts) == (1, ["3 mistakes in the policies.", "1 mistake in who may ask."])
    assert log.exists() == (more != ["--check"])
    assert not log.exists() or len(log.read_text().splitlines()) == 4


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


def test_snapshot_of_another_layout(policies: Path, snapshot: Path, kept: PolicySet) -> None:
    """If the snapshot is of one file, and that is a directory now with a document that can't be read, the whole last
    good set is served: a part is not the whole.
    """
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


def test_snapshot_beside_mistakes(policies: Path, snapshot: Path, kept: PolicySet) -> None:
    """The service starts with the last good policies if newer ones have mistakes, and knows all of these."""
    policies.write_text(BAD)
    initial = parse("--policies", policies, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert initial.mistakes is not None
    assert (initial.revision, len(initial.mistakes.mistakes)) == (revision(kept), 3)
    assert [(one.document, one.is_kept) for one in initial.behind] == [(str(policies), True)]


OTHER = GOOD.replace("one", "two")


@pytest.fixture
def teams(tmp_path: Path) -> Path:
    """Give a directory with documents of two teams, which are in the snapshot."""
    directory = tmp_path / "teams"
    directory.mkdir()
    (directory / "a.toml").write_text(GOOD)
    (directory / "b.toml").write_text(OTHER)
    parse("--policies", directory, "--snapshot", tmp_path / "kept.json")
    return directory


def started(teams: Path) -> Change:
    """Give what a start begins with."""
    initial = parse("--policies", teams, "--snapshot", teams.with_name("kept.json")).prepared.initial
    assert initial is not None
    return initial


def test_start_of_a_directory(teams: Path) -> None:
    """Of a directory a start takes what a running service would: documents that are good as they are, the last good
    version of one with mistakes, and none of one that never was good; what was removed is gone.
    """
    (teams / "a.toml").write_text(GOOD.replace("https://one", "https://newer"))
    (teams / "b.toml").write_text(BAD.replace("one", "two"))
    (teams / "stray.toml").write_bytes(b"\xff\xfe")
    change = started(teams)
    assert {policy.name: str(policy.as_dict()["rules"]).count("newer") for policy in change.policies} == {
        "one": 1,
        "two": 0,
    }
    found = [(one.document, one.is_kept) for one in change.behind]
    assert found == [(str(teams / "b.toml"), True), (str(teams / "stray.toml"), False)]
    assert change.mistakes is not None
    assert len(change.mistakes.mistakes) == 4
    (teams / "a.toml").unlink()
    assert [policy.name for policy in started(teams).policies] == ["two"]


def test_restart_keeps_what_was_active(teams: Path) -> None:
    """What a start has taken is what the next start takes, and no older; so it is as old as it was."""
    (teams / "b.toml").write_text(BAD.replace("one", "two"))
    first = started(teams)
    (teams / "a.toml").write_text(GOOD.replace("https://one", "https://newer"))
    second = started(teams)
    (teams / "a.toml").write_text(BAD)
    third = started(teams)
    assert (second.revision != first.revision, third.revision) == (True, second.revision)
    assert first.loaded_at == second.loaded_at == third.loaded_at


def test_a_policy_that_moved_is_gone_with_its_document(teams: Path) -> None:
    """What moved to another document while nothing ran is that one's after a start, and is gone without it."""
    (teams / "a.toml").write_text(GOOD + OTHER.partition("\n")[2])
    (teams / "b.toml").unlink()
    assert len(started(teams).policies) == 2
    (teams / "a.toml").write_text(GOOD)
    (teams / "b.toml").write_text(OTHER)
    started(teams)
    (teams / "a.toml").write_text(BAD)
    (teams / "b.toml").unlink()
    assert [policy.name for policy in started(teams).policies] == ["one"]


def test_start_without_its_directory(teams: Path) -> None:
    """A directory that is away or empty is no reason to remove policies: the whole last good set is served."""
    before = started(teams).revision
    for document in teams.iterdir():
        document.unlink()
    assert (started(teams).revision, started(teams).behind) == (before, ())
    teams.rmdir()
    assert started(teams).revision == before


def test_snapshot_is_written_before_it_serves(policies: Path, snapshot: Path) -> None:
    """What the service is about to serve is in the snapshot, and no older set any more."""
    assert parse("--policies", policies, "--snapshot", snapshot).prepared.initial is not None
    assert Snapshot(snapshot).load().policy_set == read_policies(policies)


def test_old_snapshot(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """A snapshot that is older than it may be is of no use to a start, which then tells all that is wrong."""
    policies.write_text(BAD)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot, "--max-snapshot-age", "3600")
    *_, last, count = capsys.readouterr().err.splitlines()
    assert (end.value.code, count) == (1, "4 mistakes in the policies.")
    assert "The snapshot can't be used either: it is " in last
    assert "seconds old, and --max-snapshot-age is 3600" in last


def test_snapshot_of_the_future(policies: Path, snapshot: Path, kept: PolicySet, capsys: Captured) -> None:
    """A snapshot with a date in the future is of no use to a start."""
    policies.unlink()
    Snapshot(snapshot).save(GoodSet.of(kept, time.time() + 3600))
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot)
    assert end.value.code == 1
    assert "its date lies in the future" in capsys.readouterr().err


@pytest.mark.parametrize("check", [["--check"], ["--workers", "2"]])
def test_mistakes_without_snapshot(teams: Path, capsys: Captured, check: list[str]) -> None:
    """Where nothing can stand in, one document with mistakes refuses the start; --check never looks for that."""
    (teams / "b.toml").write_text(BAD.replace("one", "two"))
    snapshot = ["--snapshot", str(teams.with_name("kept.json"))] if check == ["--check"] else []
    with pytest.raises(SystemExit) as end:
        parse("--policies", teams, *check, *snapshot)
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "3 mistakes in the policies.")


def test_workers_begin_with_a_snapshot(teams: Path) -> None:
    """Several workers start in the same way."""
    (teams / "b.toml").write_text(BAD.replace("one", "two"))
    prepared = parse("--policies", teams, "--snapshot", teams.with_name("kept.json"), "--workers", "2").prepared
    assert prepared.initial is None


def test_mistakes_between_the_check_and_the_workers(teams: Path) -> None:
    """Workers without a snapshot decide by what was good at the start, also if it is not when they read it."""
    prepared = parse("--policies", teams, "--workers", "2").prepared
    assert prepared.snapshot is not None
    (teams / "b.toml").write_text(BAD.replace("one", "two"))
    documents = Documents(teams)
    begin(documents, prepared.snapshot, is_start=False)
    assert documents.good is not None
    assert (sorted(documents.good.policy_set.policies), len(documents.behind)) == (["one", "two"], 1)


def test_age_of_no_snapshot(policies: Path) -> None:
    """An age without a snapshot is a mistake of the operator."""
    with pytest.raises(UsageError, match="--max-snapshot-age needs --snapshot"):
        parse("--policies", policies, "--max-snapshot-age", "3600")


def test_check_without_snapshot(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """--check is about the policies; no snapshot replaces them."""
    policies.unlink()
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot, "--check")
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "1 mistake in the policies.")


NO_HELP = {"absent": None, "empty": b"", "damaged": b'{"revision":"sha256:0', "no text": b'{"loaded_at": \xff'}


@pytest.mark.parametrize("content", NO_HELP.values(), ids=NO_HELP.keys())
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


def a_directory(path: Path) -> None:
    """Make a directory."""
    path.mkdir()


def a_document(path: Path) -> None:
    """Write policies."""
    path.write_text(GOOD)


def a_note(path: Path) -> None:
    """Write something that is JSON and nothing else that the service knows."""
    path.write_text('{"version": 1}')


def a_link_to_a_device(path: Path) -> None:
    """Make a link that leads to what is no file."""
    path.symlink_to("/dev/null")


@pytest.mark.parametrize("make", [a_directory, a_document, a_note, no_text, a_link_to_a_device])
def test_something_else_than_a_snapshot(policies: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A snapshot takes the place of nothing else: the start is refused, and what is there stays."""
    there = tmp_path / "there"
    make(there)
    before = there.lstat()
    with pytest.raises(UsageError, match=r"^--snapshot '.*there' would be replaced, but .*: name another file\.$"):
        parse("--policies", policies, "--snapshot", there)
    assert there.lstat() == before


def test_snapshot_of_an_older_version(policies: Path, tmp_path: Path) -> None:
    """A snapshot in the form of an older version, and one that was emptied, are replaced."""
    older, emptied = tmp_path / "older", tmp_path / "emptied"
    older.write_text('{"loaded_at": 5.0, "document": {"version": 1}}')
    emptied.touch()
    for snapshot in (older, emptied):
        parse("--policies", policies, "--snapshot", snapshot)
        assert Snapshot(snapshot).load().policy_set == read_policies(policies)


@pytest.mark.parametrize("snapshot", ["policies", "teams/new.json", "linked/new.json", "teams/elsewhere.json"])
def test_snapshot_among_the_documents(teams: Path, tmp_path: Path, snapshot: str) -> None:
    """A snapshot that would be read as one of the documents is refused."""
    (tmp_path / "linked").symlink_to(teams)
    (tmp_path / "policies").symlink_to("teams/a.toml")
    (teams / "elsewhere.json").symlink_to(tmp_path / "elsewhere")
    policies = tmp_path / snapshot if snapshot == "policies" else teams
    message = "^--snapshot (would be read as a document of|and) --(policies|shadow)(: | name the same file: )"
    with pytest.raises(UsageError, match=message):
        parse("--policies", policies, "--snapshot", tmp_path / snapshot)
    with pytest.raises(UsageError, match=message):
        parse("--policies", teams / "a.toml", "--shadow", policies, "--snapshot", tmp_path / snapshot)
    (teams / "elsewhere.json").unlink()
    parse("--policies", teams, "--snapshot", teams / "kept")


def test_store(policies: Path) -> None:
    """Policies are read from the path, which names the store."""
    store = parse("--policies", policies).prepared.store
    assert isinstance(store, ReaderPolicyStore)
    assert str(policies) == store.name

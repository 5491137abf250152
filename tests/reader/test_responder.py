"""Tests of what the reader answers, without a process."""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import ENOSPC
from pathlib import Path
from typing import Any

import pytest

from cors_service.policy import InvalidPolicies, revision
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Change
from cors_service.reader.frames import Frames, decoded
from cors_service.reader.good import GoodSet
from cors_service.reader.messages import Begin, Changed, End, Failed, Load, Message, Part, Refused, Reread
from cors_service.reader.parts import IncomingChange, read_mistakes
from cors_service.reader.reading import Documents
from cors_service.reader.responder import Known, Responder
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies, read_text
from tests.store.store_texts import TEN_MISTAKES, names, toml


class Asked:
    """The responder of a file, and what it has said.

    Attributes:
        path: The file.
        said: The messages until now.
        snapshot: The snapshot that it keeps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[Message] = []
        self.snapshot = Snapshot(path.with_name("snapshot"))
        self.begin()

    def begin(self, *, known: Known | None = None) -> None:
        """Begin anew, with what the asker knows."""
        self.responder = Responder(Documents(self.path), self._take, snapshot=self.snapshot, known=known)

    def _take(self, frame: bytes) -> None:
        self.said += map(decoded, Frames().take(frame))

    def write(self, text: str) -> str | None:
        """Put another document in place; give its revision, if it has one."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)
        try:
            return revision(read_policies(self.path))
        except InvalidPolicies:
            return None

    def look(self) -> list[Message]:
        """Have it look twice, and give what it says of it."""
        self.said.clear()
        self.responder.look()
        self.responder.look()
        return list(self.said)

    def load(self, base: str | None, *, everything: bool = False) -> Change:
        """Have it load, and give the change."""
        self.said.clear()
        self.responder.answer(Load(base, everything))
        assembly = IncomingChange()
        changes = [assembly.take(message) for message in self.said if not isinstance(message, Changed)]
        assert changes[-1] is not None
        return changes[-1]

    def mistakes(self, base: str) -> InvalidPolicies:
        """Have it load what has mistakes, and give these; the last good set is the one to start from."""
        change = self.load(base)
        assert change.mistakes is not None
        assert (change.base, change.revision, change.policies) == (base, base, ())
        return change.mistakes

    def refused(self) -> InvalidPolicies:
        """Have it load what it has nothing of, and give the mistakes."""
        self.said.clear()
        self.responder.answer(Load(None))
        message = self.said[-1]
        assert isinstance(message, Refused)
        return read_mistakes(message.mistakes)


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Give the responder of a document of one policy."""
    asked = Asked(tmp_path / "policies.toml")
    asked.write(toml("one"))
    return asked


def test_known(asked: Asked) -> None:
    """What the asker knows is not told; what changes is told, and given as a change of it."""
    base = revision(read_policies(asked.path))
    asked.begin(known=Known(base, 17.0))
    assert (asked.look(), asked.look()) == ([], [])
    asked.write(toml("one", "two"))
    assert asked.look() == [Changed()]
    change = asked.load(base)
    assert (base, revision(read_policies(asked.path))) == (change.base, change.revision)
    assert names(change) == ["two"]


@pytest.mark.parametrize("text", [toml("two"), TEN_MISTAKES], ids=["good", "mistakes"])
def test_changed_before_it_began(asked: Asked, text: str) -> None:
    """What changed between the asker's reading and the beginning is told."""
    asked.begin(known=Known(revision(read_policies(asked.path)), 17.0))
    asked.write(text)
    assert asked.look() == [Changed()]


def test_unknown(asked: Asked) -> None:
    """An asker who has read nothing is told that there is something, and gets all of it."""
    assert asked.look() == [Changed()]
    change = asked.load(None)
    assert (change.base, names(change)) == (None, ["one"])


def test_told_once(asked: Asked) -> None:
    """A change is told once until somebody loads, however often others follow."""
    asked.load(None)
    told = []
    for policies in (["two"], ["three"], ["four"]):
        asked.write(toml(*policies))
        told += asked.look()
    assert told == [Changed()]
    assert names(asked.load(None)) == ["four"]
    asked.write(toml("five"))
    assert asked.look() == [Changed()]


def test_everything(asked: Asked) -> None:
    """Asked for everything, it reads documents as they are, without a look; then others have to know, too."""
    base = asked.load(None).revision
    asked.write(toml("two"))
    assert names(asked.load(base)) == []
    assert names(asked.load(base, everything=True)) == ["two"]
    assert asked.said[0] == Changed()
    asked.load(None, everything=True)
    assert Changed() not in asked.said


def test_reread(asked: Asked) -> None:
    """Told to read everything again, it says if that changed something."""
    base = asked.load(None).revision
    asked.said.clear()
    asked.responder.answer(Reread())
    assert asked.said == []
    asked.write(toml("two"))
    asked.responder.answer(Reread())
    assert asked.said == [Changed()]
    assert names(asked.load(base)) == ["two"]
    asked.write(TEN_MISTAKES)
    asked.said.clear()
    asked.responder.answer(Reread())
    assert asked.said == [Changed()]
    assert asked.load(base).mistakes is not None


def test_several_askers(asked: Asked) -> None:
    """Each asker gets what changed since the revision that is his, however many changes he has missed."""
    base = asked.load(None).revision
    asked.write(toml("one", "two"))
    asked.look()
    newer = asked.load(base).revision
    asked.write(toml("one", "two", "three"))
    asked.look()
    assert [(change.base, sorted(names(change))) for change in (asked.load(newer), asked.load(base))] == [
        (newer, ["three"]),
        (base, ["three", "two"]),
    ]


def test_documents_are_read_once(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask, a document is read once."""
    reads: list[tuple[Any, ...]] = []

    def counted(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_and_count(*arguments: Any, **keys: Any) -> Any:
            reads.append(arguments)
            return read(*arguments, **keys)

        return read_and_count

    monkeypatch.setattr("cors_service.reader.reading.read_text", counted(read_text))
    monkeypatch.setattr(Assembly, "read", counted(Assembly.read))
    for _ in range(3):
        assert names(asked.load(None)) == ["one"]
    assert len(reads) == 2


def test_mistakes(asked: Asked) -> None:
    """Mistakes are told, all of them; the change behind them begins where the last good set was."""
    base = asked.load(None).revision
    asked.write(TEN_MISTAKES)
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(asked.path)
    assert asked.look() == [Changed()]
    assert caught.value.report() == asked.mistakes(base).report()
    asked.write(toml("one", "two"))
    asked.look()
    change = asked.load(base)
    assert (base, ["two"], None) == (change.base, names(change), change.mistakes)


def test_last_good_set_beside_mistakes(asked: Asked) -> None:
    """An asker who does not have the last good set gets it, with what is wrong with the documents now."""
    first = asked.load(None).revision
    last = asked.write(toml("one", "two"))
    asked.look()
    loaded_at = asked.load(None).loaded_at
    asked.write(TEN_MISTAKES)
    asked.look()
    for base, policies in ((None, ["one", "two"]), (first, ["two"])):
        change = asked.load(base)
        assert (change.base, change.revision, names(change)) == (base, last, policies)
        assert change.mistakes is not None
        assert (len(change.mistakes.mistakes), change.loaded_at) == (10, loaded_at)


def test_begins_with_mistakes(asked: Asked) -> None:
    """Mistakes are no end: the first good document is told."""
    asked.write(TEN_MISTAKES)
    assert len(asked.refused().mistakes) == 11  # there is no snapshot either
    asked.write(toml("one"))
    assert asked.look() == [Changed()]
    assert names(asked.load(None)) == ["one"]


# Snapshots.


def kept(asked: Asked) -> tuple[object, float]:
    """Give what is in the snapshot."""
    good = asked.snapshot.load()
    return good.policy_set, good.loaded_at


def test_snapshot(asked: Asked) -> None:
    """Each good set is in the snapshot before it is given to anybody, and never one with mistakes."""
    given: list[tuple[object, float]] = []

    def look_and_take(frame: bytes) -> None:
        given.append(kept(asked))
        asked._take(frame)

    asked.responder = Responder(Documents(asked.path), look_and_take, snapshot=asked.snapshot)
    change = asked.load(None)
    assert given == [(read_policies(asked.path), change.loaded_at)] * len(asked.said)
    given.clear()
    asked.write(toml("two"))
    asked.load(change.revision, everything=True)
    assert [policy_set for policy_set, _ in given] == [read_policies(asked.path)] * len(asked.said)
    good = read_policies(asked.path)
    asked.write(TEN_MISTAKES)
    asked.load(None, everything=True)
    assert kept(asked)[0] == good


def test_snapshot_is_written_once(asked: Asked) -> None:
    """As long as the documents stay as they are, the snapshot is not written again."""
    asked.load(None)
    asked.snapshot.path.unlink()
    for _ in range(2):
        asked.responder.keeping.now_and_then()
        asked.load(None)
    assert not asked.snapshot.path.exists()


def test_snapshot_of_what_is_known(asked: Asked) -> None:
    """What the service has read itself is in the snapshot with the time of that."""
    asked.begin(known=Known(revision(read_policies(asked.path)), 17.0))
    asked.look()
    asked.responder.keeping.now_and_then()
    assert kept(asked)[1] == 17.0


def test_begins_with_a_snapshot(asked: Asked) -> None:
    """Where the documents can't be read, it has the last good set from the snapshot, and says what is wrong."""
    last = revision(read_policies(asked.path))
    asked.snapshot.save(GoodSet.of(read_policies(asked.path), 17.0))
    asked.path.unlink()
    change = asked.load(None)
    assert change.mistakes is not None
    assert (change.revision, change.loaded_at, names(change)) == (last, 17.0, ["one"])
    assert [mistake.code for mistake in change.mistakes.mistakes] == ["document-unreadable"]
    assert len(asked.mistakes(last).mistakes) == 1
    asked.write(toml("one", "two"))
    asked.look()
    change = asked.load(last)
    assert (names(change), change.base, change.mistakes) == (["two"], last, None)
    assert change.revision == revision(read_policies(asked.path))


def test_begins_with_a_snapshot_beside_mistakes(asked: Asked) -> None:
    """Where the documents have mistakes, it has the last good set from the snapshot, however old, and says them all."""
    asked.snapshot.max_age = 5
    asked.snapshot.save(GoodSet.of(read_policies(asked.path), 17.0))
    asked.write(TEN_MISTAKES)
    change = asked.load(None)
    assert change.mistakes is not None
    assert (len(change.mistakes.mistakes), change.loaded_at, names(change)) == (10, 17.0, ["one"])


def test_no_help_from_the_snapshot(asked: Asked) -> None:
    """If neither the documents nor the snapshot can be read, the mistakes say so of both."""
    asked.path.unlink()
    assert [mistake.file for mistake in asked.refused().mistakes] == [str(asked.path), str(asked.snapshot.path)]


def test_cannot_be_saved(asked: Asked, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be written takes an older snapshot away, which is said in a line; it is written once it can be."""
    base = asked.load(None).revision
    asked.write(toml("two"))
    monkeypatch.setattr("cors_service.reader.keeping.RETRY_SECONDS", 0)
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        change = asked.load(base, everything=True)
        for _ in range(2):
            asked.responder.keeping.now_and_then()
    [line] = capsys.readouterr().err.splitlines()
    problem = f"Can't write the snapshot {asked.snapshot.path}: No space left on device. There is none now"
    assert line.startswith(problem)
    assert (change.snapshot_problem, asked.load(change.revision).snapshot_problem) == (line, line)
    assert not asked.snapshot.path.exists()
    asked.said.clear()
    asked.responder.keeping.now_and_then()
    assert (kept(asked)[0], capsys.readouterr().err) == (read_policies(asked.path), "The snapshot is written again.\n")
    assert asked.said == [Changed()]
    assert asked.load(change.revision).snapshot_problem is None


def test_cannot_be_saved_at_all(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that has read the documents itself hears that they are not in the snapshot, though nothing is new."""
    monkeypatch.setattr("os.fsync", full)
    asked.begin(known=Known(revision(read_policies(asked.path)), 17.0))
    assert asked.look() == []
    asked.responder.keeping.now_and_then()
    assert asked.said == [Changed()]


def test_since(asked: Asked) -> None:
    """Since when a document is behind is kept with the policies, and still known to whoever begins anew."""
    asked.load(None)
    asked.write(TEN_MISTAKES)
    asked.look()
    [before] = asked.load(None).behind
    asked.responder.keeping.now_and_then()
    asked.begin()
    [after] = asked.load(None).behind
    asked.write(toml("one"))
    asked.look()
    asked.load(None)
    asked.responder.keeping.now_and_then()
    assert (before.since, asked.snapshot.load().since) == (after.since, {})


def full(_: int) -> None:
    """Fail as a full disk does."""
    raise OSError(ENOSPC, os.strerror(ENOSPC))


def test_renewed(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a snapshot can become too old, its date is renewed while the documents are those in it, and not else."""
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    asked.snapshot.max_age = 100
    asked.load(None)
    dates = []
    for _ in range(3):
        now[0] += 6
        asked.responder.keeping.now_and_then()
        dates.append(kept(asked)[1])
    asked.write(TEN_MISTAKES)
    asked.look()
    asked.load(None)
    now[0] += 50
    asked.responder.keeping.now_and_then()
    assert [*dates, kept(asked)[1]] == [1000, 1012, 1012, 1012]


def test_fails(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in it is told, and is not its end."""
    with monkeypatch.context() as patch:
        patch.setattr("cors_service.policy.assembly.Assembly.read", lambda *_, **__: 1 / 0)
        asked.responder.answer(Load(None))
    message = asked.said[-1]
    assert isinstance(message, Failed)
    assert "ZeroDivisionError" in message.traceback
    assert names(asked.load(None)) == ["one"]


def test_parts(asked: Asked) -> None:
    """What is loaded comes in parts between a beginning and an end."""
    asked.load(None)
    assert [type(message) for message in asked.said] == [Changed, Begin, Part, End]

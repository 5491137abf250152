"""Tests of what the reader answers, without a process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cors_service.policy import InvalidPolicies, revision
from cors_service.reader.__main__ import Reader
from cors_service.reader.messages import (
    Begin,
    Changed,
    Failed,
    Load,
    Loaded,
    Part,
    Refused,
    Save,
    Saved,
    read_mistakes,
    whole,
)
from cors_service.reader.reading import mark_of
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies, state_of
from tests.store.store_texts import TEN_MISTAKES, toml


class Asked:
    """A reader of a file, and what it has said.

    Attributes:
        path: The file.
        said: The messages until now.
        reader: The reader.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.said: list[Any] = []
        self.reader = Reader(path, self.said.append)

    def begin(self, *, known: bool) -> None:
        """Begin, after the asker has read the file himself, or has not."""
        self.reader.answer(Begin(mark_of(state_of(self.path)) if known else None))

    def write(self, text: str) -> None:
        """Put another document in place."""
        new = self.path.with_suffix(".new")
        new.write_text(text)
        new.replace(self.path)

    def look(self) -> list[Any]:
        """Have it look twice, and give what it says of it."""
        self.said.clear()
        self.reader.look()
        self.reader.look()
        return list(self.said)

    def load(self, base: str | None, *, everything: bool = False) -> Any:
        """Have it load, and give the change, or the message that came instead."""
        self.said.clear()
        self.reader.answer(Load(base, everything))
        *parts, end = self.said
        return whole(parts, end) if isinstance(end, Loaded) else end


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Give the reader of a document of one policy."""
    asked = Asked(tmp_path / "policies.toml")
    asked.write(toml("one"))
    return asked


def test_known(asked: Asked) -> None:
    """What the asker knows is not told; what changes is told as a change of it."""
    asked.begin(known=True)
    assert (asked.said, asked.look()) == ([], [])
    base = revision(read_policies(asked.path))
    asked.write(toml("one", "two"))
    assert asked.look() == [Changed()]
    change = asked.load(base)
    assert (base, revision(read_policies(asked.path))) == (change.base, change.revision)
    assert [policy.name for policy in change.policies] == ["two"]


def test_changed_before_it_began(asked: Asked) -> None:
    """What changed between the asker's reading and the beginning is told, once two looks agree about it."""
    mark = mark_of(state_of(asked.path))
    asked.write(toml("two"))
    asked.reader.answer(Begin(mark))
    asked.write(toml("three"))
    asked.reader.look()
    assert asked.said == []
    asked.reader.look()
    assert asked.said == [Changed()]
    assert [policy.name for policy in asked.load(None).policies] == ["three"]


def test_unknown(asked: Asked) -> None:
    """An asker who has read nothing is told that there is something, and gets all of it."""
    asked.begin(known=False)
    assert asked.look() == [Changed()]
    change = asked.load(None)
    assert (change.base, [policy.name for policy in change.policies]) == (None, ["one"])


def test_told_once(asked: Asked) -> None:
    """A change is told once until the asker loads, however often others follow."""
    asked.begin(known=True)
    told = []
    for names in (["two"], ["three"], ["four"]):
        asked.write(toml(*names))
        told += asked.look()
    assert told == [Changed()]
    assert [policy.name for policy in asked.load(None).policies] == ["four"]
    asked.write(toml("five"))
    assert asked.look() == [Changed()]


def test_everything(asked: Asked) -> None:
    """Asked for everything, it reads documents as they are, without a look."""
    asked.begin(known=True)
    asked.write(toml("two"))
    assert [policy.name for policy in asked.load(None).policies] == ["one"]
    assert [policy.name for policy in asked.load(None, everything=True).policies] == ["two"]


def test_mistakes(asked: Asked) -> None:
    """Mistakes are told, all of them; the change behind them begins where the last good set was."""
    asked.begin(known=True)
    base = revision(read_policies(asked.path))
    asked.write(TEN_MISTAKES)
    with pytest.raises(InvalidPolicies) as caught:
        read_policies(asked.path)
    asked.look()
    message = asked.load(base)
    assert isinstance(message, Refused)
    assert caught.value.report() == read_mistakes(message).report()
    asked.write(toml("one", "two"))
    asked.look()
    change = asked.load(base)
    assert (base, ["two"]) == (change.base, [policy.name for policy in change.policies])


def test_begins_with_mistakes(asked: Asked) -> None:
    """Mistakes are no end: the first good document is told."""
    asked.write(TEN_MISTAKES)
    asked.begin(known=True)
    assert isinstance(asked.load(None), Refused)
    asked.write(toml("one"))
    assert asked.look() == [Changed()]
    assert [policy.name for policy in asked.load(None).policies] == ["one"]


def test_snapshot(asked: Asked, tmp_path: Path) -> None:
    """It writes a snapshot of what it has read, and of nothing else; what can't be written is told."""
    asked.begin(known=True)
    path = tmp_path / "snapshot"
    known = revision(read_policies(asked.path))
    saves = [Save(str(path), known, 17.0), Save(str(path), "sha256:x", 18.0), Save(str(path / "x"), known, 19.0)]
    for save in saves:
        asked.reader.answer(save)
    assert [Saved(True, ""), Saved(False, "")] == asked.said[:2]
    assert (asked.said[2].is_known, str(path) in asked.said[2].error) == (True, True)
    assert (read_policies(asked.path), 17.0) == Snapshot(path).load()


def test_fails(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong in it is told, and is not its end."""
    asked.begin(known=True)
    with monkeypatch.context() as patch:
        patch.setattr("cors_service.policy.assembly.Assembly.read", lambda *_, **__: 1 / 0)
        message = asked.load(None)
    assert isinstance(message, Failed)
    assert "ZeroDivisionError" in message.traceback
    assert [policy.name for policy in asked.load(None).policies] == ["one"]


def test_part(asked: Asked) -> None:
    """What is loaded comes in parts before its end."""
    asked.begin(known=True)
    asked.load(None)
    assert [type(message) for message in asked.said] == [Part, Loaded]

"""Tests of when which documents are looked at, with a clock and a kernel that do what the test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cors_service.reader.looking import MANY, POLL_SECONDS, Looks
from cors_service.reader.pace import LONG_REST, REST, Pace
from tests.store.store_texts import toml

COST = 1.0


class Paced:
    """A directory of documents that takes as long to look at as a large one.

    Attributes:
        path: The directory.
        looked: The names that were looked at, each time; None for all.
        followed: How often the kernel was told to follow the directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 1000.0
        self.looked: list[set[str] | None] = []
        self.followed = 0
        self._looks = Looks(path)
        self.pace = Pace(path, self._looks, self._look, self._follow, clock=lambda: self.now)

    def run(self, seconds: float) -> list[set[str] | None]:
        """Let time go by, and give what was looked at."""
        self.looked = []
        end = self.now + seconds
        while self.pace.due <= end:
            self.now = max(self.now, self.pace.due)
            self.pace.look()
        self.now = max(self.now, end)
        return self.looked

    def write(self, name: str, *policies: str) -> None:
        """Put another document in place."""
        new = self.path / ".new"
        new.write_text(toml(*policies))
        new.replace(self.path / name)

    def changes(self, name: str) -> None:
        """Change a document, and have the kernel say so."""
        self.write(name, f"p{self.now}".replace(".", "-"))
        self.pace.notice(frozenset({name, ".new"}))

    def read(self) -> None:
        """Read what is due."""
        for name in list(self._looks.due):
            self._looks.has_read(name)
        self._looks.settle()

    def _look(self, names: frozenset[str] | None) -> None:
        self.looked.append(None if names is None else set(names))
        self._looks.look(names)
        self._looks.seconds = COST

    def _follow(self) -> None:
        self.followed += 1


@pytest.fixture
def paced(tmp_path: Path) -> Paced:
    """Give a directory that was read completely."""
    directory = tmp_path / "policies"
    directory.mkdir()
    paced = Paced(directory)
    for name in ("a.toml", "b.toml"):
        paced.write(name, name[0])
    paced.run(10)
    paced.read()
    paced.run(12)
    return paced


def trusted(paced: Paced) -> Paced:
    """Have the kernel say of a change what there is to say."""
    paced.changes("a.toml")
    paced.run(2)
    paced.read()
    # The last look at all was made before.
    paced.run(REST * COST + POLL_SECONDS)
    return paced


def test_rests(paced: Paced) -> None:
    """Looks at everything take a sixth of the time at most, where the kernel says nothing."""
    assert paced.run(60 * COST) == [None] * int(60 / REST)


def test_small_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes no time to look at is looked at twice a second."""
    monkeypatch.setattr("tests.reader.test_pace.COST", 0.0)
    assert Paced(tmp_path).run(10) == [None] * 21


def test_named(paced: Paced) -> None:
    """A document that the kernel names is looked at at once, and once more half a second later, and no other."""
    before = paced.now
    paced.changes("a.toml")
    assert paced.pace.due <= before
    looked = paced.run(POLL_SECONDS)
    assert [names for names in looked if names is not None] == [{"a.toml", ".new"}, set()]
    paced.read()
    assert not [names for names in paced.run(POLL_SECONDS) if names is not None]


def test_two_looks_are_half_a_second_apart(paced: Paced) -> None:
    """However fast the kernel names documents, no two looks follow each other at once."""
    for _ in range(5):
        paced.changes("a.toml")
        paced.run(0)
    assert len(paced.looked) <= 1
    assert paced.pace.due == paced.now + POLL_SECONDS


def test_trusted(paced: Paced) -> None:
    """Once the kernel has named a document that had changed, everything is looked at seldom."""
    assert trusted(paced).run(2 * LONG_REST * COST).count(None) == 2


def test_untrusted(paced: Paced) -> None:
    """When a look finds a change that the kernel has not named, everything is looked at often again."""
    trusted(paced)
    paced.write("b.toml", "changed")
    paced.run(LONG_REST * COST)
    paced.read()
    assert paced.run(60 * COST).count(None) >= 60 / REST - 1


def test_named_a_little_later(paced: Paced) -> None:
    """What the kernel names just after a look has found it is no reason for distrust."""
    trusted(paced)
    while paced.pace.due < paced.pace._next_of_all:
        paced.run(POLL_SECONDS)
    paced.write("b.toml", "changed")
    assert None in paced.run(POLL_SECONDS)
    paced.pace.notice(frozenset({"b.toml"}))
    paced.run(POLL_SECONDS)
    paced.read()
    assert paced.run(LONG_REST * COST).count(None) <= 2


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("a.toml")], ids=["directory", "link"])
def test_links(paced: Paced, make: Callable[[Path], object]) -> None:
    """A link or a directory may be on the way to documents: all of them are looked at, as with a ConfigMap."""
    trusted(paced)
    make(paced.path / "..data")
    paced.pace.notice(frozenset({"..data"}))
    assert paced.run(POLL_SECONDS) == [None]


def test_flood(paced: Paced) -> None:
    """Where a great many change at once everything is looked at, and again soon, since names may have been lost."""
    trusted(paced)
    for number in range(MANY + 1):
        (paced.path / f"{number}.toml").touch()
    paced.pace.notice(frozenset(f"{number}.toml" for number in range(MANY + 1)))
    assert None in paced.run(POLL_SECONDS)
    assert paced.run(REST * COST + 2 * POLL_SECONDS).count(None) >= 1


def test_other_directory(paced: Paced, tmp_path: Path) -> None:
    """When the path leads to another directory, that one is looked at at once, and followed from then on."""
    trusted(paced)
    known = paced.followed
    paced.path.rename(tmp_path / "away")
    assert paced.run(POLL_SECONDS)[0] is None
    assert paced.followed == known
    paced.path.mkdir()
    assert None in paced.run(POLL_SECONDS)
    assert paced.followed == known + 1
    paced.path.rmdir()
    paced.path.symlink_to(tmp_path / "away")
    assert None in paced.run(POLL_SECONDS)
    assert paced.followed == known + 2


def test_directory_is_named(paced: Paced) -> None:
    """When something happens to the directory itself, everything is looked at."""
    trusted(paced)
    paced.pace.notice(frozenset({""}))
    assert paced.run(POLL_SECONDS) == [None]


def test_work(paced: Paced) -> None:
    """After work it rests as long as that took, whatever changes meanwhile."""
    paced.pace.has_worked(3.0)
    paced.changes("a.toml")
    assert paced.run(2.9) == []
    assert paced.run(0.2) != []


def test_file(tmp_path: Path) -> None:
    """A file is looked at twice a second, and the kernel is not asked."""
    (tmp_path / "a.toml").write_text(toml("a"))
    paced = Paced(tmp_path / "a.toml")
    paced.run(2)
    assert paced.followed == 0

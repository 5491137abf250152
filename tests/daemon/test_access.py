"""Tests of who may ask while the service runs: the file is read again, and a bad one takes nobody's right away."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent
from zope.interface.verify import verifyObject

from cors_service.access import InvalidAccess
from cors_service.daemon.access import KeptText, LiveAccess
from cors_service.processes import nameless_file
from cors_service.reader.looking import POLL_SECONDS
from cors_service.web.access import IAccess
from tests.observing import observed_by


def entry(name: str) -> str:
    """The entry of a token that is called as it is."""
    return f'[[tokens]]\nname = "{name}"\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\nverbs = ["read"]\n'


class Bench:
    """A file, and who holds it, while time passes as the test likes.

    Attributes:
        path: The file.
        told: What was logged.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "auth.toml"
        self.path.write_text(entry("one"))
        self.clock = Clock()
        self.told: list[str] = []
        self.access = LiveAccess(self.path, self.clock, in_thread=execute)

    def known(self) -> list[str]:
        """Which tokens are known."""
        return [name for name in ("one", "two", "three") if self.access.active.by_token(name.encode())]

    def looks(self, times: int) -> None:
        """Let time pass for some looks."""
        self.clock.pump([POLL_SECONDS] * times)

    def note(self, event: LogEvent) -> None:
        """Take a line of the log."""
        self.told.append(formatEvent(event))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a holder that does not look yet."""
    return Bench(tmp_path)


def now(deferred: Deferred[None]) -> None:
    """Take a result that is there."""
    results: list[None] = []
    deferred.addCallback(results.append)
    assert results == [None]


def test_interface(bench: Bench) -> None:
    """It holds who may ask."""
    verifyObject(IAccess, bench.access)


def test_start_with_mistakes(tmp_path: Path) -> None:
    """Nothing starts with a bad file."""
    (tmp_path / "auth.toml").write_text("tokens = 1")
    with pytest.raises(InvalidAccess):
        LiveAccess(tmp_path / "auth.toml", Clock())


def test_start_by_a_kept_text(tmp_path: Path) -> None:
    """A worker that starts while the file is bad goes by the last good text that any of them has read."""
    descriptor = nameless_file("test")
    kept, path = KeptText(descriptor), tmp_path / "auth.toml"
    path.write_text("tokens = 1")
    with pytest.raises(InvalidAccess):
        LiveAccess(path, Clock(), kept=kept)
    for name in ("a-long-name", "one"):
        path.write_text(entry(name))
        LiveAccess(path, Clock(), kept=kept)
    path.write_text("tokens = 1")
    access = LiveAccess(path, Clock(), kept=KeptText(descriptor))
    assert access.active.by_token(b"one")
    assert access.as_dict()["stale"]
    os.close(descriptor)


def test_changes(bench: Bench) -> None:
    """A change is found when two looks agree about it, and holds from then on."""
    bench.access.startService()
    bench.looks(3)
    bench.path.write_text(entry("one") + entry("two"))
    bench.looks(1)
    assert bench.known() == ["one"]
    bench.looks(1)
    assert bench.known() == ["one", "two"]
    # A file that takes another's place, as editors and package managers have it.
    other = bench.path.with_suffix(".new")
    other.write_text(entry("three"))
    other.rename(bench.path)
    bench.looks(2)
    assert bench.known() == ["three"]
    now(bench.access.stopService())


def test_reload(bench: Bench) -> None:
    """A reload reads the file as it is, at once."""
    bench.path.write_text(entry("two"))
    now(bench.access.reload())
    assert bench.known() == ["two"]


@pytest.mark.parametrize("bad", ["tokens = 1", "", None, "fifo"])
def test_bad_file(bench: Bench, bad: str | None) -> None:
    """A bad file takes nobody's right away and gives nobody one; log and status say so, the log once."""
    bench.access.startService()
    bench.path.unlink()
    if bad == "fifo":
        os.mkfifo(bench.path)
    elif bad is not None:
        bench.path.write_text(bad)
    with observed_by(bench.note):
        bench.looks(9)
        assert bench.known() == ["one"]
        status = bench.access.as_dict()
        assert (status["stale"], len(list(status["mistakes"]))) == (True, 1)  # type: ignore[call-overload]
        now(bench.access.reload())
    assert ["1 mistake " in line or "same mistakes" in line for line in bench.told] == [False, True, True]
    bench.path.unlink(missing_ok=True)
    bench.path.write_text(entry("two"))
    bench.looks(2)
    assert bench.known() == ["two"]
    assert bench.access.as_dict() == {
        "tokens": 1,
        "certificates": 0,
        "source": str(bench.path),
        "loaded_at": bench.access.as_dict()["loaded_at"],
        "mistakes": [],
        "stale": False,
    }
    now(bench.access.stopService())


def test_fault(bench: Bench, nothing_left_behind: list[LogEvent]) -> None:
    """Whatever else goes wrong, who may ask stays, and the log has it."""

    def broken() -> None:
        raise LookupError

    bench.access._read = broken  # type: ignore[assignment, method-assign]
    now(bench.access.reload())
    assert bench.known() == ["one"]
    assert len(nothing_left_behind) == 1
    nothing_left_behind.clear()

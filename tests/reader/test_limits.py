"""Tests of what reading may take: memory and time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Event

import pytest

from cors_service.policy import InvalidPolicies
from cors_service.reader.limits import ReaderLimits, TooLongError, in_time, limit_memory
from cors_service.reader.reading import read_at_start
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from tests.store.store_texts import toml

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems don't hold a process to its limit")


def output_of(program: str) -> str:
    """Run a program in a process of its own, and give what it prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout


@linux
def test_memory() -> None:
    """A process can take up so much more memory than it has, and no more; afterwards it can again."""
    program = """
from cors_service.reader.limits import limit_memory
unlimited = limit_memory(100)
held = bytearray(80 << 20)
try:
    bytearray(80 << 20)
except MemoryError:
    print("refused")
unlimited()
print(len(bytearray(80 << 20)))
"""
    assert output_of(program).split() == ["refused", str(80 << 20)]


@linux
def test_memory_that_is_limited_already() -> None:
    """A limit that was there before holds, and comes back."""
    program = """
import resource
from cors_service.reader.limits import limit_memory
resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 32))
limit_memory(1 << 20)
print(resource.getrlimit(resource.RLIMIT_AS))
"""
    assert output_of(program).strip() == str((1 << 31, 1 << 32))


@linux
def test_policies_that_take_too_much_memory(tmp_path: Path) -> None:
    """A document that takes more memory than it may is a mistake, and the process goes on as before."""
    path = tmp_path / "policies.json"
    path.write_text("[" + "{}," * 1_000_000 + "{}]")
    program = f"""
from pathlib import Path
from cors_service.policy import InvalidPolicies
from cors_service.reader.limits import ReaderLimits
from cors_service.reader.reading import read_at_start
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
try:
    read_policies(Path({str(path)!r}), ReaderLimits(memory=64))
except InvalidPolicies as invalid:
    print(invalid.report())
print(len(bytearray(200 << 20)))
"""
    first, second, size = output_of(program).splitlines()
    assert "more than 64 MiB of memory (--reader-memory)" in first
    assert (second, size) == ("1 mistake in the policies.", str(200 << 20))


def test_in_time() -> None:
    """What is done in time gives its result, or fails as it does elsewhere."""
    assert in_time(60, lambda: "result") == "result"
    with pytest.raises(ZeroDivisionError):
        in_time(60, lambda: 1 / 0)


def test_not_in_time() -> None:
    """What takes too long is not waited for."""
    end = Event()
    with pytest.raises(TooLongError):
        in_time(0.01, end.wait)
    end.set()


def test_policies_that_take_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system is stuck, that is the mistake."""
    (tmp_path / "policies.toml").write_text(toml("one"))
    end = Event()
    monkeypatch.setattr("cors_service.reader.sources.look_at", lambda *_: end.wait())
    with pytest.raises(InvalidPolicies, match="1 mistake") as caught:
        read_policies(tmp_path, ReaderLimits(timeout=0.01))
    end.set()
    assert "takes longer than 0.01 seconds (--reader-timeout)" in caught.value.report()


def test_a_start_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system is stuck, a start serves the snapshot, and says what is wrong; without one it is refused."""
    (policies := tmp_path / "policies").mkdir()
    (policies / "one.toml").write_text(toml("one"))
    snapshot = Snapshot(tmp_path / "snapshot")
    assert snapshot.keep(read_at_start(policies, None)[0]) is None
    end = Event()
    monkeypatch.setattr("cors_service.reader.sources.look_at", lambda *_: end.wait())
    limits = ReaderLimits(timeout=0.01)
    good, change = read_at_start(policies, snapshot, limits)
    assert list(good.policy_set.policies) == list(good.documents["one.toml"].policies)
    assert change.mistakes is not None
    assert "--reader-timeout" in change.mistakes.report()
    with pytest.raises(InvalidPolicies, match="1 mistake"):
        read_at_start(policies, None, limits)
    end.set()


def test_no_limit() -> None:
    """What takes the limit away leaves none behind."""
    limit_memory(1 << 20)()

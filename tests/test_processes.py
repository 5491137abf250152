"""Tests of the Python processes that others start: what they inherit, what they say and write, how they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.task import Clock, deferLater
from twisted.python.failure import Failure

from cors_service.processes import _LONGEST_LINE, PythonProcess, how_it_ended, run
from cors_service.reader.frames import encoded, framed
from cors_service.reader.messages import SIGNALS, Changed, Drain

if sys.platform == "win32":
    pytest.skip("there are no such processes", allow_module_level=True)

# Says what it hears, in a frame on descriptor 3, and writes what it was given.
ECHO = """
import os, signal, sys
print(sys.argv[1:], sys.flags.safe_path, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])), flush=True)
sys.stderr.write("no line end")
os.write(3, os.read(0, 1000))
os.read(0, 1)
os.kill(os.getpid(), signal.SIGKILL) if "die" in sys.argv else sys.exit(7)
"""


class Noted:
    """Takes note of everything that it is told about a process."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.wrote: list[str] = []
        self.ended: list[str] = []

    def process_said(self, process: PythonProcess, message: bytes) -> None:
        """Take note of a message."""
        self.said.append(message)

    def process_wrote(self, process: PythonProcess, line: str) -> None:
        """Take note of a line."""
        self.wrote.append(line)

    def process_exited(self, process: PythonProcess, reason: Failure) -> None:
        """Take note of the end."""
        self.ended.append(how_it_ended(reason))

    def process_closed(self, process: PythonProcess) -> None:
        """Take note that there is nothing more."""
        self.ended.append("closed")


@pytest.fixture
def noted() -> Noted:
    """Give what takes note of a process."""
    return Noted()


async def until(condition: Callable[[], object]) -> None:
    """Let the reactor run until a condition holds."""
    clock: Any = reactor
    deadline = clock.seconds() + 30
    while not condition():
        assert clock.seconds() < deadline, "waited in vain"
        await deferLater(clock, 0.01)


@pytest.mark.parametrize(("argument", "end"), [("live", "exit status 7"), ("die", "signal 9")])
async def test_life(noted: Noted, argument: str, end: str) -> None:
    """A process hears and says messages, writes lines, gets no signal before it asks for any, and its end is told."""
    process = PythonProcess(noted, reactor, says=3)
    process.start(["-c", ECHO, argument])
    process.send(framed(Drain(rest=True)))
    await until(lambda: noted.said)
    assert process.is_running
    process.end()
    await until(lambda: noted.ended[-1:] == ["closed"])
    assert (noted.said, noted.ended, process.is_running) == ([encoded(Drain(rest=True))], [end, "closed"], False)
    blocked = sorted(int(number) for number in SIGNALS)
    assert sorted(noted.wrote) == sorted(["no line end", f"[{argument!r}] True {[signal.Signals(n) for n in blocked]}"])
    process.send(framed(Changed()))
    process.kill()
    assert not SIGNALS & set(signal.pthread_sigmask(signal.SIG_BLOCK, []))


async def test_file(noted: Noted, tmp_path: Path) -> None:
    """A process has the files that it is given, at the numbers that it is told."""
    path = tmp_path / "file"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    process = PythonProcess(noted, reactor, says=3)
    process.start(["-c", "import os; os.write(9, b'written')"], {9: descriptor})
    os.close(descriptor)
    await until(lambda: noted.ended[-1:] == ["closed"])
    assert path.read_bytes() == b"written"


def test_run() -> None:
    """A process that is only run gives what it writes; one that fails is an error."""
    assert run(["-c", "print('written', end='')"], timeout=60) == b"written"
    with pytest.raises(OSError, match="exit status 3"):
        run(["-c", "import sys; sys.exit(3)"], timeout=60)


def heard(noted: Noted) -> PythonProcess:
    """Give a process that does not run, to be fed with what it writes."""
    return PythonProcess(noted, Clock(), says=3)


@given(st.lists(st.text("abé ", min_size=1).map(str.encode)), st.integers(1, 7))
def test_lines_in_pieces(lines: list[bytes], size: int) -> None:
    """Lines are what they were, however they come in pieces."""
    noted = Noted()
    process = heard(noted)
    data = b"\n".join(lines)
    for start in range(0, len(data), size):
        process.childDataReceived(2, data[start : start + size])
    process.childConnectionLost(2)
    assert noted.wrote == [line.decode() for line in lines]


def test_lines_without_an_end(noted: Noted) -> None:
    """What never ends is not kept for ever; what is left at the end is the last line."""
    process = heard(noted)
    for _ in range(5):
        process.childDataReceived(1, b"a" * _LONGEST_LINE)
    process.childConnectionLost(1)
    assert [len(line) for line in noted.wrote] == [2 * _LONGEST_LINE, 2 * _LONGEST_LINE, _LONGEST_LINE]


def test_odd_line(noted: Noted) -> None:
    """What is not text is written out."""
    heard(noted).childDataReceived(2, b"a\xff\n")
    assert noted.wrote == ["a\\xff"]

"""Python processes that this one starts, and what passes between them: messages in frames, and lines of text."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.reader.frames import Frames, NotAMessage
from cors_service.reader.messages import HEARS, SIGNALS

LINGER_SECONDS: Final = 1.0
"""How long it takes at most until everything that an ended process said is heard, also if a child of its own holds its
pipes open."""

_LONGEST_LINE: Final = 1 << 20
"""Bytes of a line; what comes without an end is cut, so that memory stays bounded."""


class Owner(Protocol):
    """What is told about a process."""

    def process_said(self, process: Any, message: bytes) -> None:
        """Take a message."""

    def process_wrote(self, process: Any, line: str) -> None:
        """Take a line that is not a message, such as one of a traceback."""

    def process_exited(self, process: Any, reason: Failure) -> None:
        """The process has ended, but something that it said may be on its way."""

    def process_closed(self, process: Any) -> None:
        """There is nothing more to hear of a process that has ended."""


class PythonProcess(ProcessProtocol):
    """A Python process that this one has started.

    Attributes:
        pid: Its process id; None before it was started.
        is_running: Whether there may be more to hear of it.
    """

    transport: Any
    _log: Final = Logger()

    def __init__(self, owner: Owner, reactor: Any, says: int) -> None:
        """Make a process, which is not started yet.

        Args:
            owner: What is told about it.
            reactor: The reactor.
            says: The descriptor on which it speaks in messages; on its standard output and standard error else, it
                writes lines.
        """
        self.pid: int | None = None
        self.is_running = False
        self._owner = owner
        self._reactor = reactor
        self._says = says
        self._frames = Frames()
        self._lines: dict[int, bytes] = {number: b"" for number in (1, 2) if number != says}
        self._can_hear = False
        self._closing: IDelayedCall | None = None

    def start(self, arguments: Sequence[str], files: Mapping[int, int] = {}) -> None:
        """Start the process.

        Args:
            arguments: Those of Python.
            files: The descriptors of this process that it has, by their numbers there.

        Raises:
            OSError: It can't be started.
        """
        command = _command(arguments)
        descriptors: dict[int, int | str] = {HEARS: "w", self._says: "r", **dict.fromkeys(self._lines, "r")}
        # What is blocked here is blocked there, until the process has decided what to do about it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._reactor.spawnProcess(self, command[0], command, env=_environment(), childFDs={**descriptors, **files})
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def send(self, frame: bytes) -> None:
        """Send a message, which is framed; in vain if the process hears nothing any more."""
        if self._can_hear:
            self.transport.writeToChild(HEARS, frame)

    def end(self) -> None:
        """Say no more, which is the end of a process that only listens to this one."""
        self._can_hear = False
        self.transport.closeStdin()

    def kill(self) -> None:
        """End the process at once, if it ever ran."""
        if self.pid is None:
            return
        try:
            self.transport.signalProcess("KILL")
        except ProcessExitedAlready:
            return

    def pause(self) -> None:
        """Hear nothing for the time being, so that the process has to wait with what it says."""
        self.transport.pauseProducing()

    def resume(self) -> None:
        """Hear again."""
        self.transport.resumeProducing()

    def connectionMade(self) -> None:
        """The process runs."""
        self.is_running = self._can_hear = True
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """Take what the process says or writes."""
        if childFD == self._says:
            try:
                for message in self._frames.take(data):
                    self._owner.process_said(self, message)
            except NotAMessage:
                self._log.error("Process {pid} says nonsense, and is killed", pid=self.pid)
                self.kill()
            return
        *lines, rest = (self._lines[childFD] + data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines.append(rest)
            rest = b""
        self._lines[childFD] = rest
        for line in lines:
            self._wrote(line)

    def childConnectionLost(self, childFD: int) -> None:
        """Take the last line, which has no end."""
        if childFD == HEARS:
            self._can_hear = False
        self._wrote(self._lines.pop(childFD, b""))

    def processExited(self, reason: Failure) -> None:
        """The process has ended."""
        self.resume()
        self._closing = self._reactor.callLater(LINGER_SECONDS, self._close)
        self._owner.process_exited(self, reason)

    def processEnded(self, reason: Failure) -> None:
        """There is nothing more to hear."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.is_running = False
        self._owner.process_closed(self)

    def _wrote(self, line: bytes) -> None:
        if line:
            self._owner.process_wrote(self, line.decode("utf-8", "backslashreplace"))

    def _close(self) -> None:
        for number in (HEARS, self._says, 1, 2):
            self.transport.closeChildFD(number)


def run(arguments: Sequence[str], timeout: float, files: Sequence[int] = ()) -> bytes:
    """Run a Python process to its end, before the reactor runs.

    Args:
        arguments: Those of Python.
        timeout: Seconds that it may take.
        files: Descriptors that it gets, with the same numbers.

    Returns:
        What it wrote on its standard output.

    Raises:
        OSError: It can't be started, has failed, or takes longer.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the program is this one
            _command(arguments),
            env=_environment(),
            stdout=subprocess.PIPE,
            check=False,
            timeout=timeout,
            pass_fds=files,
        )
    except subprocess.TimeoutExpired:
        raise OSError(f"it takes longer than {timeout:g} seconds") from None
    if done.returncode:
        raise OSError(f"exit status {done.returncode}")
    return done.stdout


def nameless_file(name: str) -> int:
    """Make a file that processes share by its descriptor, which is gone with the last of them.

    Args:
        name: What it is called in a list of open files.

    Returns:
        The descriptor.
    """
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def how_it_ended(reason: Failure) -> str:
    """Say how a process ended."""
    by, status = getattr(reason.value, "signal", None), getattr(reason.value, "exitCode", None)
    return f"signal {by}" if by else f"exit status {status}"


def _command(arguments: Sequence[str]) -> list[bytes]:
    # What is in the working directory is not imported, unless it can be imported here, too.
    return [os.fsencode(argument) for argument in (sys.executable, "-P", *arguments)]


def _environment() -> dict[bytes, bytes]:
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    variables = os.environ | {"PYTHONPATH": path}
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}

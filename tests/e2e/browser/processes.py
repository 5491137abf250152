"""Starts processes, waits for a sign of life on a deadline, and leaves none behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.e2e.daemons import wait_for


class Process:
    """A child process that leads a session of its own, so that its descendants can be told from others.

    Attributes:
        pid: Its process id, which is the id of its session, too.
        log: The file with its standard output and error.
    """

    def __init__(self, arguments: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        # A child outlives its parent unless it asks not to: a test run that is killed can't clean up.
        bound = [setpriv, "--pdeathsig", "TERM", "--"] if (setpriv := shutil.which("setpriv")) else []
        self.log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*bound, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.pid = self._process.pid

    def alive(self) -> bool:
        """Say that it runs.

        Raises:
            AssertionError: It does not; with the end of its log.
        """
        assert self._process.poll() is None, f"{self._process.args!r} ended: {self._text()[-2000:]}"
        return True

    def said(self, pattern: str) -> re.Match[str]:
        """Wait until the log has a match.

        Args:
            pattern: A regular expression.

        Raises:
            AssertionError: The process ended before, or did not say it in time.
        """

        def look() -> re.Match[str] | None:
            ended = self._process.poll() is not None
            match = re.search(pattern, self._text())
            assert match or not ended, f"{self._process.args!r} ended: {self._text()[-2000:]}"
            return match

        return wait_for(look, f"{pattern!r} in {self.log}")

    def _text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End it and all that it started: politely, then by force."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        for pid in _session(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        wait_for(lambda: not _session(self.pid), "the end of what was killed")


@contextmanager
def running(arguments: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[Process]:
    """Run a process until the block ends."""
    process = Process(arguments, log, environment)
    try:
        yield process
    finally:
        process.stop()


@contextmanager
def running_service(policies: Path, directory: Path) -> Iterator[int]:
    """Run the decision service as operators do, on a port that is free.

    Args:
        policies: The document, or the directory of documents.
        directory: Where to put the log.

    Yields:
        The port.
    """
    listen = "tcp:0:interface=127.0.0.1"
    arguments = [sys.executable, "-m", "twisted", "cors", "--policies", str(policies), "--listen", listen]
    with running(arguments, directory / "service.log") as service:
        yield int(service.said(r"DecisionSite starting on (\d+)")[1])


def _session(leader: int) -> list[int]:
    """The living processes of a session."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in brackets can contain anything; behind it come state, parent, group, session.
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] not in "ZX":
                members.append(int(stat.parent.name))
    return members

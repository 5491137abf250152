"""Starts the service as operators do, reads what it says, asks it, and ends it for sure."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

DEADLINE = 30.0
"""Seconds for anything to happen that a test waits for."""

TWIST = (sys.executable, "-m", "twisted", "--log-format=text", "cors")
TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "cors")
ANY_PORT = "tcp:0:interface=127.0.0.1"

_Found = TypeVar("_Found")
_POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], _Found | None], what: str) -> _Found:
    """Wait until a condition holds, and give what it gave.

    Args:
        condition: Gives something true once it holds.
        what: What is waited for, for the message if it never comes.
    """
    deadline = time.monotonic() + DEADLINE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(_POLL_SECONDS)
    return found


class Process:
    """A child process whose output is read while it runs.

    Attributes:
        pid: Its process id.
        out: The lines that it wrote to standard output until now.
        err: The same of standard error.
    """

    def __init__(self, arguments: Sequence[str], directory: Path) -> None:
        self._popen = subprocess.Popen(
            arguments,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self.out: list[str] = []
        self.err: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self._popen.stdout, self.out), (self._popen.stderr, self.err))
        ]
        self._open = len(self._readers)
        for reader in self._readers:
            reader.start()

    def said(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until so many lines of standard output have matched a pattern; give the match of the last.

        Raises:
            AssertionError: The process ended before, or did not say it in time.
        """

        def found() -> list[re.Match[str]]:
            return [match for line in self.out if (match := re.search(pattern, line))]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times or not self._open, DEADLINE)
            matches = found()
        assert len(matches) >= times, f"{pattern!r} is not in {self.out + self.err!r}"
        return matches[times - 1]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def ends(self) -> int:
        """Wait until it ends by itself and all its output is there; give its exit status, negative for a signal."""
        try:
            status = self._popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end: {self.out + self.err!r}") from None
        for reader in self._readers:
            reader.join(DEADLINE)
        return status

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._popen.poll() is None

    def stop(self) -> int:
        """Have it end as service managers do, and give its exit status."""
        self.signal(signal.SIGTERM)
        return self.ends()

    def kill(self) -> None:
        """End it, and all that it started and that did not leave its session."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        for reader in self._readers:
            reader.join(DEADLINE)
        for stream in (self._popen.stdout, self._popen.stderr):
            assert stream is not None
            stream.close()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._open -= 1
            self._changed.notify_all()


class Service(Process):
    """A service that listens, as its log says; told by its ports or the path of its socket.

    Attributes:
        ports: The TCP ports, in the order of the options.
    """

    def __init__(self, arguments: Sequence[str], directory: Path, *, listens: int = 1) -> None:
        super().__init__(arguments, directory)
        self.ports: list[int] = []
        try:
            for number in range(1, listens + 1):
                self.ports.append(int(self.said(r"Listening on IPv4Address\(.*port=(\d+)\)", number)[1]))
        except BaseException:
            self.kill()
            raise

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: dict[str, str]
    json: Any


def ask(place: int | Path, target: str, headers: Mapping[str, str] = {}) -> Answer:
    """Ask a service.

    Args:
        place: Its port on this machine, or the path of its socket.
        target: What to GET.
        headers: Further headers.
    """
    connection = _Connection(place)
    try:
        connection.request("GET", target, headers=dict(headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, json.loads(response.read()))
    finally:
        connection.close()


def allows(place: int | Path, policy: str, origin: str) -> bool | None:
    """Ask whether a policy allows an origin to GET; None if there is no such policy."""
    answer = ask(place, f"/v1/decision?policy={policy}&origin={origin}")
    return None if answer.status == 404 else answer.json["allowed"]


def is_gone(pid: int) -> bool:
    """Whether there is no process of that number, or only its remains, which nobody has taken away yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    with suppress(OSError):
        # The name in brackets can contain anything; behind it comes the state.
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            in "ZX"
        )
    return False


class _Connection(http.client.HTTPConnection):
    """A connection to a port or a socket in the file system."""

    def __init__(self, place: int | Path) -> None:
        super().__init__("127.0.0.1", place if isinstance(place, int) else None, timeout=DEADLINE)
        self._path = place if isinstance(place, Path) else None

    def connect(self) -> None:
        """Connect."""
        if self._path is None:
            super().connect()
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(DEADLINE)
            self.sock.connect(str(self._path))

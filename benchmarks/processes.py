"""The servers that are measured: each a process of its own, with all that it starts, on cores of its own."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.machine import SERVER_CORE, pinned

ROOT: Final = Path(__file__).resolve().parents[1]
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
# Seconds between two looks at something that is waited for.
_LOOK: Final = 0.05


class Server:
    """A server that runs, and all processes that it started.

    Attributes:
        port: Where it listens, on the local interface.
        started: Seconds from its start to its first answer.
        peak: The most memory that its processes had in use together until that answer, in bytes.
    """

    def __init__(
        self, command: Sequence[str], log: Path, *, patience: float = 30, cores: Sequence[int] = (SERVER_CORE,)
    ) -> None:
        """Start a server, and wait until it answers.

        Args:
            command: Its arguments; `{port}` stands for its port.
            log: Where its output goes.
            patience: Seconds until it has to answer.
            cores: Where it runs.

        Raises:
            RuntimeError: It did not answer.
        """
        self.port = free_port()
        begin = time.monotonic()
        with log.open("wb") as output, pinned(*cores):
            self._popen = subprocess.Popen(
                [argument.replace("{port}", str(self.port)) for argument in command],
                cwd=log.parent,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.peak = 0
        try:
            wait_for(self._answers, patience, "an answer")
        except BaseException as error:
            self.kill()
            error.add_note(log.read_text(errors="replace")[-500:])
            raise
        self.started = time.monotonic() - begin

    def _answers(self) -> bool:
        self.peak = max(self.peak, self.memory())
        if self._popen.poll() is not None:
            raise RuntimeError("it ended")
        try:
            return self.ask("GET", "/readyz")[0] != 503  # a peer knows no such path
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """Send a request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its first process."""
        self._popen.send_signal(number)

    def seconds(self) -> float:
        """The seconds that its processes have computed until now, for themselves and in the kernel."""
        return sum(sum(map(int, fields[11:13])) for fields in self._processes()) / _TICKS

    def memory(self) -> int:
        """The bytes of memory that its processes have in use now; what they share counts for each."""
        return sum(int(fields[21]) for fields in self._processes()) * _PAGE

    def kill(self) -> None:
        """End it, and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def _processes(self) -> Iterator[list[str]]:
        """What /proc says about each of its processes, from the third field on, which is the state."""
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[3]) == self._popen.pid:  # the session, which is named after its first process
                    yield fields


Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def running(
    command: Sequence[str], log: Path, *, patience: float = 30, cores: Sequence[int] = (SERVER_CORE,)
) -> Iterator[Server]:
    """Run a server until the block ends; arguments as for `Server`."""
    server = Server(command, log, patience=patience, cores=cores)
    try:
        yield server
    finally:
        server.kill()


def service(policies: Path, *options: str) -> list[str]:
    """The command of our service.

    Args:
        policies: Its documents.
        options: Further options of `twist cors`.
    """
    listen = "tcp:{port}:interface=127.0.0.1"
    return [sys.executable, "-m", "twisted", "cors", "--policies", str(policies), "--listen", listen, *options]


def peer(name: str, *arguments: str) -> list[str]:
    """The command of a server out of servers/."""
    return [sys.executable, "-m", f"benchmarks.servers.{name}", "{port}", *arguments]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], patience: float, what: str, *, look: float = _LOOK) -> None:
    """Wait until a condition holds.

    Args:
        condition: Whether it does.
        patience: Seconds until it has to.
        what: What is waited for.
        look: Seconds between two looks.

    Raises:
        RuntimeError: It does not in time.
    """
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {patience:.0f} s in vain for {what}")
        time.sleep(look)

"""A service under load: what is seen of it from outside, over its port and in /proc."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import daemons
from tests.e2e.load.client import Connection

_LISTENS = "0A"
# A child outlives its parent unless it asks not to: a test run that is killed can't clean up.
_BOUND = [path, "--pdeathsig", "KILL", "--"] if (path := shutil.which("setpriv")) else []


class Service(daemons.Service):
    """A decision service that runs, and answers."""

    def __init__(self, policies: Path, *options: str) -> None:
        """Start a service.

        Args:
            policies: The document, or the directory of documents.
            options: Further options of `twist cors`.
        """
        super().__init__(_arguments(policies, options), policies.parent)
        try:
            # It listens before it handles signals, but it answers after.
            self.status()
        except BaseException:
            self.kill()
            raise

    def connect(self) -> Connection:
        """Open a connection to it."""
        return Connection(self.port)

    def status(self) -> dict[str, Any]:
        """What `/v1/status` says, over a connection of its own."""
        with self.connect() as connection:
            answer = connection.get("/v1/status")
            assert answer.status == 200
            told: dict[str, Any] = answer.json
            return told

    def memory(self) -> int:
        """The bytes of memory that it has in use (its resident set); skips the test where that can't be known."""
        text = _read_proc(f"/proc/{self.pid}/smaps_rollup")
        found = re.search(r"^Rss: *(\d+) kB$", text, re.MULTILINE)
        assert found
        return int(found[1]) * 1024

    def processor_time(self) -> float:
        """The seconds that it has computed; skips the test where that can't be known."""
        # The name in brackets can contain anything; behind it, user and system time are the 12th and 13th field.
        user, system = _read_proc(f"/proc/{self.pid}/stat").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def connections(self) -> int:
        """How many connections to its port it holds open; skips the test where that can't be known."""
        here = f"0100007F:{self.port:04X}"
        # Local address, state and inode; that of a connection that no process holds is 0. The table is read in pieces,
        # between which connections of others come and go, so that it can show one twice.
        entries = [line.split() for line in _read_proc("/proc/net/tcp").splitlines()[1:]]
        return len({entry[9] for entry in entries if entry[1] == here and entry[3] != _LISTENS} - {"0"})


@contextmanager
def running(policies: Path, *options: str) -> Iterator[Service]:
    """Run a service until the block ends; it is killed, unless it has ended before."""
    service = Service(policies, *options)
    try:
        yield service
    finally:
        service.kill()


def refused_start(policies: Path, *options: str) -> tuple[int, str]:
    """Start a service that should not start; give its exit status and what it said on standard error."""
    process = daemons.Process(_arguments(policies, options), policies.parent)
    try:
        return process.ends(), "\n".join(process.err)
    finally:
        process.kill()


def _arguments(policies: Path, options: tuple[str, ...]) -> list[str]:
    return [*_BOUND, *daemons.TWIST, "--policies", str(policies), "--listen", daemons.ANY_PORT, *options]


def _read_proc(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        pytest.skip(f"needs the /proc of Linux: {error}")

"""The load: wrk, which sends the next request as soon as the last is answered, and what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.machine import LOAD_CORE, pinned
from benchmarks.processes import Server

SCRIPT: Final = Path(__file__).with_name("requests.lua")
NUMBER: Final = b"########"
"""Stands in a request for a number that is never sent twice."""
# Numbers that one run may use.
_STRIDE: Final = 5_000_000
_starts: Final = count(0, _STRIDE)


class Load(NamedTuple):
    """What a run of wrk came to.

    Attributes:
        requests: Answered.
        seconds: That it took.
        p50: Seconds that half of the requests took at most.
        p99: Seconds that 99 of 100 took at most.
        processor: Seconds that the server computed.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    processor: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    @property
    def microseconds(self) -> float:
        """Microseconds of the server's processor for a request."""
        return self.processor / self.requests * 1e6


def installed() -> bool:
    """Whether there is wrk."""
    return shutil.which("wrk") is not None


@contextmanager
def started(
    port: int, requests: Sequence[bytes], connections: int, seconds: int, *, batch: int = 0
) -> Iterator[subprocess.Popen[str]]:
    """Start wrk; it ends by itself, or with the block.

    Args:
        port: Where it sends.
        requests: What it sends, in turn; a NUMBER in them becomes one. For batches: the queries.
        connections: That it keeps open.
        seconds: For how long.
        batch: How many queries a batch has; 0 where none are sent.
    """
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\0".join(requests))
        file.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "-s", str(SCRIPT), f"http://127.0.0.1:{port}"]
        with pinned(LOAD_CORE):
            process = subprocess.Popen(
                [*command, file.name, str(next(_starts) % 10**8), str(batch)],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()


def read(output: str, *, refusals: bool = False) -> Load:
    """Read what wrk and its script print.

    Args:
        output: All of it.
        refusals: Whether a status from 400 on is an answer, too.

    Raises:
        RuntimeError: It failed, or some of the answers were none or errors.
    """
    line = output.rstrip().rpartition("\n")[2]
    if not line.startswith("{"):
        raise RuntimeError(f"wrk says: {output.strip()}")
    told = json.loads(line)
    if told["broken"] or (told["refused"] and not refusals) or not told["requests"]:
        raise RuntimeError(f"not all is answered as it should be: {line}")
    return Load(told["requests"], told["seconds"], told["p50"], told["p99"])


def finished(process: subprocess.Popen[str], *, refusals: bool = False) -> Load:
    """Wait for wrk to end, and read what it says; arguments as for `read`."""
    return read(process.communicate()[0], refusals=refusals)


def send(
    server: Server,
    requests: Sequence[bytes],
    seconds: int,
    connections: int = 32,
    *,
    batch: int = 0,
    refusals: bool = False,
) -> Load:
    """Load a server, and measure it; arguments as for `started` and `read`."""
    before = server.seconds()
    with started(server.port, requests, connections, seconds, batch=batch) as process:
        load = finished(process, refusals=refusals)
    return load._replace(processor=server.seconds() - before)

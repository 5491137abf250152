"""A load of a constant rate, whatever the server does: `python -m benchmarks.open_loop PORT REQUESTS RATE SECONDS OUT`.

A request is due at its time whether or not those before it are answered, and its latency counts from that time, as in
wrk2: a server that stands still for a second is late for all who would have asked in that second, and not for the one
request that each connection was waiting for (the "coordinated omission" of a load that waits its turn).

It spins, so as to send within microseconds of the time; give it a core of its own. Due times (seconds of the monotonic
clock) and latencies (seconds) go to a file as doubles, pair by pair. What it says of itself is one line of JSON: how
late it was itself when it sent on a connection that had been free.
"""

from __future__ import annotations

import gc
import json
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from math import ceil
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from benchmarks.machine import LOAD_CORE, pinned

CONNECTIONS: Final = 32
# Seconds that the last answers may take.
_PATIENCE: Final = 120
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """A connection with one request on its way at most.

    Attributes:
        due: When its request was due.
        free: Since when it has none.
    """

    def __init__(self, port: int) -> None:
        self.due = self.free = 0.0
        self._received = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self) -> bool:
        """Read what has come; give whether that is all of the answer.

        Raises:
            RuntimeError: It is not the answer to be expected.
        """
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed a connection")
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = _LENGTH.search(self._received, 0, end + 2)
        if length is None or not self._received.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"this is no answer: {self._received[:200]!r}")
        if len(self._received) < end + 4 + int(length[1]):
            return False
        self._received = b""
        return True

    def close(self) -> None:
        """Close it."""
        self.socket.close()


def send(
    port: int, requests: Sequence[bytes], rate: float, seconds: float, stopped: Event
) -> tuple[array[float], list[float]]:
    """Send requests at a constant rate.

    Args:
        port: Where to.
        requests: In turn.
        rate: Requests a second.
        seconds: For how long.
        stopped: Set when no more shall be sent.

    Returns:
        Due times and latencies, pair by pair; and how late each was sent that found a free connection, in seconds.
    """
    with ExitStack() as stack:
        connections = [stack.enter_context(closing(Connection(port))) for _ in range(CONNECTIONS)]
        poll = stack.enter_context(select.epoll())
        return _send(connections, poll, requests, 1 / rate, int(rate * seconds), stopped)


def _send(
    connections: Sequence[Connection],
    poll: select.epoll,
    requests: Sequence[bytes],
    step: float,
    wanted: int,
    stopped: Event,
) -> tuple[array[float], list[float]]:
    """Send so many requests, one every so many seconds."""
    by_number = {one.socket.fileno(): one for one in connections}
    for number in by_number:
        poll.register(number, select.EPOLLIN)
    free, turn, sent = deque(connections), cycle(requests), 0
    found, late = array("d"), []
    now = time.monotonic
    begin = now() + 0.1
    end = begin + wanted * step + _PATIENCE
    while len(found) < 2 * wanted:
        if stopped.is_set():
            wanted = sent
        while free and sent < wanted and begin + sent * step <= now():
            one = free.popleft()
            one.due = begin + sent * step
            one.socket.send(next(turn))
            if one.free < one.due:
                late.append(now() - one.due)
            sent += 1
        for number, _ in poll.poll(0):
            one = by_number[number]
            if one.read():
                one.free = now()
                found.append(one.due)
                found.append(one.free - one.due)
                free.append(one)
        if now() > end:
            raise RuntimeError(f"{sent - len(found) // 2} answers never came")
    return found, late


class Latencies(NamedTuple):
    """What became of a load of a constant rate.

    Attributes:
        due: When each request was due, on the monotonic clock.
        seconds: How long after that its answer was there.
        late: Seconds by which the load itself was late, at most, for 99 of 100 requests that found a free connection.
        latest: The same for all of them.
    """

    due: Sequence[float]
    seconds: Sequence[float]
    late: float
    latest: float

    def between(self, begin: float, end: float) -> Latencies:
        """Those that were due within a time."""
        kept = [index for index, due in enumerate(self.due) if begin <= due <= end]
        return self._replace(due=[self.due[index] for index in kept], seconds=[self.seconds[index] for index in kept])

    def milliseconds(self, part: float) -> float:
        """What so large a part of all requests takes at most, such as 0.99 of them."""
        return percentile(self.seconds, part) * 1e3


def percentile(figures: Sequence[float], part: float) -> float:
    """The least of the figures that is not less than so large a part of them."""
    return sorted(figures)[max(0, ceil(part * len(figures)) - 1)]


@contextmanager
def started(port: int, requests: Sequence[bytes], rate: float, seconds: float, directory: Path) -> Iterator[Running]:
    """Start a load in a process of its own, on its own core; it ends by itself, or with the block.

    Args:
        port: Where to.
        requests: In turn.
        rate: Requests a second.
        seconds: For how long.
        directory: For what it reads and writes.
    """
    with tempfile.TemporaryDirectory(dir=directory) as own:
        sent, out = Path(own) / "requests", Path(own) / "out"
        sent.write_bytes(b"\0".join(requests))
        arguments = [str(port), str(sent), str(rate), str(seconds), str(out)]
        with pinned(LOAD_CORE):
            process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.open_loop", *arguments],
                cwd=Path(__file__).resolve().parents[1],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        with process:
            try:
                yield Running(process, out)
            finally:
                process.kill()


class Running:
    """A load that runs."""

    def __init__(self, process: subprocess.Popen[str], out: Path) -> None:
        self._process = process
        self._out = out

    def stop(self) -> None:
        """Have it send no more; what it found until now is found."""
        self._process.terminate()

    def finished(self) -> Latencies:
        """Wait for its end, and read what it found.

        Raises:
            RuntimeError: It failed.
        """
        said = self._process.communicate()[0]
        if self._process.returncode:
            raise RuntimeError(f"the load failed: {(said.strip().splitlines() or ['in silence'])[-1]}")
        pairs = array("d")
        pairs.frombytes(self._out.read_bytes())
        return Latencies(pairs[::2], pairs[1::2], **json.loads(said))


def measure(port: int, requests: Sequence[bytes], rate: float, seconds: float, directory: Path) -> Latencies:
    """Load a server at a constant rate; arguments as for `started`."""
    with started(port, requests, rate, seconds, directory) as running:
        return running.finished()


def main() -> None:
    """Read the command line, send, write."""
    port, sent, rate, seconds, out = sys.argv[1:]
    gc.disable()
    stopped = Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    found, late = send(int(port), Path(sent).read_bytes().split(b"\0"), float(rate), float(seconds), stopped)
    Path(out).write_bytes(found.tobytes())
    print(json.dumps({"late": percentile(late or [0.0], 0.99), "latest": max(late, default=0.0)}))


if __name__ == "__main__":
    main()

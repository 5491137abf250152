"""Counts the moves between files of the product that a trip through it takes; docs/how-it-works.md names the trips.

A move is a call from a function in one file of `cors_service/` to a function in another. Fewer moves make code that is
easier to follow. The trips are those of real processes, traced from outside, so the count can be taken of any version:
`python -m benchmarks.hops --repo DIR` counts in another checkout that has its `.venv`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

_TRACER: Final = Path(__file__).parent / "traced"

_DOCUMENT: Final = """
version = 1
[policies.catalogue]
match = ["api.example.com/catalogue/"]
origins = [{origins}]
methods = ["GET", "PUT"]
request_headers = ["content-type"]
credentials = true
max_age = 600
"""
_ORIGINS: Final = '"https://app.example.com", "https://*.example.com", "https://{en,de}.example.org:8443"'
_QUERY: Final = {
    "policy": "catalogue",
    "method": "OPTIONS",
    "headers": {"Origin": "https://app.example.com", "Access-Control-Request-Method": "PUT"},
}
_LISTENING: Final = re.compile(r"Listening on .*port=(\d+)")
_SETTLED_SECONDS: Final = 4.0
_DEADLINE_SECONDS: Final = 60.0


class Trip(NamedTuple):
    """What a trip took.

    Attributes:
        name: Of the trip.
        moves: Calls from one file to another.
        files: Files that were called into.
        processes: Processes that took part.
    """

    name: str
    moves: int
    files: int
    processes: int


class Traced:
    """Runs commands of a checkout and reads what their processes did."""

    def __init__(self, repo: Path, directory: Path) -> None:
        self._repo = repo
        self._moves = directory / "moves"
        self._moves.mkdir()
        self.document = directory / "policies.toml"
        self.write(_ORIGINS)
        path = os.pathsep.join([str(_TRACER), str(repo)])
        self._environment = os.environ | {"PYTHONPATH": path, "HOPS_ROOT": str(repo), "HOPS_DIR": str(self._moves)}

    def write(self, origins: str) -> None:
        """Put another document in place, as a whole."""
        new = self.document.with_suffix(".new")
        new.write_text(_DOCUMENT.replace("{origins}", origins), encoding="utf-8")
        new.replace(self.document)

    def run(self, *command: str) -> subprocess.Popen[str]:
        """Start a command of this environment, or out of another checkout's `.venv`."""
        here = self._repo == Path(__file__).resolve().parents[1]
        programs = Path(sys.executable).parent if here else self._repo / ".venv" / "bin"
        program = str(programs / command[0])
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self._repo,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def moves(self, begin: float, end: float) -> Counter[tuple[str, str, str]]:
        """Count what was called between two moments: process, calling file, called file."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for file in self._moves.iterdir():
            for line in file.read_text(encoding="utf-8").splitlines():
                when, before, after = line.split("\t")
                if begin <= float(when) <= end:
                    counted[file.name, before, after] += 1
        return counted


def trip_of(name: str, moves: Counter[tuple[str, str, str]]) -> Trip:
    """Sum up what was called."""
    between = {key: count for key, count in moves.items() if key[1] and key[1] != key[2]}
    return Trip(name, sum(between.values()), len({key[2] for key in moves}), len({key[0] for key in moves}))


@contextmanager
def serving(traced: Traced, *options: str) -> Iterator[int]:
    """Run the service until the block ends, and give its port."""
    policies = ("--policies", str(traced.document), "--listen", "tcp:0:interface=127.0.0.1")
    process = traced.run("twist", "--log-format=text", "cors", *policies, *options)
    assert process.stdout is not None
    try:
        port = next(int(found[1]) for line in process.stdout if (found := _LISTENING.search(line)))
        _wait_until_ready(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_DEADLINE_SECONDS)


def _wait_until_ready(port: int) -> None:
    until = time.monotonic() + _DEADLINE_SECONDS
    while _asked(port, "GET", "/readyz") != 200:
        if time.monotonic() > until:
            raise TimeoutError("the service does not become ready")
        time.sleep(0.1)
    # Workers tell of themselves, and whoever reads policies looks at them a second time.
    time.sleep(_SETTLED_SECONDS)


def _asked(port: int, method: str, path: str, body: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_SECONDS)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    status = connection.getresponse().status
    connection.close()
    return status


def query(traced: Traced, name: str, *options: str) -> Trip:
    """One query over HTTP that nobody asked before."""
    with serving(traced, *options) as port:
        begin = time.monotonic()
        assert _asked(port, "POST", "/v1/decision", json.dumps(_QUERY)) == 200
        end = time.monotonic()
        # Between two looks of the reader, which are no part of the trip.
        moves = traced.moves(begin, end)
    served = max({key[0] for key in moves}, key=lambda pid: sum(n for key, n in moves.items() if key[0] == pid))
    return trip_of(name, Counter({key: count for key, count in moves.items() if key[0] == served}))


def document(traced: Traced) -> Trip:
    """A document of one policy, from disk to a decision."""
    begin = time.monotonic()
    ask = ("--policies", str(traced.document), "--policy", "catalogue", "--origin", "https://app.example.com")
    process = traced.run("cors-service", "decide", *ask)
    out, _ = process.communicate(timeout=_DEADLINE_SECONDS)
    assert process.returncode == 0, out
    return trip_of("a document, from disk to a decision", traced.moves(begin, time.monotonic()))


def change(traced: Traced) -> Trip:
    """A change of one policy while two workers serve; what happens in as long a time without one is taken off."""
    with serving(traced, "--workers", "2"):
        idle = time.monotonic()
        time.sleep(_SETTLED_SECONDS)
        begin = time.monotonic()
        traced.write(f'{_ORIGINS}, "https://new.example.net"')
        time.sleep(_SETTLED_SECONDS)
        moves = traced.moves(begin, begin + _SETTLED_SECONDS)
        moves.subtract(traced.moves(idle, idle + _SETTLED_SECONDS))
    traced.write(_ORIGINS)
    return trip_of("a change, with two workers", Counter({key: count for key, count in moves.items() if count > 0}))


def measure(repo: Path) -> list[Trip]:
    """Make the three trips, the first of them quick and not."""
    trips: list[Trip] = []
    for make in (
        lambda traced: query(traced, "a query, read quickly"),
        lambda traced: query(traced, "a query, read line by line", "--line-by-line"),
        document,
        change,
    ):
        with tempfile.TemporaryDirectory() as directory:
            trips.append(make(Traced(repo, Path(directory))))
    return trips


def table(trips: Sequence[Trip]) -> str:
    """Write the trips as a table."""
    head = ["| trip | moves between files | files | processes |", "| --- | ---: | ---: | ---: |"]
    return "\n".join([*head, *(f"| {trip.name} | {trip.moves} | {trip.files} | {trip.processes} |" for trip in trips)])


def main() -> None:
    """Read the command line, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--repo", type=Path, default=here, help="the checkout to count in; this one by default")
    print(table(measure(parser.parse_args().repo.resolve())))


if __name__ == "__main__":
    main()

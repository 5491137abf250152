"""Measures how long honest callers wait while a document that costs much is put in place of a good one.

`python -m tests.e2e.load.hostile_documents [NAME...]`, on a quiet machine.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.e2e.load.client import Connection, request
from tests.e2e.load.figures import tell
from tests.e2e.load.service import Service, running

SECONDS = 60.0
GOOD = 'version = 1\n[policies.one]\norigins = ["https://one.example"]\n'
REQUEST = request("POST", "/v1/decision", b'{"policy": "one", "method": "GET", "origin": "https://one.example"}')


def _policy(origins: list[str]) -> str:
    listed = ",\n".join(f'"{origin}"' for origin in origins)
    return f"{GOOD}[policies.two]\norigins = [\n{listed}\n]\n"


def _braces(count: int) -> str:
    return _policy(
        [f"https://{{0,1,2,3}}-{{0,1,2,3}}-{{0,1,2,3}}-{{0,1,2,3}}.{number}.example" for number in range(count)]
    )


def _sets(rules: int) -> str:
    partners = "".join(f'"https://a{number}.example",\n' for number in range(10_000))
    policies = "".join(f'[policies.p{number}]\norigins = ["@s"]\n' for number in range(rules))
    return f"{GOOD}[origin_sets]\ns = [\n{partners}]\n{policies}"


DOCUMENTS: dict[str, Callable[[], str]] = {
    "900 patterns of 256": lambda: _braces(900),
    "1,000 patterns of 256": lambda: _braces(1000),
    "300 expressions": lambda: _policy([f"re:https://[a-z]{{1,900}}{number}" for number in range(300)]),
    "500 cheaper expressions": lambda: _policy([f"re:https://[a-z]{{1,15}}{number}" for number in range(500)]),
    "100,000 mistakes": lambda: _policy(["x"] * 100_000),
    "300 misspelt names": lambda: (
        f"{GOOD}[origin_sets]\n"
        + "".join(f'{"a" * 50}{number} = ["https://a{number}.example"]\n' for number in range(300))
        + "".join(f'[policies.p{number}]\norigins = ["@{"a" * 50}{number}x"]\n' for number in range(300))
    ),
    "a key of 20,000 dots": lambda: f"{GOOD}{'a.' * 20_000}a = 1\n",
    "1,000 times a set of 10,000": lambda: _sets(1000),
    "a million origins": lambda: _policy([f"https://a{number}.example" for number in range(1_000_000)]),
}

FILES: dict[str, Callable[[Path], None]] = {
    "a fifo": os.mkfifo,
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a link to standard input": lambda path: path.symlink_to("/proc/self/fd/0"),
}


def main() -> None:
    """Measure each, or those that are named."""
    for name in sys.argv[1:] or [*DOCUMENTS, *FILES]:
        with tempfile.TemporaryDirectory() as directory:
            tell(f"{name}: {_measured(Path(directory), name)}")
            sys.stdout.flush()


def _measured(directory: Path, name: str) -> str:
    policies = directory / "policies"
    policies.mkdir()
    (policies / "good.toml").write_text(GOOD)
    with running(policies) as service, service.connect() as connection:
        time.sleep(2)
        before = service.memory()
        if name in DOCUMENTS:
            new = directory / "new"
            new.write_text(DOCUMENTS[name]())
            shutil.move(new, policies / "good.toml")
        else:
            FILES[name](policies / "bad.toml")
        longest, first, status = _watched(service, connection)
        grown = (service.memory() - before) / 2**20
        told = f"told after {first:.1f} s" if first else f"nothing told in {SECONDS:.0f} s"
        return f"longest wait {1000 * longest:.0f} ms, {told}, {status}, service +{grown:.0f} MiB"


def _watched(service: Service, connection: Connection) -> tuple[float, float, str]:
    """Ask again and again; give the longest wait, when the change or its mistakes were told, and which."""
    begun = time.monotonic()
    longest, first, status = 0.0, 0.0, "unchanged"
    checked = begun
    while time.monotonic() < (begun + first + 2 if first else begun + SECONDS):
        asked = time.monotonic()
        connection.send(REQUEST)
        assert connection.receive().status == 200
        now = time.monotonic()
        longest = max(longest, now - asked)
        if not first and now - checked > 0.5:
            checked = now
            told = service.status()
            if told["generation"] > 1 or told["stale"]:
                first = time.monotonic() - begun
                count = len(told["mistakes"]) + told.get("more_mistakes", 0)
                status = f"{count} mistakes" if told["stale"] else "active"
        time.sleep(0.002)
    return longest, first, status


if __name__ == "__main__":
    main()

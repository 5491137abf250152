"""How long the processor works for each page of a large console: `make soak` prints it, and fails above 200 ms."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.console.large import PAGES, large_office

MOST_SECONDS = 0.2
LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def write(line: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Measure all pages, each several times: the first one may compile what others use, too."""
    with tempfile.TemporaryDirectory() as directory:
        office = large_office(Path(directory), lines=LINES)
        visitor = office.visitor()
        slow = []
        write("page                                    first      then      bytes")
        for path in PAGES:
            seconds = []
            for _ in range(5):
                began = time.process_time()
                answer = visitor.visit(path)
                seconds.append(time.process_time() - began)
            write(f"{path[:36]:<36} {seconds[0] * 1e3:6.0f} ms {min(seconds[1:]) * 1e3:6.0f} ms {len(answer.body):10,}")
            if min(seconds[1:]) > MOST_SECONDS:
                slow.append(path)
    write(f"above {MOST_SECONDS * 1e3:.0f} ms: {', '.join(slow) or 'none'}")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())

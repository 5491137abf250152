"""Reads a million lines, and a tenth of them, of as many origins: memory is bounded, and time grows as the lines do.

Run it with `make soak`, or alone: `python -m tests.insights.soak`.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.insights.logs import POLICIES, REFUSED, written

_LINES: Final = 1_000_000
_KIB: Final = 1024
_MOST_MEMORY: Final = 256 * _KIB * _KIB
_SLACK: Final = 1.5


def write_log(path: Path, lines: int) -> None:
    """Write a log of as many different origins as it has lines, half of them refused."""
    with path.open("wb") as log:
        for number in range(lines):
            if number % 2:
                text = written(number * 8, origin=f"https://{number}.example.org", **REFUSED)
            else:
                text = written(number * 8, origin=f"https://x{number}.partner.example", rule=2)
            log.write(text + b"\n")


def measure(lines: int, directory: Path) -> tuple[float, int]:
    """Give the processor time in seconds, and the bytes of memory at most, of the command for a log."""
    log, policies = directory / f"{lines}.log", directory / "policies.toml"
    write_log(log, lines)
    policies.write_text(POLICIES, encoding="utf-8")
    program = "import sys; from cors_service.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "insights", str(log), "--policies", str(policies)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    measuring = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    # The memory of children is that of the largest one, whose child this must be alone.
    done = subprocess.run([sys.executable, "-c", measuring, *command], check=True, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, int(done.stdout) * _KIB


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def main() -> int:
    """Measure, and say whether all is well."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        few_seconds, few_memory = measure(_LINES // 10, Path(directory))
        seconds, memory = measure(_LINES, Path(directory))
    for count, time_taken, most in ((_LINES // 10, few_seconds, few_memory), (_LINES, seconds, memory)):
        _say(f"{count:>9,} lines: {time_taken:6.1f} s of processor time, {most // _KIB**2:>4} MiB")
    _say(f"took {time.monotonic() - begun:.0f} s")
    is_well = seconds < _SLACK * 10 * few_seconds and memory < _MOST_MEMORY
    _say("well" if is_well else "NOT WELL")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs the targets, each in a process of its own: `python fuzz/run.py --seconds 20`."""

from __future__ import annotations

import argparse
import base64
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "fuzz" / "corpus"
TARGETS = ("origin", "pattern", "document", "header_list", "query", "request")
TURN = 300
"""Seconds that a target runs before it is another's turn, where no time was given."""

# What no input may take: seconds, and megabytes of the whole process.
_SLOWEST, _LARGEST = 10, 1024
# Bytes: above every limit that there is on what the targets read.
_LONGEST = 10_000
_EXECUTED = re.compile(r"stat::number_of_executed_units: (\d+)")
# What libFuzzer prints while all is well.
_PROGRESS = re.compile(r"#\d|INFO:|stat::")


class Result(NamedTuple):
    """How the run of a target ended.

    Attributes:
        name: The target.
        executions: How many inputs it took.
        reproducers: Files with an input that it failed on.
        log: The end of what was printed, or nothing if all is well.
    """

    name: str
    executions: int
    reproducers: tuple[Path, ...]
    log: str

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.executions} executions, {'failed' if self.log else 'no finding'}"]
        if self.log:
            lines.append(self.log)
        for path in self.reproducers:
            lines += [str(path), base64.b64encode(path.read_bytes()).decode("ascii")]
        return "\n".join(lines)


def fuzz(name: str, seconds: int, seed: int, work: Path) -> Result:
    """Run one target.

    Args:
        name: The target.
        seconds: For how long.
        seed: Of what it makes up; 0 for another each time.
        work: Where new inputs go, and inputs that fail.
    """
    finds, failures, seeds = work / name / "corpus", work / name / "failures", CORPUS / name
    for directory in (finds, failures):
        directory.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_LARGEST}",
        f"-max_len={_LONGEST}",
        f"-artifact_prefix={failures}/",
        "-print_final_stats=1",
    ]
    directories = [str(finds), *([str(seeds)] if seeds.is_dir() else [])]
    command = [sys.executable, "-m", "fuzz.instrumented", name, *options, *directories]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    executed = _EXECUTED.search(done.stdout)
    printed = [line for line in done.stdout.splitlines() if not _PROGRESS.match(line)]
    log = "" if done.returncode == 0 else "\n".join([*printed[-40:], f"exit status {done.returncode}"])
    return Result(name, int(executed[1]) if executed else 0, tuple(sorted(failures.iterdir())), log)


def run(names: Sequence[str], seconds: int, seed: int, jobs: int, work: Path) -> bool:
    """Run several targets, some at a time, and print a line for each.

    Args:
        names: The targets.
        seconds: For how long each runs; 0 for turns until one fails.
        seed: As for `fuzz`.
        jobs: How many run at a time.
        work: As for `fuzz`.

    Returns:
        Whether all is well.
    """
    well = True
    while well:
        with ThreadPoolExecutor(jobs) as threads:
            for result in threads.map(lambda name: fuzz(name, seconds or TURN, seed, work), names):
                print(result, flush=True)
                well = well and not result.log
        if seconds:
            break
    return well


def main(arguments: Sequence[str]) -> int:
    """Run what the command line names; give the exit status."""
    parser = argparse.ArgumentParser(description="Fuzz the parsers; what was found is kept if a target fails.")
    parser.add_argument("targets", nargs="*", default=TARGETS, help=f"default: {' '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=20, help="for each target; 0 until one fails (default: 20)")
    parser.add_argument("--seed", type=int, default=0, help="of what is made up; 0 for another each time (default: 0)")
    parser.add_argument("--jobs", type=int, default=2, help="targets that run at a time (default: 2)")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        print("Not fuzzed: there is no atheris. It has wheels for CPython on Linux, x86_64.", file=sys.stderr)
        return 0
    work = Path(tempfile.mkdtemp(prefix="fuzz-"))
    well = False
    try:
        well = run(options.targets, options.seconds, options.seed, options.jobs, work)
    except KeyboardInterrupt:
        well = True
    finally:
        if well:
            shutil.rmtree(work)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the service does as a process: throughput, latency, scale, cores, hostile callers; README.md explains them."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

if __name__ == "__main__":
    # In place of this directory: this file is not the library's http.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks import cores, counting, growth, hostile, latency, load, scale, throughput
from benchmarks.figures import save
from benchmarks.machine import LOAD_CORE, SERVER_CORE, in_memory, pinned
from benchmarks.plan import FULL, QUICK

PARTS: Final = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "scale": scale.measure,
    "cores": cores.measure,
    "hostile": hostile.measure,
    "growth": growth.measure,
    "counting": counting.measure,
}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"out of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="short runs: they show that it works, and little else")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if not load.installed():
        parser.exit(1, "wrk is missing: on Debian and Ubuntu, it is in the package of that name.\n")
    if SERVER_CORE == LOAD_CORE:
        print("There is but one core: server and load share it.", file=sys.stderr)
    plan = QUICK if arguments.quick else FULL
    # What is measured has its core for itself: this process keeps off it, but for what it measures in itself.
    with pinned(LOAD_CORE):
        for name in arguments.parts or PARTS:
            begin = time.monotonic()
            with tempfile.TemporaryDirectory(dir=in_memory()) as directory:
                part = PARTS[name](plan, Path(directory))
            save(part)
            print(f"## {name}, in {time.monotonic() - begin:.0f} s\n\n{part}", flush=True)


if __name__ == "__main__":
    main()

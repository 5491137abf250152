"""The machine that is measured on: what it is, and which of its cores do what."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

# Only Linux tells, and pins.
_CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVER_CORE: Final = _CORES[0]
"""The core of whoever is measured."""
LOAD_CORE: Final = _CORES[-1]
"""The core of whoever sends the load, and of the benchmark itself."""
# Bytes that the files of a benchmark take up at most, with room to spare.
_ROOM: Final = 2 << 30


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Have this process, and what it starts inside of the block, run on these cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def in_memory() -> str | None:
    """A directory in memory for the files of a benchmark; None if there is none, or too little room.

    The kernel writes what is on a disk when it likes: that has taken the core of the service for 15 ms at a time.
    """
    directory = Path("/dev/shm")
    has_room = directory.is_dir() and shutil.disk_usage(directory).free >= _ROOM
    return str(directory) if has_room else None


def processor() -> str:
    """The name of the processor."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def description() -> list[str]:
    """What the machine is, and the versions of what runs on it, a line for each subject."""
    names = ["Twisted", "msgspec", "httptools", "starlette", "uvicorn", "uvloop"]
    gibibytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return [
        f"{processor()}, {len(_CORES)} cores, {gibibytes:.0f} GiB, {system}",
        f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in names)}",
        _first_line("wrk", "-v"),
    ]


def _first_line(program: str, option: str) -> str:
    """What a program says first when it is asked for its version; wrk fails while it does."""
    path = shutil.which(program)
    if path is None:
        return f"no {program}"
    done = subprocess.run([path, option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.partition("\n")[0].partition(" Copyright")[0].strip()

"""Disks that are full: real ones, and small."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, kib: int) -> Iterator[Path]:
    """Mount a file system of so many KiB in memory, until the block ends; skips the test where that is not allowed."""
    (mounted := place / "disk").mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(mounted)]
    if os.name == "nt" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a file system")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(disk: Path, *, leave: int = 0) -> Path:
    """Fill a disk but for some bytes; give the file that does so."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return path

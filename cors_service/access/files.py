"""Small files of an operator's: read as a whole, within bounds, and never waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_small_file(path: Path, most: int) -> bytes:
    """Read a regular file: anything else may never come to an end.

    Args:
        path: The file.
        most: The bytes that it may have.

    Raises:
        OSError: It can't be read.
        ValueError: It is something else, or larger.
    """
    with os.fdopen(_opened(path), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most} bytes")
    return data


def _opened(path: Path) -> int:
    descriptor = os.open(path, _FLAGS)
    # Python makes no file of the descriptor of a directory, and does not close it, either.
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise ValueError("it is not a regular file")


def why_unreadable(error: OSError | ValueError) -> str:
    """Say why a file can't be read, without its name."""
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)

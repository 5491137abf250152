"""Unix sockets that a process left behind when it was killed."""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

_NOBODY: Final = frozenset({errno.ECONNREFUSED, errno.ENOENT})


def remove_left_behind(path: str) -> None:
    """Remove a Unix socket and its lock, if nobody listens on it.

    Twisted does so if the process that the lock names is gone. In a container, a service is always process 1: the lock
    of one that was killed seems to be its own.

    Args:
        path: Of the socket.
    """
    lock, there = Path(f"{path}.lock"), Path(path)
    if not lock.is_symlink() or _somebody_listens(path):
        return
    # Whatever can't be removed, whoever listens will say.
    with suppress(OSError):
        lock.unlink()
        if there.is_socket():
            there.unlink()


def _somebody_listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        # A queue that is full is somebody's, too.
        client.setblocking(False)
        return client.connect_ex(path) not in _NOBODY

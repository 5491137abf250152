"""The decision log as a file: whole lines, in a file that others may rename, on a disk that may be full."""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from cors_service.observe.pending import Account, Pending, counted

STANDARD_OUTPUT: Final = "-"
_STDOUT: Final = 1
# Origins are about people: only the owner and the group may read them.
_MODE: Final = 0o640
# Lines that are written in one call.
_AT_ONCE: Final = 1000
# A pipe that can be written to takes so many bytes without a wait (pipe(7), PIPE_BUF).
_PIPE_BYTES: Final = getattr(select, "PIPE_BUF", 512)
_PATIENCE_MS: Final = 1000
_TAIL: Final = 64 * 1024
_BEGINNING: Final = b'{"type":"'


class LogFile:
    """Appends lines to a file; those that can't be written wait in memory. All of it may block: a thread does it.

    Attributes:
        account: What became of the lines; any thread may look.
    """

    def __init__(self, path: str, pending: Pending | None = None) -> None:
        """Make one; nothing is opened yet.

        Args:
            path: The path of the file, `-` for standard output.
            pending: Where lines wait.
        """
        self.account = Account()
        self._path = path
        self._pending = pending or Pending()
        self._descriptor: int | None = None
        self._is_regular = False
        # The rest of the first line, if the beginning is in a pipe.
        self._rest = b""

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines behind those that wait.

        Args:
            lines: Without line feeds.

        Raises:
            OSError: Not all could be written; the others wait.
        """
        dropped = self._pending.add(lines)
        self.account = counted(self.account, emitted=len(lines), dropped=dropped)
        self._follow()
        while some := [*islice(self._pending.lines, _AT_ONCE)]:
            written = self._append(some) if self._is_regular else self._feed(some[0])
            self._pending.take(written)
            self.account = counted(self.account, delivered=written)
            if self._is_regular and written < len(some):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def reopen(self) -> None:
        """Open the file anew, as it is called now.

        Raises:
            OSError: It can't be opened.
        """
        self.close()
        self._open()

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
            self._rest = b""

    def _follow(self) -> None:
        """Open the file unless it is open, and was not renamed since."""
        if self._descriptor is not None and self._is_renamed(self._descriptor):
            self.close()
        if self._descriptor is None:
            self._open()

    def _is_renamed(self, descriptor: int) -> bool:
        if self._path == STANDARD_OUTPUT:
            return False
        try:
            return not os.path.samestat(Path(self._path).stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return True

    def _open(self) -> None:
        if self._path == STANDARD_OUTPUT:
            descriptor = os.dup(_STDOUT)
        else:
            # A named pipe that nobody reads must not block.
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
            descriptor = os.open(self._path, flags, _MODE)
        self._descriptor = descriptor
        self._is_regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        if self._is_regular and self._path != STANDARD_OUTPUT:
            _mend(descriptor)

    def _append(self, lines: Sequence[bytes]) -> int:
        """Append to a regular file, and give how many lines are there as a whole."""
        assert self._descriptor is not None, "it is open"
        data = b"".join(b"%b\n" % line for line in lines)
        size = os.fstat(self._descriptor).st_size
        written = os.write(self._descriptor, data)
        if written == len(data):
            return len(lines)
        whole = data.rfind(b"\n", 0, written) + 1
        os.ftruncate(self._descriptor, size + whole)
        return data.count(b"\n", 0, whole)

    def _feed(self, line: bytes) -> int:
        """Write a line into a pipe or the like, and give 1."""
        assert self._descriptor is not None, "it is open"
        self._rest = self._rest or b"%b\n" % line
        while self._rest:
            _wait_for_room(self._descriptor)
            self._rest = self._rest[os.write(self._descriptor, self._rest[:_PIPE_BYTES]) :]
        return 1


def _wait_for_room(descriptor: int) -> None:
    """Wait until a pipe can be written to.

    Raises:
        TimeoutError: Nobody reads it.
    """
    if not hasattr(select, "poll"):
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if not poll.poll(_PATIENCE_MS):
        raise TimeoutError(errno.ETIMEDOUT, "nobody reads it")


def _mend(descriptor: int) -> None:
    """End the last line of a file: a process that was killed may have written a part of it."""
    size = os.fstat(descriptor).st_size
    os.lseek(descriptor, max(0, size - _TAIL), os.SEEK_SET)
    tail = os.read(descriptor, _TAIL)
    last = tail[tail.rfind(b"\n") + 1 :]
    if last.startswith(_BEGINNING):
        os.ftruncate(descriptor, size - len(last))
    elif last:
        # It is none of ours.
        os.write(descriptor, b"\n")

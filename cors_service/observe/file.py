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
        # The line whose beginning is in a pipe, which does not wait any more, and the rest of it.
        self._begun: bytes | None = None
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
        assert self._descriptor is not None, "it is open"
        while self._begun is not None or self._pending.lines:
            if self._is_regular:
                self._append(self._descriptor)
            else:
                self._feed(self._descriptor)

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
            if self._begun is not None:
                self._pending.put_back(self._begun)
                self._begun, self._rest = None, b""

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

    def _append(self, descriptor: int) -> None:
        """Append some lines to a regular file.

        Raises:
            OSError: There is no room for all of them; of those that wait, none is there in part.
        """
        some = [*islice(self._pending.lines, _AT_ONCE)]
        data = b"".join(b"%b\n" % line for line in some)
        size = os.fstat(descriptor).st_size
        written = os.write(descriptor, data)
        whole = data.rfind(b"\n", 0, written) + 1
        self._delivered(data.count(b"\n", 0, whole))
        if written < len(data):
            os.ftruncate(descriptor, size + whole)
            # A shell's `>` does not append: what is written next would come behind a gap of zeros.
            os.lseek(descriptor, 0, os.SEEK_END)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _feed(self, descriptor: int) -> None:
        """Write some lines, or a part of one, into a pipe or the like.

        Raises:
            OSError: That does not work; what is in the pipe is not written again.
        """
        data = self._rest or b"".join(b"%b\n" % line for line in self._pending.first(_PIPE_BYTES))
        _wait_for_room(descriptor)
        written = os.write(descriptor, data[:_PIPE_BYTES])
        if self._begun is None:
            whole = data.rfind(b"\n", 0, written) + 1
            self._delivered(data.count(b"\n", 0, whole))
            if whole < written:
                self._begun = self._pending.lines[0]
                self._pending.take(1)
                self._rest = data[written : data.index(b"\n", written) + 1]
        else:
            self._rest = data[written:]
            if not self._rest:
                self._begun = None
                self.account = counted(self.account, delivered=1)

    def _delivered(self, lines: int) -> None:
        """Take note that the oldest of the lines that wait are where they should be."""
        self._pending.take(lines)
        self.account = counted(self.account, delivered=lines)


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

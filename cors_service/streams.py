"""Standard input, output and error, which may be closed, full, or read by nobody."""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

FAILED: Final = 1
"""The exit status of what could not be written."""

_NO_ROOM: Final = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO}
_ESCAPES: Final = "cors-service-escapes"
"""The name of the error handler that escapes what an encoding does not have."""


def open_closed() -> None:
    """Have those that whoever calls has closed lead nowhere.

    Otherwise the next files that this process opens would be them, for the processes that it starts, too. What has
    nowhere to go is no error.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()


def escape_what_can_not_be_encoded() -> None:
    """Have standard output take every text: a name that is not UTF-8, a browser's quotes where Latin-1 is spoken.

    Python escapes in standard error itself.
    """
    codecs.register_error(_ESCAPES, _escaped)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPES)


def until_written(run: Callable[[], int], program: str) -> int:
    """Run what writes to standard output, until all of it is written.

    Args:
        run: Gives the exit status.
        program: The name of the program, for the line on standard error if there is no room.

    Returns:
        The exit status, which is 1 if something could not be written.
    """
    try:
        status = run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough.
        _drop_output()
        return FAILED
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _drop_output()
        sys.stderr.write(f"{program}: The output can't be written: {error.strerror}.\n")
        return FAILED
    return status


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """Write what can't be encoded as JSON does, so that JSON stays JSON."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _drop_output() -> None:
    """Let Python's last flush go nowhere, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

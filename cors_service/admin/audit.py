"""Who asked to change something, and what came of it: a line of JSON each, in a file that may be rotated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.logger import Logger

from cors_service.wire.json_text import write_json

MOST_UNKNOWN: Final = 60
"""Lines a minute about requests of unknown callers: anybody can send as many as they like."""
_MINUTE: Final = 60.0


class Audit:
    """Writes the lines."""

    _log: Final = Logger()

    def __init__(self, path: Path) -> None:
        """Make one.

        Args:
            path: The file; it is made with the first line.
        """
        self._path = path
        self._minute = 0.0
        self._unknown = 0

    def write_unknown(self, now: float, **fields: object) -> None:
        """Write a line about a request of an unknown caller; beyond some a minute, only how many there were.

        Args:
            now: The time, in seconds since 1970.
            fields: What it says, as JSON types.
        """
        if now >= self._minute + _MINUTE:
            left_out = self._unknown - MOST_UNKNOWN
            if left_out > 0:
                self.write(at=fields["at"], code="left-out", count=left_out)
            self._minute, self._unknown = now, 0
        self._unknown += 1
        if self._unknown <= MOST_UNKNOWN:
            self.write(**fields)

    def write(self, **fields: object) -> None:
        """Write a line; what can't be written goes to the log of the process instead.

        Args:
            fields: What it says, as JSON types.
        """
        line = write_json(fields)
        try:
            # Opened each time, so that nobody has to be told that it was rotated.
            with self._path.open("ab") as file:
                file.write(line + b"\n")
        except OSError as error:
            self._log.error("Can't write the audit log ({error}): {line}", error=error, line=line.decode("utf-8"))

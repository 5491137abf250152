"""Who asked to change something, and what came of it: a line of JSON each, in a file that may be rotated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from twisted.logger import Logger

from cors_service.wire import write_json


class Audit:
    """Writes the lines."""

    _log: Final = Logger()

    def __init__(self, path: Path) -> None:
        """Make one.

        Args:
            path: The file; it is made with the first line.
        """
        self._path = path

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

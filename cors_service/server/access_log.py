"""The file of the access log, to which several processes may write."""

from __future__ import annotations

import io


class WholeLines:
    """A file to which each line is appended in one call of the system, however long it is."""

    def __init__(self, path: str | bytes) -> None:
        """Open it, or make it.

        Raises:
            OSError: It can't be opened.
        """
        self._file = io.FileIO(path, "a")

    def write(self, line: str) -> None:
        """Append a line.

        Raises:
            OSError: There is no room for it.
        """
        self._file.write(line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Close it."""
        self._file.close()

"""The file of the access log, to which several processes may write."""

from __future__ import annotations

import io


class WholeLines(io.FileIO):
    """A file to which each line is appended in one call of the system, however long it is."""

    def write(self, line: str) -> int:  # type: ignore[override]
        """Append a line."""
        return super().write(line.encode("utf-8", "backslashreplace"))

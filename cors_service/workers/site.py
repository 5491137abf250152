"""The site of a worker, which writes into the same access log as others."""

from __future__ import annotations

import io

from cors_service.server import DecisionSite


class WorkerSite(DecisionSite):
    """A site that keeps its lines on requests whole while other processes write theirs into the same file."""

    def startFactory(self) -> None:
        """Open the access log in this way and not in Twisted's."""
        super().startFactory()
        if self.logPath is not None:
            self.logFile.close()
            self.logFile = WholeLines(self.logPath, "a")


class WholeLines(io.FileIO):
    """A file to which each line is appended in one call of the system, however long it is."""

    def write(self, line: str) -> int:  # type: ignore[override]
        """Append a line."""
        return super().write(line.encode("utf-8", "backslashreplace"))

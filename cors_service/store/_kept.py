"""What is said if what is about to become active can't be written into the snapshot."""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

_log: Final = Logger()


def complain(complaint: str | None) -> None:
    """Log what went wrong, if something did; or that it is mended."""
    if complaint is not None:
        _log.error("{complaint}", complaint=complaint)

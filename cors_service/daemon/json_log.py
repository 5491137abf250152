"""Logs for machines: each event as one JSON object on a line of its own."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import TextIO

from twisted.internet.interfaces import IReactorCore
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class JSONLines:
    """Writes the time, level, namespace and text of each event, its traceback, and its values where they are plain."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        # twist begins its log late, and then sends the events until then a second time.
        self._early: list[LogEvent] | None = []

    def forget_beginning(self) -> None:
        """Stop looking for events that come a second time."""
        self._early = None

    def __call__(self, event: LogEvent) -> None:
        """Write an event."""
        if self._early is not None:
            if any(event is known for known in self._early):
                return
            self._early.append(event)
        line: dict[str, object] = {
            key: value for key, value in event.items() if not key.startswith("log_") and _is_plain(value)
        }
        line |= {
            "time": datetime.fromtimestamp(event["log_time"], UTC).isoformat(timespec="milliseconds"),
            "level": event["log_level"].name if "log_level" in event else "info",
            "logger": event.get("log_namespace", ""),
            "message": formatEvent(event),
        }
        if "log_failure" in event:
            line["traceback"] = event["log_failure"].getTraceback()
        self._file.write(f"{json.dumps(line)}\n")
        self._file.flush()


def log_as_json(file: TextIO, reactor: IReactorCore) -> None:
    """Write the log of this process to a file from now on.

    Args:
        file: The file.
        reactor: The reactor, which does not run yet.
    """
    # Not a service: it would be stopped before the requests in flight are answered.
    lines = JSONLines(file)
    globalLogPublisher.addObserver(lines)
    reactor.callWhenRunning(lines.forget_beginning)


def _is_plain(value: object) -> bool:
    """Say whether JSON has values of this kind; it has no infinity."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))

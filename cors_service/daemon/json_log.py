"""Logs for machines: each event as one JSON object on a line of its own."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from twisted.internet.interfaces import IReactorCore
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent, globalLogPublisher
from zope.interface import implementer

from cors_service.grammar.mistakes import PolicyError


@implementer(ILogObserver)
class JSONLines:
    """Writes the time, level, namespace and text of each event, its traceback, and its values where they are plain."""

    _log: Final = Logger()

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._is_failing = False
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
        self._write(f"{json.dumps(line)}\n")

    def _write(self, line: str) -> None:
        """Write a line; where there is no room for it, other logs say so once."""
        try:
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            was_failing, self._is_failing = self._is_failing, True
            if not was_failing:
                # It comes back here, too.
                self._log.error("The log as JSON can't be written: {why}. Its lines may be lost.", why=error.strerror)
        else:
            self._is_failing = False


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


def log_refused_start(path: str | None, reasons: Iterable[Exception]) -> None:
    """Write why a start is refused to the log as JSON, which nothing else is written to then.

    Args:
        path: That of the log, `-` for standard output; None for no such log. One that can't be opened is not written.
        reasons: What is wrong; mistakes have a code.
    """
    if path is None:
        return
    with suppress(OSError, ValueError), nullcontext(sys.stdout) if path == "-" else _appended(path) as file:
        log = Logger("cors_service.daemon.start", observer=JSONLines(file))
        for reason in reasons:
            code = {"code": reason.code} if isinstance(reason, PolicyError) else {}
            log.critical("{reason}", reason=str(reason), **code)


def _appended(path: str) -> TextIO:
    return Path(path).open("a", encoding="utf-8")


def _is_plain(value: object) -> bool:
    """Say whether JSON has values of this kind; it has no infinity."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))

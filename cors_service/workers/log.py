"""How what a worker logs gets into the log of its supervisor."""

from __future__ import annotations

from typing import Final

from twisted.logger import ILogObserver, LogEvent, LogLevel, eventAsJSON, eventFromJSON, formatEvent
from zope.interface import implementer

from cors_service.reader.messages import Logged
from cors_service.workers.channel import Channel

LONGEST: Final = 1 << 20
"""Characters of an event; of a longer one, the text alone is logged, and not all of it."""

_LONGEST_TEXT: Final = LONGEST // 16
# What the parts of Twisted that log in the old way put in every event; its text is made from them.
_LEGACY: Final = {"message", "format", "system", "isError", "time", "why"}


@implementer(ILogObserver)
class WorkerLog:
    """Hands what a worker logs to its supervisor, which has the log."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(self, event: LogEvent) -> None:
        """Hand an event over: its text, its values if they are plain, its failure."""
        if event.get("log_namespace") == "twisted.internet.base" and event.get("log_level") is LogLevel.info:
            # That its reactor ends is told by the supervisor, which sees how.
            return
        text = formatEvent(event)
        plain: LogEvent = {
            "log_time": event["log_time"],
            "log_level": event.get("log_level", LogLevel.info),
            "log_namespace": event.get("log_namespace", ""),
            "log_format": "{log_text}",
            "log_text": text,
        }
        values = {
            key: value
            for key, value in event.items()
            if not key.startswith("log_") and key not in _LEGACY and isinstance(value, str | int | float)
        }
        failure = {}
        if "log_failure" in event:
            # Of what was raised, JSON has the type and the places, but not what it said.
            failure = {"log_failure": event["log_failure"], "log_reason": event["log_failure"].getErrorMessage()}
        written = _as_json(plain | values | failure)
        if len(written) > LONGEST:
            written = _as_json(plain | {"log_text": text[:_LONGEST_TEXT]})
        self._channel.send(Logged(written))


def read_event(written: str, worker: int) -> LogEvent:
    """Read what `WorkerLog` wrote.

    Args:
        written: An event as JSON.
        worker: The number of the worker, which the text and the values then name.

    Raises:
        ValueError: It is something else.
    """
    event = eventFromJSON(written)
    # The text was made from its parts where they were, and is a part itself here.
    event.pop("log_flattened", None)
    event["log_text"] = f"[worker {worker}] {event['log_text']}"
    event["worker"] = worker
    if "log_failure" in event:
        event["log_failure"].value = event["log_reason"]
    return event


def _as_json(event: LogEvent) -> str:
    # Half a character, which JSON can hold, is nothing that MessagePack can.
    return eventAsJSON(event).encode("ascii", "backslashreplace").decode("ascii")

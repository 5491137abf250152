"""Tests of the log for machines: one JSON object on a line for each event, whatever is in the event."""

from __future__ import annotations

import errno
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogLevel, LogPublisher, formatEvent, globalLogPublisher
from twisted.python import log
from twisted.python.failure import Failure

from cors_service.daemon.json_log import JSONLines
from tests.observing import observed_by

SECONDS = 1700000000.25


def no_constant(name: str) -> None:
    """Refuse what JSON does not have (RFC 8259, 6)."""
    pytest.fail(f"{name} is no JSON")


def lines(*events: dict[str, Any]) -> list[dict[str, Any]]:
    """Write events, and read each line as JSON."""
    file = io.StringIO()
    observer = JSONLines(file)
    for event in events:
        observer({"log_time": SECONDS, **event})
    written = file.getvalue()
    assert written.endswith("\n")
    # Not only a line feed ends a line: str.splitlines knows all that anybody takes for one.
    assert written.splitlines() == written[:-1].split("\n")
    return [json.loads(line, parse_constant=no_constant) for line in written.splitlines()]


def test_event() -> None:
    """A line has the time, the level, the namespace and the text of its event, and its plain values."""
    [line] = lines(
        {
            "log_level": LogLevel.warn,
            "log_namespace": "somewhere",
            "log_format": "{count} things at {place!r}",
            "count": 3,
            "place": "home",
            "ratio": 0.5,
            "fine": True,
        }
    )
    assert line == {
        "time": "2023-11-14T22:13:20.250+00:00",
        "level": "warn",
        "logger": "somewhere",
        "message": "3 things at 'home'",
        "count": 3,
        "place": "home",
        "ratio": 0.5,
        "fine": True,
    }


def test_each_event_is_a_line() -> None:
    """Events are lines, in order."""
    written = lines(*({"log_format": "{number}", "number": number} for number in range(5)))
    assert [line["message"] for line in written] == ["0", "1", "2", "3", "4"]


def test_written_at_once() -> None:
    """A line is in the file when the event has been observed: nothing waits in a buffer."""
    raw = io.BytesIO()
    observer = JSONLines(io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8"))
    observer({"log_time": SECONDS, "log_format": "now"})
    assert raw.getvalue().endswith(b"\n")


def test_values_that_are_not_plain() -> None:
    """A value that JSON has no type for is left out, but the text has it."""
    [line] = lines({"log_format": "{thing}", "thing": ["a", "list"], "nothing": None})
    assert ({"time", "level", "logger", "message"}, "['a', 'list']") == (set(line), line["message"])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")], ids=str)
def test_values_that_json_cannot_write(value: float) -> None:
    """A number that JSON can't write does not make the line another language's."""
    [line] = lines({"log_format": "{value}", "value": value})
    assert str(value) == line["message"]


def test_own_names() -> None:
    """A value of an event can't take the place of the time, the level, the namespace or the text."""
    [line] = lines({"log_format": "true", "time": 0, "level": "none", "logger": "nobody", "message": "forged"})
    assert (
        line["time"],
        line["level"],
        line["logger"],
        line["message"],
    ) == ("2023-11-14T22:13:20.250+00:00", "info", "", "true")


@pytest.mark.parametrize(
    "text",
    [
        'a\n{"level": "critical"}',
        "a\r\nb",
        "\x00\x07\x1b[2J",
        "\x0b\x0c\x1c\x1d\x1e\x85",
        "\u2028\u2029",
        "\ud800",
        '"\\',
    ],
    ids=ascii,
)
def test_forged_lines(text: str) -> None:
    """No text makes a line of its own, and each is what it was when the line is read."""
    [line] = lines({"log_format": "{text}", "text": text})
    assert (text, text) == (line["text"], line["message"])


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.booleans() | st.none()))
def test_any_event(values: dict[str, Any]) -> None:
    """Whatever an event holds, it is one line of JSON."""
    values = {key: value for key, value in values.items() if not key.startswith("log_")}
    [line] = lines({**values, "log_format": "fine"})
    assert line["message"] == "fine"


def test_failure() -> None:
    """A line on a failure has its traceback."""
    with pytest.raises(ValueError, match="broken") as caught:
        int("broken\nin two")
    failure = Failure(caught.value)
    [line] = lines({"log_format": "Alas", "log_failure": failure, "log_level": LogLevel.critical})
    assert (line["message"], line["level"]) == ("Alas", "critical")
    assert "test_json_log.py" in line["traceback"]
    assert "ValueError: invalid literal" in line["traceback"]


class Disk(io.StringIO):
    """A file on a disk that may be full."""

    is_full = True

    def flush(self) -> None:
        """Fail while there is no room."""
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk() -> None:
    """Each time that a disk becomes full, the other log has one line about it, and no traceback."""
    disk, said = Disk(), []
    observer = JSONLines(disk)
    globalLogPublisher.addObserver(observer)
    try:
        with observed_by(lambda event: said.append(formatEvent(event))):
            for is_full in (True, True, False, True):
                disk.is_full = is_full
                Logger().info("news")
    finally:
        globalLogPublisher.removeObserver(observer)
    complaint = "The log as JSON can't be written: No space left on device. Its lines may be lost."
    assert sorted(said) == [complaint, complaint, *["news"] * 4]


def test_text_that_cannot_be_made() -> None:
    """An event is a line even if its text can't be made."""
    [line] = lines({"log_format": "{missing}"})
    assert "missing" in line["message"]


def test_by_a_logger() -> None:
    """An event of a logger arrives, with the logger's namespace."""
    file = io.StringIO()
    logger = Logger("somewhere", observer=LogPublisher(JSONLines(file)))
    logger.error("{what} is wrong", what="this")
    line = json.loads(file.getvalue())
    assert (
        line["level"],
        line["logger"],
        line["message"],
        line["what"],
    ) == ("error", "somewhere", "this is wrong", "this")


@pytest.mark.parametrize(
    ("texts", "values"),
    [(("old", "style"), {}), ((), {"format": "old %(kind)s", "kind": "style"})],
    ids=["texts", "format"],
)
def test_legacy_event(texts: tuple[str, ...], values: dict[str, str]) -> None:
    """An event of those parts of Twisted that log in the old way is a line with its text."""
    file = io.StringIO()
    legacy = log.LogPublisher(publishPublisher=LogPublisher(JSONLines(file)))
    legacy.msg(*texts, **values)
    assert json.loads(file.getvalue())["message"] == "old style"

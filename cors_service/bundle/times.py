"""Times of bundles, as RFC 3339 has them, and what to say of clocks that differ."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

SKEW_SECONDS: Final = 60
"""How far in the future the beginning of a bundle may lie, since clocks differ."""

_FORM: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_DURATION: Final = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNITS: Final = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def read_time(text: str) -> datetime:
    """Read a time.

    Raises:
        ValueError: It is not one that RFC 3339 knows.
    """
    if not _FORM.fullmatch(text):
        raise ValueError(f"{text!a} is not a time such as 2026-12-31T00:00:00Z")
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!a} is out of range") from None


def read_moment(text: str, now: datetime) -> datetime:
    """Read a time, or how long it is until then, such as `12h` or `7d`.

    Raises:
        ValueError: It is neither.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        try:
            return read_time(text)
        except ValueError as error:
            raise ValueError(f"{error}, and not a duration such as 12h or 7d") from None
    try:
        return now + timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
    except OverflowError:
        raise ValueError(f"{text!a} is out of range") from None


def write_time(time: datetime) -> str:
    """Write a time in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def apart(duration: timedelta) -> str:
    """Write how long something is, in its largest unit."""
    seconds = round(abs(duration.total_seconds()))
    # 59 minutes and a half are an hour.
    size, name = next(((size, name) for size, name in _UNITS if seconds > 0.97 * size), _UNITS[-1])
    count = round(seconds / size)
    return f"{count} {name}{'' if count == 1 else 's'}"


def clocks_apart(here: datetime, there: datetime | None) -> str:
    """Say, in a sentence, how far the clock of this machine is from another, if that is worth a word."""
    if there is None or abs(here - there).total_seconds() <= SKEW_SECONDS:
        return ""
    direction = "behind" if here < there else "ahead of"
    return f" The clock of this machine is {apart(here - there)} {direction} that of the web server: set the clocks."

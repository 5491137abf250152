"""A line of the roll-up log as a value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

LONGEST: Final = 64 * 1024
"""Bytes of a line at most; no text in it is longer than a few hundred."""
VERSION: Final = 1
_YEAR_3000: Final = 32_503_680_000
"""In seconds since 1970. What is later, or earlier than 1970, is no time of a decision."""

Text = Annotated[str, Meta(max_length=4096)]
_INSTANT: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|\+00:00)$"
Instant = Annotated[str, Meta(pattern=_INSTANT)]
"""A time in UTC as RFC 3339 has it. Such texts are in order as their times are."""
Count = Annotated[int, Meta(ge=0, le=10**12)]
Number = Annotated[int, Meta(ge=1, le=10**9)]
Form = Literal["full", "site", "hashed"]
"""How origins are written: as they were, the site alone, or hashed."""


class Decisions(Struct, tag_field="type", tag="decisions", gc=False, frozen=True):
    """A number of equal decisions of one interval.

    Attributes:
        begin: When the interval began.
        end: When it ended.
        policy: The policy that decided; None if none was found.
        rule: The number of the rule that decided, from 1; None if none did.
        origin: The origin of the page, in the form that `origins` names; None if there was none. Unset if it could
            not be written in that form.
        kind: What the requests were, as a decision has it.
        method: Their method; of preflights, the method that they ask about; empty for what is not a method.
        allowed: Whether the page may read the answer; None where no page is involved.
        reason: The code of the reason.
        count: How many there were.
        revision: The revision of the policies that decided; None if none did.
        instance: The service that decided.
        last: When the last one was decided.
        origins: The form of the origin.
        version: Of the format.
    """

    begin: Instant = field(name="from")
    end: Instant = field(name="to")
    kind: Text
    reason: Text
    count: Count
    allowed: bool | None
    policy: Text | None = None
    rule: Number | None = None
    origin: Text | UnsetType | None = UNSET
    method: Text = ""
    revision: Text | None = None
    instance: Text = ""
    last: Instant | None = None
    origins: Form = "full"
    version: int = VERSION

    @property
    def seen(self) -> str:
        """When the last of these decisions was made, as far as it is known."""
        return self.last or self.end

    @property
    def page(self) -> str | None:
        """The origin as it was; None if there was none, or it is not written."""
        return self.origin if self.origins == "full" and self.origin is not UNSET else None

    @property
    def is_masked(self) -> bool:
        """Whether there was an origin that is not written as it was."""
        return self.origin is not None and self.page is None


class Others(Struct, tag_field="type", tag="other", gc=False, frozen=True):
    """Decisions of an interval that had too many different ones to tell them apart.

    Attributes:
        begin: When the interval began.
        end: When it ended.
        count: How many there were.
        version: Of the format.
    """

    begin: Instant = field(name="from")
    end: Instant = field(name="to")
    count: Count
    version: int = VERSION


class Passed(Struct, tag_field="type", tag="seen", gc=False, frozen=True):
    """A line about one decision, which others count: the first sight of something."""


class Sample(Struct, tag_field="type", tag="sample", gc=False, frozen=True):
    """A line about one decision of a sample, which others count, too."""


Line: TypeAlias = Decisions | Others | Passed | Sample


class NotALine(Exception):
    """A text is not a line that can be read.

    Attributes:
        code: One of `not-json`, `not-of-the-log`, `version-unknown`, `too-long`.
        message: What is wrong, for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def read_line(text: bytes) -> Line:
    """Read a line.

    Raises:
        NotALine: It can't be read.
    """
    if len(text) > LONGEST:
        raise NotALine("too-long", f"it has more than {LONGEST} bytes")
    try:
        line = _decode(text)
    except msgspec.ValidationError as error:
        # A later version may have other members.
        raise _of_another_version(text) or NotALine("not-of-the-log", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise NotALine("not-json", str(error)) from None
    if isinstance(line, Decisions | Others):
        if line.version != VERSION:
            raise _unknown(line.version)
        times = (line.begin, line.end, line.seen) if isinstance(line, Decisions) else (line.begin, line.end)
        if not all(0 < seconds_of(time) < _YEAR_3000 for time in times):
            raise NotALine("not-of-the-log", "one of its times is out of range")
    read: Line = line
    return read


def _of_another_version(text: bytes) -> NotALine | None:
    try:
        version = _decode_version(text).version
    except ValueError:
        return None
    return None if version == VERSION else _unknown(version)


def _unknown(version: int) -> NotALine:
    return NotALine("version-unknown", f"its version is {version}, and this program reads version {VERSION}")


class _Versioned(Struct):
    version: int = VERSION


_decode: Final = msgspec.json.Decoder(Line).decode
_decode_version: Final = msgspec.json.Decoder(_Versioned).decode


@lru_cache(maxsize=4096)
def seconds_of(instant: str) -> float:
    """Give the seconds since 1970 of a time as RFC 3339 has it; of one that no calendar has, those of 1970."""
    try:
        return datetime.fromisoformat(instant).timestamp()
    except ValueError:
        return 0.0


def instant_of(seconds: float) -> str:
    """Write seconds since 1970 as RFC 3339 has them, to the second."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")

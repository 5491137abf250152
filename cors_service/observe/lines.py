"""The lines of the decision log: one JSON object each, with these fields and no others (`line.schema.json`)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.observe").joinpath("line.schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of a line."""

VERSION: Final = 1
"""The version of the format. Fields may be added to a version; none is removed, and none changes its meaning."""

Maybe = str | None | UnsetType
"""A field that is left out where it could not be masked."""


class Line(Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every line has.

    Attributes:
        version: Of the format.
        instance: The name of the service that wrote it.
    """

    version: int = VERSION
    instance: str


class Other(Line, frozen=True, kw_only=True, tag="other", rename={"begin": "from", "end": "to"}):
    """Decisions of an interval that were of too many kinds to tell apart.

    Attributes:
        begin: When the interval began.
        end: When it ended.
        count: How many decisions.
    """

    begin: str
    end: str
    count: int


class Decided(Line, frozen=True, kw_only=True):
    """What every line has that is about a decision; the words are those of a decision in the API.

    Attributes:
        revision: The revision that decided; None where none did.
        policy: The policy; None where none was found.
        rule: The number of the rule; None where none covers the origin or none was needed.
        origin: The origin, in the form that `origins` names; None if there was none.
        origins: `site` or `hashed`; left out where origins are written in full.
        kind: What the request was; `undecided` if it has no decision.
        method: The method that was asked for.
        allowed: Whether the page may; None where no page is involved.
        reason: The code of the reason.
    """

    revision: str | None
    policy: str | None
    rule: int | None
    origin: Maybe = UNSET
    origins: str | UnsetType = UNSET
    kind: str
    method: Maybe = UNSET
    allowed: bool | None
    reason: str


class Decisions(Decided, frozen=True, kw_only=True, tag="decisions", rename={"begin": "from", "end": "to"}):
    """Decisions of an interval that were alike.

    Attributes:
        begin: When the interval began.
        end: When it ended.
        count: How many decisions.
        first: When the first was made.
        last: When the last was made.
    """

    begin: str
    end: str
    count: int
    first: str
    last: str


class One(Decided, frozen=True, kw_only=True):
    """What a line has that is about one decision.

    Attributes:
        at: When it was made.
        id: Its `Cors-Decision-Id`; None where that is not known.
        trace: The trace id of the `traceparent` that came with the question; None without one.
    """

    at: str
    id: str | None
    trace: str | None


class Seen(One, frozen=True, kw_only=True, tag="seen"):
    """The first decision of a policy about an origin for a reason."""


class Sample(One, frozen=True, kw_only=True, tag="sample"):
    """A decision out of a sample.

    Attributes:
        fraction: The share of decisions that are in it.
    """

    fraction: float


def write_line(line: Line) -> bytes:
    """Write a line, without the line feed."""
    return msgspec.json.encode(line)


# Thousands of lines of an interval have the same few times.
@lru_cache(maxsize=256)
def written_time(seconds: float) -> str:
    """Write a time, in seconds since 1970, as RFC 3339 does, in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")

"""What a service and the process that reads policies for it say to each other over their pipes.

Each frame is the length of a message in four bytes, and the message in MessagePack. What is large comes in many frames,
so that it is taken in bit by bit.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.grammar.pattern import OriginPattern, write_pattern
from cors_service.policy import Policy
from cors_service.policy.change import Change

IGNORED: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}
"""Signals that a terminal and a service manager send to the reader, too, which ends with the service and not before."""

_LENGTH_BYTES: Final = 4
_PART_BYTES: Final = 32768


class Begin(Struct, tag=True):
    """To the reader, first of all: what the service has read already.

    Attributes:
        mark: Names the states of the documents that it has read (`mark_of`); None if it has read none.
    """

    mark: str | None


class Load(Struct, tag=True):
    """To the reader: tell how to get from a revision to what is there now.

    Attributes:
        base: The revision; None for nothing.
        everything: Whether to read all documents, as they are; else those that are due.
    """

    base: str | None
    everything: bool


class Save(Struct, tag=True):
    """To the reader: write a snapshot, if this is the revision that was read last.

    Attributes:
        path: The file.
        revision: What to write.
        loaded_at: Seconds since 1970.
    """

    path: str
    revision: str
    loaded_at: float


class Changed(Struct, tag=True):
    """To the service: there is something to load."""


class Part(Struct, tag=True):
    """To the service: a part of what is loaded; more follows."""

    policies: tuple[Policy, ...] = ()
    origin_sets: dict[str, tuple[OriginPattern, ...]] = {}


class Loaded(Struct, tag=True):
    """To the service: the end of what is loaded; see `Change`."""

    base: str | None
    revision: str
    removed: tuple[str, ...]
    removed_sets: tuple[str, ...]


class Refused(Struct, tag=True):
    """To the service: what was read has mistakes.

    Attributes:
        mistakes: As JSON in ASCII, which can hold names that are no text.
    """

    mistakes: str


class Failed(Struct, tag=True):
    """To the service: what was asked for could not be done, for a reason that lies in this program."""

    traceback: str


class Saved(Struct, tag=True):
    """To the service: the snapshot is written, or not.

    Attributes:
        is_known: Whether the revision was that which was read last; nothing was done else.
        error: Why the file can't be written; empty if it is.
    """

    is_known: bool
    error: str


Request = Begin | Load | Save
Answer = Changed | Part | Loaded | Refused | Failed | Saved
REQUESTS: Final = msgspec.msgpack.Decoder(Request)
ANSWERS: Final = msgspec.msgpack.Decoder(Answer)
_ENCODER: Final = msgspec.msgpack.Encoder()


class Frames:
    """Takes frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def take(self, data: bytes) -> Iterator[bytes]:
        """Add what has arrived, and give the messages that are whole."""
        self._data += data
        while len(self._data) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "big")
            if end > len(self._data):
                return
            message = bytes(self._data[_LENGTH_BYTES:end])
            del self._data[:end]
            yield message


def framed(message: Request | Answer) -> bytes:
    """Write a message as a frame."""
    data = _ENCODER.encode(message)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def parts_of(change: Change) -> Iterator[Part | Loaded]:
    """Take a change apart into messages."""
    yield from (Part(origin_sets={name: origins}) for name, origins in change.origin_sets.items())
    yield from (Part(policies=tuple(policies)) for policies in _batches(change.policies))
    yield Loaded(change.base, change.revision, change.removed, change.removed_sets)


def whole(parts: Iterable[Part], end: Loaded) -> Change:
    """Put a change together again."""
    policies: list[Policy] = []
    origin_sets: dict[str, tuple[OriginPattern, ...]] = {}
    for part in parts:
        policies += part.policies
        origin_sets.update(part.origin_sets)
    return Change(
        base=end.base,
        revision=end.revision,
        policies=tuple(policies),
        removed=end.removed,
        origin_sets=origin_sets,
        removed_sets=end.removed_sets,
    )


def refused(invalid: InvalidPolicies) -> Refused:
    """Write mistakes."""
    names = ("code", "message", "hint", "path", "value", "file", "line")
    mistakes: list[dict[str, Any]] = []
    for mistake in invalid.mistakes:
        written = {name: getattr(mistake, name) for name in names}
        # Values may be of any type; what is told of them is this.
        mistakes.append({**written, "value": mistake.as_dict()["value"]})
    return Refused(json.dumps(mistakes))


def read_mistakes(message: Refused) -> InvalidPolicies:
    """Read mistakes; they tell the same as those that were written."""
    mistakes: list[dict[str, Any]] = json.loads(message.mistakes)
    return InvalidPolicies([PolicyError(**{**mistake, "path": tuple(mistake["path"])}) for mistake in mistakes])


def _batches(policies: Iterable[Policy]) -> Iterator[list[Policy]]:
    batch: list[Policy] = []
    size = 0
    for policy in policies:
        batch.append(policy)
        size += sum(len(write_pattern(pattern)) for rule in policy.rules for pattern in rule.origins) + 256 * len(
            policy.rules
        )
        if size >= _PART_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch

"""What the processes of a service say to each other over pipes.

Each message is a frame: its length in four bytes, then the message in MessagePack. A large answer comes in many frames,
so that it is taken in bit by bit. In MessagePack, a message is an array that begins with its number: one byte says what
it is to a process that only passes it on.
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
from cors_service.policy.change import Change
from cors_service.policy.model import Policy

SIGNALS: Final = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}
"""Signals that a terminal or a service manager sends to all processes of a service. The first one says what they mean
for the others, which don't get them before they know what to do about them."""

HEARS: Final = 0
"""The descriptor at which a process hears what the one that started it says."""

_LENGTH_BYTES: Final = 4
_PART_BYTES: Final = 32768


class Load(Struct, frozen=True, tag=1, array_like=True):
    """To the reader: answer with what leads from a revision to the policies that are there now.

    Attributes:
        base: The revision; None for nothing.
        everything: Whether to read all documents, as they are; else those that are due.
    """

    base: str | None
    everything: bool = False


class Changed(Struct, frozen=True, tag=2, array_like=True):
    """From the reader: there is something to load. If it comes before an answer, that answer has it."""


class Begin(Struct, frozen=True, tag=3, array_like=True):
    """From the reader: an answer begins, and takes the place of one that broke off; see `Change`."""

    base: str | None
    revision: str
    removed: tuple[str, ...]
    removed_sets: tuple[str, ...]
    loaded_at: float | None
    mistakes: str | None


class Part(Struct, frozen=True, tag=4, array_like=True):
    """From the reader: a part of the answer; more follows."""

    policies: tuple[Policy, ...] = ()
    origin_sets: dict[str, tuple[OriginPattern, ...]] = {}


class End(Struct, frozen=True, tag=5, array_like=True):
    """From the reader: the answer is complete."""


class Refused(Struct, frozen=True, tag=6, array_like=True):
    """From the reader: the answer is that the policies have mistakes, and that there is nothing newer in their place.

    Attributes:
        mistakes: See `write_mistakes`.
    """

    mistakes: str


class Failed(Struct, frozen=True, tag=7, array_like=True):
    """From the reader: there is no answer, because of a fault of this program."""

    traceback: str


Request = Load
Answer = Changed | Begin | Part | End | Refused | Failed
Message = Request | Answer
REQUESTS: Final = msgspec.msgpack.Decoder(Request)
ANSWERS: Final = msgspec.msgpack.Decoder(Answer)
ENDS_OF_ANSWERS: Final = (End, Refused, Failed)
_TYPES: Final = {kind.__struct_config__.tag: kind for kind in (Load, Changed, Begin, Part, End, Refused, Failed)}
_ENCODER: Final = msgspec.msgpack.Encoder()


class Frames:
    """Takes messages out of a stream of bytes."""

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


def encoded(message: Message) -> bytes:
    """Write a message."""
    return _ENCODER.encode(message)


def framed(message: Message) -> bytes:
    """Write a message as a frame."""
    return frame_of(encoded(message))


def frame_of(data: bytes) -> bytes:
    """Make a frame of a message that is written already."""
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def type_of(data: bytes) -> type[Message]:
    """Say what kind of message something is, without reading it.

    Raises:
        LookupError: It is not a message.
    """
    # The first byte says that it is an array, and of how many elements; the second is the number.
    return _TYPES[data[1]]


class IncomingChange:
    """Puts the parts of an answer together."""

    def __init__(self) -> None:
        self._begin: Begin | None = None
        self._policies: list[Policy] = []
        self._origin_sets: dict[str, tuple[OriginPattern, ...]] = {}

    def take(self, message: Begin | Part | End | Refused | Failed) -> Change | None:
        """Take the next message of an answer.

        Returns:
            The change, once it is complete.

        Raises:
            InvalidPolicies: The answer is that there are mistakes.
            ReaderFailed: The answer is that there is none.
        """
        match message:
            case Begin():
                self._begin, self._policies, self._origin_sets = message, [], {}
            case Part():
                self._policies += message.policies
                self._origin_sets |= message.origin_sets
            case End():
                return self._change()
            case Refused():
                raise read_mistakes(message.mistakes)
            case Failed():
                raise ReaderFailed(message.traceback)
        return None

    def _change(self) -> Change:
        begin = self._begin
        assert begin is not None
        policies, self._policies = self._policies, []
        return Change(
            base=begin.base,
            revision=begin.revision,
            policies=tuple(policies),
            removed=begin.removed,
            origin_sets=self._origin_sets,
            removed_sets=begin.removed_sets,
            loaded_at=begin.loaded_at,
            mistakes=None if begin.mistakes is None else read_mistakes(begin.mistakes),
        )


class ReaderFailed(Exception):
    """The process that reads policies can't do what it is asked for."""


def parts_of(change: Change) -> Iterator[Begin | Part | End]:
    """Take a change apart into messages."""
    mistakes = None if change.mistakes is None else write_mistakes(change.mistakes)
    yield Begin(change.base, change.revision, change.removed, change.removed_sets, change.loaded_at, mistakes)
    yield from (Part(origin_sets={name: origins}) for name, origins in change.origin_sets.items())
    yield from (Part(tuple(policies)) for policies in _batches(change.policies))
    yield End()


def write_mistakes(invalid: InvalidPolicies) -> str:
    """Write mistakes as JSON in ASCII: unlike MessagePack, it can hold names that are not text."""
    names = ("code", "message", "hint", "path", "value", "file", "line")
    mistakes: list[dict[str, Any]] = []
    for mistake in invalid.mistakes:
        written = {name: getattr(mistake, name) for name in names}
        # Values may be of any type; this is what is reported of them.
        mistakes.append({**written, "value": mistake.as_dict()["value"]})
    return json.dumps(mistakes)


def read_mistakes(text: str) -> InvalidPolicies:
    """Read mistakes; they say the same as those that were written."""
    mistakes: list[dict[str, Any]] = json.loads(text)
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

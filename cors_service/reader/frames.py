"""How messages between processes are written: each is a frame, its length in four bytes, and then MessagePack.

In MessagePack, a message is an array that begins with its number: one byte says what it is to a process that only
passes it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, get_args

import msgspec

from cors_service.reader.messages import Message

_LENGTH_BYTES: Final = 4
_LONGEST: Final = 1 << 30
_DECODER: Final[msgspec.msgpack.Decoder[Message]] = msgspec.msgpack.Decoder(Message)
_ENCODER: Final = msgspec.msgpack.Encoder()
_TYPES: Final[dict[object, type[Message]]] = {kind.__struct_config__.tag: kind for kind in get_args(Message)}


class NotAMessage(Exception):
    """What a process says is nothing that this program sends."""


class Frames:
    """Takes messages out of a stream of bytes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def take(self, data: bytes) -> Iterator[bytes]:
        """Add what has arrived, and give the messages that are whole.

        Raises:
            NotAMessage: It is something else.
        """
        self._data += data
        while len(self._data) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._data[:_LENGTH_BYTES], "big")
            if end > _LONGEST:
                raise NotAMessage
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


def decoded(data: bytes) -> Message:
    """Read a message.

    Raises:
        NotAMessage: It is something else.
    """
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise NotAMessage from error


def frame_of(data: bytes) -> bytes:
    """Make a frame of a message that is written already."""
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def type_of(data: bytes) -> type[Message]:
    """Say what kind of message something is, without reading it.

    Raises:
        NotAMessage: It is something else.
    """
    # The first byte says that it is an array, and of how many elements; the second is the number.
    try:
        return _TYPES[data[1]]
    except LookupError as error:
        raise NotAMessage from error

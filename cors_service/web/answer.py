"""What an endpoint answers: a status, headers and a body."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final, Protocol

from msgspec import Struct

from cors_service.observe.interfaces import Fact

JSON: Final = "application/json"
NO_STORE: Final = "no-store"

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Pieces(Protocol):
    """A long body that many answers share; it is made piece by piece."""

    def __len__(self) -> int:
        """Bytes of the whole body."""

    def __iter__(self) -> Iterator[bytes]:
        """The pieces; making each takes little time."""


class Answer(Struct):
    """What is answered, without the headers that differ from one request to the next.

    Attributes:
        status: The HTTP status.
        media_type: Of the body; empty where there is none.
        body: As it is sent, except to HEAD.
        headers: Further headers; their names and values are ASCII and have no line breaks.
        written: What `head()` gave; empty before that.
        pieces: What is sent in the place of the body.
        is_measured: Whether the length of the body is known; an answer to HEAD may leave it out (RFC 9110, 9.3.2).
        fact: What counts the decision that it gives, where it can be given again.
        stopped: The policy and the reason that are counted if a guard stops the request; None if none does.
    """

    status: int
    media_type: str
    body: bytes
    headers: dict[str, str]
    written: bytes = b""
    pieces: Pieces | None = None
    is_measured: bool = True
    fact: Fact = None
    stopped: tuple[str, str] | None = None

    def all_headers(self) -> dict[str, str]:
        """The name and value of each header."""
        found = {"X-Content-Type-Options": "nosniff"}
        # Those of a 304 describe a body that is not sent (RFC 9110, 15.4.5).
        if self.status != 304:
            # Of a 204, too, though RFC 9110, 8.6 says not to: the cors.lua of release 0.1.0 waits for it.
            if self.is_measured:
                found["Content-Length"] = str(len(self.body if self.pieces is None else self.pieces))
            if self.media_type:
                found["Content-Type"] = self.media_type
        return found | self.headers

    def head(self) -> bytes:
        """The status line and the headers as they are sent, each with its line break; written once."""
        if not self.written:
            lines = [f"{name}: {value}\r\n" for name, value in self.all_headers().items()]
            self.written = f"{_STATUS_LINES[self.status]}{''.join(lines)}".encode("ascii")
        return self.written

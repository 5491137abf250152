"""Speaks HTTP/1.1 over plain sockets, and tells apart the ways in which an answer can be missing."""

from __future__ import annotations

import json
import socket
from select import select
from types import TracebackType
from typing import Any, NamedTuple, Self

_TIMEOUT = 60.0


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: Its status.
        body: Its body.
        closes: Whether it announces that the connection ends behind it.
    """

    status: int
    body: bytes
    closes: bool

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)


class ClosedBefore(Exception):
    """The server closed the connection cleanly, before the first byte of an answer."""


class CutShort(Exception):
    """The server closed the connection within an answer."""


class Connection:
    """A connection to a server on this machine, for one request or many."""

    def __init__(self, port: int, *, receive_buffer: int | None = None) -> None:
        """Connect.

        Args:
            port: Of the server.
            receive_buffer: Bytes that the system keeps until they are read, if not as many as it likes.

        Raises:
            ConnectionRefusedError: Nobody listens.
        """
        self.socket = socket.socket()
        self.socket.settimeout(_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(("127.0.0.1", port))
        except BaseException:
            self.socket.close()
            raise
        self._reader = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        self._reader.close()
        self.socket.close()

    def is_closed(self) -> bool:
        """Whether the server has closed it, where no answer is awaited."""
        return bool(select([self.socket], [], [], 0)[0])

    def get(self, path: str) -> Answer:
        """Send a GET and give the answer."""
        self.send(request("GET", path))
        return self.receive()

    def post(self, path: str, value: object) -> Answer:
        """Send a POST with this value as JSON, and give the answer."""
        self.send(request("POST", path, json.dumps(value).encode("ascii")))
        return self.receive()

    def send(self, data: bytes) -> None:
        """Send bytes: a request, several, or a part of one."""
        self.socket.sendall(data)

    def receive(self) -> Answer:
        """Read the next answer.

        Raises:
            ClosedBefore: There is none, and the server said so properly.
            CutShort: There is only a part of it.
            ConnectionResetError: The connection was broken off.
        """
        line = self._reader.readline()
        if not line:
            raise ClosedBefore
        status = int(line.split()[1])
        length, closes = 0, False
        while (line := self._reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            match name.lower(), value.strip():
                case b"content-length", digits:
                    length = int(digits)
                case b"connection", option:
                    closes = option == b"close"
        body = self._reader.read(length)
        if line != b"\r\n" or len(body) < length:
            raise CutShort
        return Answer(status, body, closes)


def request(method: str, path: str, body: bytes = b"", *lines: str) -> bytes:
    """Write a request, with a Content-Length if there is a body."""
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", *lines]
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*head, "", ""]).encode("ascii") + body

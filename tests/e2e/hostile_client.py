"""A client that sends bytes as they are, and takes note of everything that comes back."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from tests.e2e.daemons import DEADLINE

_PIECE = 2**16
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) [ -~]+")


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: Its status.
        headers: Its headers, by their names in small letters.
        body: Its body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """What the body says."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The code of the problem that it is, None if it is none."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        code: str | None = self.json["code"] if is_problem else None
        return code

    @property
    def grants(self) -> bool:
        """Whether it says in whatever way that a page may read something."""
        return b'"allowed":true' in self.body or any(name.startswith("access-control") for name in self.headers)


def talk(port: int, sent: bytes) -> list[Answer]:
    """Send bytes, and read until the server closes the connection.

    Raises:
        TimeoutError: It did not, in all that time.
        AssertionError: What it sent are not answers, whole and nothing else.
    """
    with connect(port) as client:
        received = b""
        # Who refuses what is sent may close the connection while it is sent, and what it said may be lost.
        with suppress(ConnectionError):
            client.sendall(sent)
            while piece := client.recv(_PIECE):
                received += piece
        return answers(received)


def connect(port: int) -> socket.socket:
    """Open a connection to a server on this machine."""
    client = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def answers(received: bytes) -> list[Answer]:
    """Read answers, whose bodies all have a length."""
    found: list[Answer] = []
    while received:
        head, end, rest = received.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        match = _STATUS_LINE.fullmatch(first)
        assert match, received
        assert end, received
        pairs = [line.decode("ascii").split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), received
        length = int(headers.get("content-length", 0))
        assert len(rest) >= length, received
        found.append(Answer(int(match[1]), headers, rest[:length]))
        received = rest[length:]
    return found

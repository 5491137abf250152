"""A connection to a decision service, with a deadline for each exchange."""

from __future__ import annotations

import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any, Final

from cors_service.asking.address import Address
from cors_service.asking.lookup import Addresses, Lookup

_LONGEST: Final = 1024 * 1024
# Seconds: next to nothing. With none at all, sockets raise other errors.
_GLANCE: Final = 0.001


class Connection:
    """A connection, made for the first exchange and kept open for others."""

    def __init__(
        self, address: Address, lookup: Lookup, tls: ssl.SSLContext | None, headers: Mapping[str, str]
    ) -> None:
        self._address = address
        self._lookup = lookup
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._tls = tls or ssl.create_default_context() if address.is_secure else None
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can be used again."""
        return self._socket is not None

    def exchange(self, path: str, body: bytes, until: float) -> tuple[int, bytes]:
        """Send a question as JSON, and give the status and body of the answer.

        Args:
            path: The path, to follow the prefix of the address.
            body: The question.
            until: The deadline for the answer, in the time of `time.monotonic`.

        Raises:
            OSError: There is no answer, or not in time. Every error closes the connection.
            HTTPException: The answer is not HTTP.
            ValueError: The answer is too long.
        """
        try:
            return self._exchange(path, body, until)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _exchange(self, path: str, body: bytes, until: float) -> tuple[int, bytes]:
        if self._socket is None:
            self._connect(until)
            assert self._socket is not None
        head = (
            f"POST {self._address.prefix}{path} HTTP/1.1\r\nHost: {self._address.authority}\r\n"
            f"Content-Type: application/json\r\n{self._lines}Content-Length: {len(body)}\r\n\r\n"
        )
        self._socket.settimeout(_left(until))
        self._socket.sendall(head.encode("ascii") + body)
        # It only calls `makefile`.
        response = HTTPResponse(_Timed(self._socket, until), method="POST")  # type: ignore[arg-type]
        response.begin()
        content = response.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise ValueError("the answer is too long")
        if response.length:
            raise ConnectionError("the answer is incomplete")
        if response.will_close:
            self.close()
        return response.status, content

    def _connect(self, until: float) -> None:
        if self._address.socket is None:
            self._socket = _connected(self._lookup.addresses(_left(until)), until)
            # Everything is sent at once and as a whole.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        else:
            self._socket = socket.socket(socket.AF_UNIX)
            self._socket.settimeout(_left(until))
            self._socket.connect(self._address.socket)
        if self._tls is not None:
            self._socket.settimeout(_left(until))
            self._socket = self._tls.wrap_socket(self._socket, server_hostname=self._address.host)


def _connected(addresses: Addresses, until: float) -> socket.socket:
    """Connect to the first address that takes a connection; each gets its share of the time.

    Raises:
        OSError: None does; that of the last.
    """
    *others, last = addresses
    for number, address in enumerate(others):
        with suppress(OSError):
            return _connected_to(address, _left(until) / (len(addresses) - number))
    return _connected_to(last, _left(until))


def _connected_to(address: tuple[Any, ...], seconds: float) -> socket.socket:
    *kind, _, there = address
    connection = socket.socket(*kind)
    try:
        connection.settimeout(seconds)
        connection.connect(there)
    except BaseException:
        connection.close()
        raise
    return connection


class _Timed(io.RawIOBase):
    """Reads from a socket until a deadline, however little arrives at a time."""

    def __init__(self, source: socket.socket, until: float) -> None:
        super().__init__()
        self._source = source
        self._until = until
        self._may_glance = True

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._source.settimeout(self._patience())
        return self._source.recv_into(buffer)

    def _patience(self) -> float:
        try:
            return _left(self._until)
        except TimeoutError:
            # If the process was halted meanwhile, the answer may have been there for long; but nobody drips on.
            if not self._may_glance:
                raise
            self._may_glance = False
            return _GLANCE


def _left(until: float) -> float:
    """Seconds until a moment.

    Raises:
        TimeoutError: It is past.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left

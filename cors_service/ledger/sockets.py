"""Sockets that one thread reads, and another one ends."""

from __future__ import annotations

import socket
from contextlib import suppress


def shut(sock: socket.socket) -> None:
    """End what another thread does with a socket, as if it had come to its end."""
    with suppress(OSError):
        # Not that of SSLSocket, which would pull TLS away from under the thread that uses it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)

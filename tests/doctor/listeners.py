"""What can be at the other end of a connection, on real sockets."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread
from typing import TypeAlias

Answering: TypeAlias = Callable[[socket.socket, bytes], None]


@contextmanager
def listening(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer each connection by a function, once its request is there, until the block ends.

    Args:
        answer: Writes the answer to a head; whatever goes wrong with the connection meanwhile is the client's business.
        tls: The certificate, if it speaks TLS.

    Yields:
        The port.
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        thread = Thread(target=_accept, args=(listener, answer, tls))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes the thread, which closing alone does not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, answer: Answering, tls: ssl.SSLContext | None) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with suppress(OSError), plain, _secured(plain, tls) as connection:
                answer(connection, _head(connection))


def _head(connection: socket.socket) -> bytes:
    """Receive a request with its body, which may come with it; give what is in front of the body."""
    received = b""
    while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
        received += data
    head, end, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    awaited = int(length[1]) - len(body) if length else 0
    while awaited > 0 and (data := connection.recv(65536)):
        awaited -= len(data)
    return head + end


def _secured(plain: socket.socket, tls: ssl.SSLContext | None) -> socket.socket:
    return plain if tls is None else tls.wrap_socket(plain, server_side=True)


def saying(text: bytes) -> Answering:
    """Write a text, and close."""
    return lambda connection, _: connection.sendall(text)

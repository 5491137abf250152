"""A way to a server that keeps what the server answers: a browser keeps that from pages of other origins."""

from __future__ import annotations

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.e2e.daemons import wait_for


class Tap(socketserver.ThreadingTCPServer):
    """The running way.

    Attributes:
        port: Where it begins.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, server: int) -> None:
        """Lead to the port of a server."""
        super().__init__(("127.0.0.1", 0), _Way)
        self.port: int = self.server_address[1]
        self.server = server
        self._answers: list[bytearray] = []

    def clear(self) -> None:
        """Forget what was answered; connections that are open go on."""
        for answers in self._answers:
            answers.clear()

    def kept(self) -> bytearray:
        """Keep the answers of another connection."""
        self._answers.append(bytearray())
        return self._answers[-1]

    def answered(self, status: int) -> tuple[str, str]:
        """Wait for a whole answer with a status and a Content-Length, and give its head and its body."""
        shape = re.compile(rb"(?is)(HTTP/1\.1 %d .*?\r\ncontent-length: *(\d+).*?)\r\n\r\n(.*)" % status)

        def found() -> tuple[str, str] | None:
            for head, length, body in (seen.groups() for seen in map(shape.search, map(bytes, self._answers)) if seen):
                # A server may write the body behind the head.
                if len(body) >= int(length):
                    return head.decode(), body[: int(length)].decode()
            return None

        return wait_for(found, f"an answer with {status}: {self._answers}")


class _Way(socketserver.BaseRequestHandler):
    """One connection."""

    server: Tap

    def handle(self) -> None:
        """Copy both ways until one of them ends."""
        answers = self.server.kept()
        with socket.create_connection(("127.0.0.1", self.server.server)) as there:
            back = threading.Thread(target=_copy, args=(there, self.request, answers), daemon=True)
            back.start()
            _copy(self.request, there)
            back.join()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray | None = None) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            if kept is not None:
                kept += data
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def tapped(server: int) -> Iterator[Tap]:
    """Lead to a server until the block ends."""
    with Tap(server) as tap:
        thread = threading.Thread(target=tap.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield tap
        finally:
            tap.shutdown()
            thread.join()

"""A way to a server that keeps what the server answers: a browser keeps that from pages of other origins."""

from __future__ import annotations

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

    def answered(self, status: int) -> str:
        """Wait for an answer with a status, and give all that came on its connection since `clear`."""
        line = b"HTTP/1.1 %d " % status

        def found() -> str | None:
            return next((bytes(answers).decode() for answers in self._answers if line in answers), None)

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

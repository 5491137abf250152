"""A site whose answers are written byte by byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TypeAlias

Answers: TypeAlias = Callable[[str, int, str, int], bytes]
"""From the method, the number and the name of the path `/NUMBER/NAME`, and the port, to an answer."""


@contextmanager
def serving(answers: Answers) -> Iterator[int]:
    """Answer until the block ends.

    Args:
        answers: What to answer.

    Yields:
        The port.
    """
    with _Server(("127.0.0.1", 0), _Answering) as server:
        server.answers = answers
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.port
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingTCPServer):
    # Browsers keep connections open without a request.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 100
    answers: Answers

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Answering(StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Give one answer."""
        match = re.match(r"([A-Z]+) /(\d+)/([a-z]+)", self.rfile.readline().decode("latin-1"))
        if match is None:
            return
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.server.answers(match[1], int(match[2]), match[3], self.server.port))

"""Sites of the tests' own, each in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answering(BaseHTTPRequestHandler):
    """Answers over connections that stay open, and says nothing of it."""

    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True

    def answer(self, status: int, body: bytes, lines: Iterable[tuple[str, str]]) -> None:
        """Answer a request.

        Args:
            status: The status.
            body: The body; a 204 has none.
            lines: The (name, value) lines of the header, beside the length.
        """
        self.send_response(status)
        for name, value in lines:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[None]:
    """Run a site until the block ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()

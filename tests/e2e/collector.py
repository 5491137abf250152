"""A collector of reports that runs by itself, and keeps what it took in a file: `python collector.py PORT FILE MOOD`.

The mood is a file, too, and read for each report: `good`; `slow`, no answer for a while; `broken`, a 500; `half`, the
connection is closed behind a part of the request; `lossy`, the report is kept, and the connection closed.
"""

from __future__ import annotations

import json
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

SLOW_SECONDS = 3600.0


class Handler(BaseHTTPRequestHandler):
    """Takes a report, or does not."""

    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    kept: Path
    mood: Path
    lock = Lock()

    def do_POST(self) -> None:
        """Take a report."""
        mood, length = self.mood.read_text(), int(self.headers["Content-Length"])
        sys.stdout.write(f"{mood}\n")
        sys.stdout.flush()
        body = self.rfile.read(length // 2 if mood == "half" else length)
        match mood:
            case "slow":
                time.sleep(SLOW_SECONDS)
            case "broken":
                self._answer(500)
            case "half":
                self.close_connection = True
            case "lossy":
                self._keep(body)
                self.close_connection = True
            case _:
                self._keep(body)
                self._answer(204)

    def _keep(self, body: bytes) -> None:
        with self.lock, self.kept.open("ab") as file:
            file.write(json.dumps(json.loads(body)).encode() + b"\n")

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing about each request."""


class Server(ThreadingHTTPServer):
    """Can be started again at once."""

    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Bind, without asking for the name of the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


if __name__ == "__main__":
    Handler.kept, Handler.mood = Path(sys.argv[2]), Path(sys.argv[3])
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        sys.stdout.write(f"listening on {server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()

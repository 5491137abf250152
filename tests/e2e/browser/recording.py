"""A site that keeps what browsers send to it, and the pages that have them send it.

It listens on one port, by whatever name it is called: the pages of one name are foreign to those of another. `/page`
is a blank page, which takes its `Referrer-Policy` from the query; `/to` leads on, with a 307; `/worker` is a service
worker, which answers all requests of its site or, with a query, leaves navigations to the browser; everything below
`/asked/` is answered with no more than a status.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Final
from urllib.parse import parse_qs, urlsplit

from tests.e2e.daemons import wait_for

from .serving import Answering, served

_PAGE: Final = b'<!doctype html><link rel="icon" href="data:,"><title>A page</title><body></body>'
_WORKER: Final = """
addEventListener("fetch", event => {
  if (location.search && event.request.mode === "navigate") return;
  event.respondWith(fetch(event.request));
});
"""


@dataclass(frozen=True)
class Recorded:
    """A request as a browser sent it.

    Attributes:
        method: Its method.
        target: What it asked for: path and query.
        lines: Its header lines, in order.
    """

    method: str
    target: str
    lines: tuple[tuple[str, str], ...]

    def one(self, name: str) -> str | None:
        """The value of a header that is there once; None if it is missing."""
        values = [value for found, value in self.lines if found.lower() == name]
        assert len(values) <= 1, f"{name}: {values}"
        return values[0] if values else None


class Recorder(ThreadingHTTPServer):
    """The running site.

    Attributes:
        port: Where it listens.
        requests: What was asked of it below `/asked/`, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.port: int = self.server_address[1]
        self.requests: list[Recorded] = []

    def received(self, target: str) -> Recorded:
        """Wait for the request of a target, and give it."""
        return wait_for(
            lambda: next((found for found in self.requests if found.target.partition("?")[0] == target), None), target
        )


class _Answers(Answering):
    """Answers requests of any method."""

    server: Recorder

    def do_GET(self) -> None:
        """Serve a page, or keep what came."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        parameters = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/page":
            self.answer(
                200, _PAGE, [("Content-Type", "text/html"), ("Referrer-Policy", parameters.get("referrer", ""))]
            )
        elif url.path == "/worker":
            self.answer(200, _WORKER.encode(), [("Content-Type", "text/javascript")])
        elif url.path == "/to":
            self.answer(307, b"", [("Location", parameters["url"])])
        else:
            self.server.requests.append(Recorded(self.command, self.path, tuple(self.headers.items())))
            self.answer(self._status(), b"", [("Content-Type", "text/plain")])

    def _status(self) -> int:
        """Let pages stay where they are, and persons arrive."""
        if "Upgrade" in self.headers:
            return 403
        return 200 if self.headers.get("Sec-Fetch-Site") == "none" else 204

    do_HEAD = do_POST = do_PUT = do_OPTIONS = do_GET


@contextmanager
def recording() -> Iterator[Recorder]:
    """Run the site until the block ends."""
    recorder = Recorder()
    with served(recorder):
        yield recorder

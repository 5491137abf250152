"""A web server of our own, over TLS, that gives out files, and does to some what bad nights do."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Any

from tests.certificates import Authority, written


class Site:
    """What a server gives out; tests change it while it is served.

    Attributes:
        files: Their content by their paths.
        does: What is done in place of giving out a file, by its path.
        asked: The paths that were asked for, with the headers, in order.
        can_wait: Whether it follows `Prefer: wait`.
        has_etags: Whether it names states of files.
        clock: How far its clock is from that of this machine.
        connections: How many connections there were.
        open: How many there are.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.does: dict[str, Callable[[Handler], object]] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.can_wait = False
        self.has_etags = True
        self.clock = timedelta()
        self.closing = Event()
        self.changed = Condition()
        self.connections = self.open = 0
        self.counting = Lock()

    def put(self, files: Mapping[str, bytes]) -> None:
        """Replace files."""
        with self.changed:
            self.files |= files
            self.changed.notify_all()

    def note(self, path: str, headers: dict[str, str]) -> None:
        """Take note that somebody asks."""
        with self.changed:
            self.asked.append((path, headers))
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds of what was asked for."""
        with self.changed:
            assert self.changed.wait_for(condition, 30)

    def etag(self, path: str) -> str | None:
        """Name the state of a file."""
        content = self.files.get(path)
        return None if content is None else f'"{hashlib.sha256(content).hexdigest()[:16]}"'

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for path, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    """Answers for a site."""

    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    site: Site

    def setup(self) -> None:
        """Count the connection."""
        super().setup()
        with self.site.counting:
            self.site.connections += 1
            self.site.open += 1

    def finish(self) -> None:
        """Take note that it is closed."""
        with self.site.counting:
            self.site.open -= 1
        super().finish()

    def do_GET(self) -> None:
        """Give out a file."""
        site, path = self.site, self.path.partition("?")[0]
        site.note(self.path, {name.lower(): value for name, value in self.headers.items()})
        if path in site.does:
            site.does[path](self)
            return
        known = self.headers.get("If-None-Match")
        waits = re.fullmatch(r"wait=(\d+)", self.headers.get("Prefer", ""))
        if site.can_wait and waits and known is not None:
            with site.changed:
                site.changed.wait_for(lambda: site.etag(path) != known or site.closing.is_set(), int(waits[1]))
        content = site.files.get(path)
        if content is None:
            self.give(404, b"not here", "text/plain")
        elif site.has_etags and known == site.etag(path):
            self.give(304, None)
        else:
            self.give(200, content, etag=site.etag(path) if site.has_etags else None)

    def give(self, status: int, body: bytes | None, kind: str = "application/json", **headers: str | None) -> None:
        """Send an answer."""
        self.send_response_only(status)
        self.send_header("Date", format_datetime(datetime.now(UTC) + self.site.clock, usegmt=True))
        for name, value in {"Content-Type": kind, **headers}.items():
            if value is not None:
                self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def page(handler: Handler) -> None:
    """Give a web page in place of a file, as the portals of hotels do."""
    handler.give(200, b"<!DOCTYPE html>\n<title>Sign in</title>", "text/html")


def fail(status: int, **headers: str) -> Callable[[Handler], None]:
    """Give an error."""
    return lambda handler: handler.give(status, b"something", "text/plain", **headers)


def reset(handler: Handler) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    # TLS would say good-bye.
    socket.socket.shutdown(handler.connection, socket.SHUT_RDWR)


def stall(handler: Handler) -> None:
    """Never answer."""
    handler.site.closing.wait()
    handler.close_connection = True


def drip(handler: Handler) -> None:
    """Answer so slowly that it never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    while not handler.site.closing.wait(0.02):
        try:
            handler.wfile.write(b"X-Filler: 1\r\n")
        except OSError:
            break
    handler.close_connection = True


def cut(handler: Handler) -> None:
    """Give half of a file."""
    content = handler.site.files[handler.path]
    handler.send_response_only(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: tests end connections in the midst of things."""


@contextmanager
def served(site: Site, authority: Authority | None, directory: Path) -> Iterator[str]:
    """Serve a site on this machine.

    Args:
        site: The site.
        authority: Who signs the certificate; None for a server without TLS.
        directory: For its certificate.

    Yields:
        Its URL, without a path.
    """
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = _Server(("127.0.0.1", 0), handler)
    if authority is not None:
        key, certificate = written(directory, authority.sign("web server"), "bundles")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if authority is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    finally:
        site.closing.set()
        with site.changed:
            site.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()

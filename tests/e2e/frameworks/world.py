"""What an application that asks has beside it: a decision service whose policies can be changed."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for
from tests.e2e.gateways.gateway import BOUND
from tests.e2e.gateways.world import Switch
from tests.e2e.scenarios import PARTNER, PATH, POLICIES, State, Subject
from tests.lies import Lie

_DRIP: Final = 0.05
"""Seconds between two bytes."""


class _StandIn(ThreadingHTTPServer):
    """Listens in the place of the decision service."""

    allow_reuse_port = True
    daemon_threads = False

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], service: int) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.service = service
        self.ended = threading.Event()
        self.died = 0
        self.lie: Lie = dict
        self._connections: list[socket.socket] = []

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        connection, address = super().get_request()
        self._connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        self.ended.set()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


class _Dripping(BaseHTTPRequestHandler):
    """Sends the head of an answer, for ever."""

    server: _StandIn

    def handle(self) -> None:
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Drip: ")
            while not self.server.ended.wait(_DRIP):
                self.wfile.write(b"7")


class _PassingOn(BaseHTTPRequestHandler):
    """Passes requests on to the service, and its answers back."""

    server: _StandIn
    protocol_version = "HTTP/1.1"
    # The body does not wait until the client has acknowledged the head.
    disable_nagle_algorithm = True
    status = 200

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        service = http.client.HTTPConnection("127.0.0.1", self.server.service)
        service.request(self.command, self.path, body, {"Content-Type": "application/json"})
        content = self.altered(service.getresponse().read())
        service.close()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Location", f"http://127.0.0.1:{self.server.service}{self.path}")
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self.do_POST()

    def altered(self, content: bytes) -> bytes:
        """What to answer where the service answered with this."""
        return content

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Failing(_PassingOn):
    status = 503


class _Redirecting(_PassingOn):
    status = 307


class _Lying(_PassingOn):
    """Answers with something else than what was decided."""

    def altered(self, content: bytes) -> bytes:
        return json.dumps(self.server.lie(json.loads(content))).encode("ascii")


class _Dying(_PassingOn):
    """At the second request of a connection, the connection is dead."""

    has_answered = False

    def do_POST(self) -> None:
        self.close_connection = self.has_answered
        if self.has_answered:
            self.server.died += 1
        else:
            self.has_answered = True
            super().do_POST()


class Decider(NamedTuple):
    """A decision service.

    Attributes:
        port: Its port.
        switch: Stands between it and those who ask.
        ttl: For how many seconds its decisions may be used again.
        policies: The file with its policies.
    """

    port: int
    switch: Switch
    ttl: int
    policies: Path


class Asking(Subject):
    """An application that asks a decision service by itself."""

    def __init__(self, port: int, decider: Decider) -> None:
        self.port = port
        self._decider = decider

    @property
    def ttl(self) -> int:
        """For how many seconds it may use a decision again."""
        return self._decider.ttl

    def is_warm(self) -> bool:
        """Whether it gets decisions in time, for which a process that has just started may be too slow."""
        return bool(self.ask("GET", PATH, [("Origin", PARTNER)]).cors)

    @contextmanager
    def service(self, state: State) -> Iterator[None]:
        """Replace the decision service until the block ends."""
        self._decider.switch.turn(state)
        try:
            yield
        finally:
            self._decider.switch.turn(State.UP)

    @contextmanager
    def dripping_service(self) -> Iterator[None]:
        """Replace the decision service by one whose answer has no end, until the block ends."""
        with self._standing_in(_Dripping):
            yield

    @contextmanager
    def failing_service(self) -> Iterator[None]:
        """Let the decisions of the service come with the status of an error, until the block ends."""
        with self._standing_in(_Failing):
            yield

    @contextmanager
    def redirecting_service(self) -> Iterator[None]:
        """Let the service tell to ask somebody else, until the block ends."""
        with self._standing_in(_Redirecting):
            yield

    @contextmanager
    def lying_service(self) -> Iterator[Callable[[Lie], None]]:
        """Let something else answer in the place of the service, until the block ends; at first it tells the truth.

        Yields:
            Takes what it says from now on.
        """
        with self._standing_in(_Lying) as server:

            def say(lie: Lie) -> None:
                server.lie = lie

            yield say

    @contextmanager
    def dying_connections(self) -> Iterator[Callable[[], int]]:
        """Let each connection to the service be dead at its second request, until the block ends.

        Yields:
            Tells how many have died.
        """
        with self._standing_in(_Dying) as server:
            yield lambda: server.died

    @contextmanager
    def _standing_in(self, handler: type[BaseHTTPRequestHandler]) -> Iterator[_StandIn]:
        decider = self._decider
        with self.service(State.DOWN), _StandIn(decider.switch.port, handler, decider.port) as server:
            thread = threading.Thread(target=server.serve_forever, args=(_DRIP,))
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()

    @contextmanager
    def policies(self, text: str) -> Iterator[float]:
        """Let the service decide by other policies until the block ends.

        Yields:
            The time, in seconds of `time.monotonic`, by which it does.
        """
        self._change(text)
        try:
            yield time.monotonic()
        finally:
            self._change(POLICIES)

    def _change(self, text: str) -> None:
        before = self._revision()
        new = self._decider.policies.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._decider.policies)
        wait_for(lambda: self._revision() != before, "the service to take up other policies")

    def _revision(self) -> str:
        revision: str = ask(self._decider.port, "/v1/status").json["revision"]
        return revision


@contextmanager
def deciding(directory: Path, ttl: int) -> Iterator[Decider]:
    """Run a decision service until the block ends.

    Args:
        directory: Where the policies may lie; empty.
        ttl: For how many seconds its decisions may be used again.
    """
    policies = directory / "policies.toml"
    policies.write_text(POLICIES, encoding="utf-8")
    options = ["--policies", str(policies), "--listen", ANY_PORT, "--decision-ttl", str(ttl)]
    service = Service([*BOUND, *TWIST, *options], directory)
    try:
        switch = Switch(service.port)
        try:
            yield Decider(service.port, switch, ttl, policies)
        finally:
            switch.close()
    finally:
        service.kill()

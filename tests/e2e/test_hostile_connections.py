"""Connections that cost the service something and give it nothing: those that drip, and very many that are silent."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, Service, allows, ask
from tests.e2e.hostile import LAST, NAMED, POLICIES, QUERY, chunk, chunked, get, post
from tests.e2e.hostile_client import answers, connect

REQUEST_TIMEOUT = 1.0
DRIP_SECONDS = 0.2
CAP = 900
SILENT = 1000
BURST = 40

DRIPS = {
    "a first line": (b"", get()),
    "a head": (get()[:-2], b"X-A: " + b"a" * 10_000),
    "a body": (post(body=b"x", length=b"10000")[:-1], b" " * 10_000),
    "a chunk's size": (chunked(b""), b"0" * 900),
    "a chunk": (chunked(b"ffff\r\n"), QUERY * 100),
    "chunks of a byte": (chunked(b""), chunk(b" ") * 10_000),
    "trailers": (chunked(chunk() + LAST[:-2]), b"X-A: a\r\n" * 10_000),
    "a second request": (get(), get() * 100),
    "a request behind a refusal": (get(target=b"/nothing"), get() * 100),
}
"""What is sent at once, and what then comes byte by byte; no request ends within its time."""


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """A document to decide by."""
    path = tmp_path / "policies.toml"
    path.write_text(POLICIES, encoding="ascii")
    return path


def serve(policies: Path, *options: str) -> Service:
    """Start a service."""
    return Service([*TWIST, "--policies", str(policies), "--listen", ANY_PORT, *NAMED, *options], policies.parent)


def drip(begun: dict[socket.socket, bytes]) -> dict[socket.socket, bytes]:
    """Send each connection its bytes, one at a time, until the server closes it; give what the server said."""
    said = dict.fromkeys(begun, b"")
    dripping, position = set(begun), 0
    end = time.monotonic() + DEADLINE
    while dripping:
        assert time.monotonic() < end, "some may drip for ever"
        for client in dripping:
            # Who was refused may go on for a while, and is cut then.
            with suppress(ConnectionError):
                client.sendall(begun[client][position : position + 1])
        position += 1
        for client in select.select(list(dripping), [], [], DRIP_SECONDS)[0]:
            piece = client.recv(2**16)
            said[client] += piece
            if not piece:
                dripping.discard(client)
    return said


def test_drip(policies: Path) -> None:
    """A request that comes byte by byte, each in time for the idle timeout, gets a 408 once its time is
    over, wherever in it the bytes drip, and the connection ends. What was asked before is answered, and others are
    served.
    """
    service = serve(policies, f"--request-timeout={REQUEST_TIMEOUT:g}", "--idle-timeout=60")
    try:
        with ExitStack() as held:
            clients = {name: held.enter_context(connect(service.port)) for name in DRIPS}
            for name, client in clients.items():
                client.sendall(DRIPS[name][0])
            said = drip({client: DRIPS[name][1] for name, client in clients.items()})
        found = {name: [answer.code for answer in answers(said[client])] for name, client in clients.items()}
        expected: dict[str, list[str | None]] = {name: ["request-timeout"] for name in DRIPS}
        expected["a second request"] = [None, "request-timeout"]
        expected["a request behind a refusal"] = ["not-found", "request-timeout"]
        assert expected == found
        assert allows(service.port, "one", "https://one.example") is True
    finally:
        service.kill()


@pytest.mark.usefixtures("many_files")
def test_silent_connections(policies: Path) -> None:
    """Of a thousand connections that send nothing as many stay open as there may be, those that came last, and honest
    clients are served all the while: over new connections, and over one that was there from the beginning.
    """
    service = serve(policies, f"--max-connections={CAP}")
    try:
        with ExitStack() as held:
            regular = held.enter_context(connect(service.port))
            silent = []
            for number in range(SILENT):
                silent.append(held.enter_context(connect(service.port)))
                if number % BURST == 0:
                    # What comes while the queue of the system is full would be tried again after a second.
                    assert allows(service.port, "one", "https://one.example") is True
                    regular.sendall(get())
                    assert len(answers(regular.recv(2**16))) == 1
            assert ask(service.port, "/v1/status").json["stale"] is False
            cut = [is_cut(client) for client in silent]
            # The regular one is open too, and the one that asked last may be.
            assert CAP - 2 <= cut.count(False) <= CAP - 1
            assert sorted(cut, reverse=True) == cut
    finally:
        service.kill()


def is_cut(client: socket.socket) -> bool:
    """Whether the server has cut a connection over which it has sent nothing."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True

"""What only Caddy does: it drops a client's headers by their names, and may ask somebody else than the service."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Thread

import pytest

from tests.e2e.gateways.caddy import GATEWAY
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.guarding import ON
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import PARTNER, PATH, assert_served


def test_long_headers(world: World, tmp_path: Path) -> None:
    """Those that browsers send are not passed on to the service, and so may be longer than what it reads."""
    lines = [
        ("Origin", PARTNER),
        ("Cookie", f"session={'1' * 7000}"),
        ("Authorization", f"Bearer {'1' * 5000}"),
        ("Referer", f"{PARTNER}/{'1' * 3000}"),
    ]
    with running(GATEWAY, tmp_path, world.application, world.switch.port) as port:
        assert_served(GatewaySubject(port, world.switch).ask("GET", PATH, lines), PARTNER)


@pytest.mark.parametrize("changes", [{}, ON["caddy"]], ids=["decides", "guards"])
def test_answer_of_somebody_else(changes: dict[str, str], world: World, tmp_path: Path) -> None:
    """What is answered without a decision is asked once more, and so has its headers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        changes = {**GATEWAY.patient, **changes, "lb_policy least_conn": "lb_policy first"}
        with running(GATEWAY, tmp_path, world.application, port, changes, second=world.service) as gateway:
            listener.listen()
            stranger = Thread(target=_answer_once, args=(listener,))
            stranger.start()
            # For a moment, Caddy leaves it out, since nobody was there before.
            while stranger.is_alive():
                assert_served(GatewaySubject(gateway).ask("GET", PATH, [("Origin", PARTNER)]), PARTNER)


def _answer_once(listener: socket.socket) -> None:
    """Answer one request as an application does that knows nothing of decisions, and be gone."""
    connection, _ = listener.accept()
    listener.close()
    with connection:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

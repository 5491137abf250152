"""Tests of how many connections wait until they are accepted."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent

from cors_service.daemon.backlog import warn_if_capped, with_backlog
from cors_service.daemon.start import make_endpoint
from tests.observing import observed_by

DESCRIPTIONS = {
    "tcp:8080": "tcp:backlog=1024:8080",
    "tcp:8080:interface=127.0.0.1": "tcp:backlog=1024:8080:interface=127.0.0.1",
    r"tcp:8080:interface=\:\:1": r"tcp:backlog=1024:8080:interface=\:\:1",
    "tcp:8080:127.0.0.1": "tcp:backlog=1024:8080:127.0.0.1",
    "tcp6:8080": "tcp6:backlog=1024:8080",
    "haproxy:tcp6:8080": "haproxy:tcp6:backlog=1024:8080",
    "unix:/run/a.sock": "unix:backlog=1024:/run/a.sock",
    "unix:/run/a.sock:660": "unix:backlog=1024:/run/a.sock:660",
    r"unix:/run/a\:backlog=1": r"unix:backlog=1024:/run/a\:backlog=1",
    "haproxy:tcp:8080": "haproxy:tcp:backlog=1024:8080",
    "ssl:8443:privateKey=a:certKey=b": "ssl:backlog=1024:8443:privateKey=a:certKey=b",
    # The operator's own.
    "tcp:8080:backlog=7": "tcp:8080:backlog=7",
    "tcp:backlog=7:8080": "tcp:backlog=7:8080",
    "tcp:8080:127.0.0.1:7": "tcp:8080:127.0.0.1:7",
    "tcp6:8080:7": "tcp6:8080:7",
    "unix:/run/a.sock:660:7": "unix:/run/a.sock:660:7",
    # Others have one already, or none of ours.
    "https:8443:key=a:cert=b": "https:8443:key=a:cert=b",
    "systemd:domain=INET:index=0": "systemd:domain=INET:index=0",
    "stdio:": "stdio:",
}


@pytest.mark.parametrize(("description", "expected"), DESCRIPTIONS.items())
def test_description(description: str, expected: str) -> None:
    """An endpoint of Twisted's gets our backlog, unless the operator has given it one."""
    assert expected == with_backlog(description)


def backlog_of(description: str) -> int:
    """Listen on a TCP endpoint, and ask the system how many connections may wait there."""
    ports: list[Any] = []
    make_endpoint(description, reactor).listen(Factory.forProtocol(Protocol)).addCallback(ports.append)
    [port] = ports  # it listens at once
    try:
        # tcp_info(7): of a socket that listens, `tcpi_sacked` is the backlog.
        told = port.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        return int(struct.unpack_from("=8B24I", told)[8 + 5])
    finally:
        port.connectionLost(None)


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="needs Linux")
@pytest.mark.parametrize(
    ("description", "expected"),
    [("tcp:0:interface=127.0.0.1", 1024), ("tcp:0:interface=127.0.0.1:backlog=7", 7)],
)
def test_listens(description: str, expected: int) -> None:
    """What listens has that backlog, unless the system caps it."""
    most = int(Path("/proc/sys/net/core/somaxconn").read_text("ascii"))
    assert min(expected, most) == backlog_of(description)


@pytest.mark.parametrize(
    ("most", "descriptions", "warns"),
    [
        ("128\n", ["tcp:8080"], True),
        ("128\n", ["systemd:domain=INET:index=0", "unix:/run/a.sock"], True),
        ("128\n", ["systemd:domain=INET:index=0"], False),
        ("1024\n", ["tcp:8080"], False),
        ("4096\n", ["tcp:8080"], False),
        ("", ["tcp:8080"], False),
    ],
)
def test_capped(most: str, descriptions: list[str], warns: bool, tmp_path: Path) -> None:
    """A system that lets fewer connections wait at a socket of ours is worth a warning."""
    (path := tmp_path / "somaxconn").write_text(most, encoding="ascii")
    logged: list[LogEvent] = []
    with observed_by(logged.append):
        warn_if_capped(descriptions, path)
    assert warns == bool(logged)


def test_no_linux(tmp_path: Path) -> None:
    """Where the system does not say, there is nothing to warn of."""
    logged: list[LogEvent] = []
    with observed_by(logged.append):
        warn_if_capped(["tcp:8080"], tmp_path / "nothing")
    assert logged == []

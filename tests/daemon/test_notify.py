"""Tests of what systemd is told, with a datagram socket in its place."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from twisted.logger import LogEvent, formatEvent

from cors_service.daemon.notify import Notifier
from tests.observing import observed_by

if sys.platform == "win32":
    pytest.skip("systemd is for Linux", allow_module_level=True)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.setblocking(False)
        yield receiver


def told(manager: socket.socket) -> list[str]:
    """What the manager was told until now: the first line of each message."""
    lines = []
    while True:
        try:
            lines.append(manager.recv(1 << 12).decode("ascii").splitlines()[0])
        except BlockingIOError:
            return lines


def notifier(manager: socket.socket) -> Notifier:
    """Make a notifier that has started."""
    made = Notifier(manager.getsockname())
    made.startService()
    return made


def test_life(manager: socket.socket) -> None:
    """The manager hears when the service is ready, when it reloads and has reloaded, and when it stops."""
    service = notifier(manager)
    service.ready()
    service.reloading()
    service.reloaded()
    service.stopService()
    assert told(manager) == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_time_of_a_reload(manager: socket.socket) -> None:
    """A reload has the time of the monotonic clock, in microseconds, as Type=notify-reload wants it."""
    service = notifier(manager)
    service.ready()
    manager.recv(1 << 12)
    service.reloading()
    first, second = manager.recv(1 << 12).decode("ascii").split("\n")
    name, _, number = second.partition("=")
    assert (first, name, number.isdecimal()) == ("RELOADING=1", "MONOTONIC_USEC", True)


def test_reload_at_the_wrong_time(manager: socket.socket) -> None:
    """A reload makes nobody believe that a service is ready which starts or stops."""
    service = notifier(manager)
    service.reloading()
    service.reloaded()
    assert told(manager) == []
    service.ready()
    service.reloading()
    service.stopService()
    service.reloaded()
    assert told(manager) == ["READY=1", "RELOADING=1", "STOPPING=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has abstract sockets")
def test_abstract_socket(tmp_path: Path) -> None:
    """An address that begins with @ is the name of an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = f"cors-service{tmp_path}"[-100:]
        receiver.bind(f"\0{name}")
        receiver.setblocking(False)
        service = Notifier(f"@{name}")
        service.ready()
        assert told(receiver) == ["READY=1"]


def test_address_is_not_passed_on(manager: socket.socket) -> None:
    """The address is taken out of the environment, so that a process that the service starts can't speak for it."""
    environment = {"NOTIFY_SOCKET": manager.getsockname(), "HOME": "/"}
    Notifier.of(environment).ready()
    assert (told(manager), environment) == (["READY=1"], {"HOME": "/"})


@pytest.mark.parametrize("address", [None, ""])
def test_no_manager(address: str | None) -> None:
    """Where nobody asked to be told, nothing is sent and nothing is logged."""
    events: list[LogEvent] = []
    with observed_by(events.append):
        service = Notifier(address)
        service.startService()
        service.ready()
        service.stopService()
    assert events == []


@pytest.mark.parametrize("address", ["/absent/socket", "vsock:2:1234", "@" + "a" * 200])
def test_manager_cannot_be_told(address: str) -> None:
    """A manager that can't be told is an error in the log, and the service goes on."""
    events: list[LogEvent] = []
    with observed_by(events.append):
        Notifier(address).ready()
    [text] = map(formatEvent, events)
    assert text.startswith("Can't tell the service manager 'READY=1': ")

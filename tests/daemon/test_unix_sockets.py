"""Tests of the mode of Unix sockets, as Twisted reads it from the description of an endpoint."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from cors_service.daemon.unix_sockets import for_the_group


class Recorder:
    """Takes the place of a reactor, and keeps what it was told to listen on."""

    def __init__(self) -> None:
        self.listening: dict[str, Any] = {}

    def listenUNIX(self, address: str, factory: object, **options: Any) -> None:
        """Keep it."""
        self.listening = {"address": address} | options


def listening(description: str) -> dict[str, Any]:
    """What the endpoint of a description listens on."""
    recorder = Recorder()
    serverFromString(cast(Any, recorder), description).listen(Factory())
    return recorder.listening


@pytest.mark.parametrize(
    ("description", "mode"),
    [
        ("unix:/run/a.sock", 0o660),
        ("unix:address=/run/a.sock", 0o660),
        ("unix:/run/a.sock:backlog=5", 0o660),
        ("unix:/run/a.sock:lockfile=0", 0o660),
        ("haproxy:unix:/run/a.sock", 0o660),
        (r"unix:/run/a\:unix\:b", 0o660),
        (r"unix:/run/a\:666", 0o660),
        ("unix:/run/a.sock:mode=666", 0o666),
        ("unix:mode=600:address=/run/a.sock", 0o600),
        ("unix:/run/a.sock:640", 0o640),
        ("haproxy:unix:/run/a.sock:mode=777", 0o777),
    ],
)
def test_mode(description: str, mode: int) -> None:
    """A Unix socket is for its owner and group unless its description has a mode, and stays what it was otherwise."""
    plain, ours = listening(description), listening(for_the_group(description))
    assert (plain | {"mode": mode}) == ours


@pytest.mark.parametrize(
    "description", ["tcp:8080", "systemd:domain=UNIX:index=0", r"tcp:80:interface=\:\:1", "unix", ""]
)
def test_other_endpoints(description: str) -> None:
    """What is not a Unix socket stays as it is, and so does what is not an endpoint."""
    assert description == for_the_group(description)


def test_without_it_everybody_may_connect() -> None:
    """Twisted itself lets everybody connect, which is why there is something to do."""
    assert listening("unix:/run/a.sock")["mode"] == 0o666
    assert re.fullmatch("unix:mode=660:/run/a.sock", for_the_group("unix:/run/a.sock"))

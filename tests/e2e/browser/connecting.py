"""Connections to browsers, over which they are driven: by Chromium's DevTools protocol or by WebDriver BiDi.

WebDriver BiDi: https://www.w3.org/TR/webdriver-bidi/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests.e2e.daemons import DEADLINE

from .processes import running

_PREFERENCES: Final = {
    # What is said to be loopback may be called by any name.
    "network.dns.localDomains": "rebound.example,plain.example",
    # What a new profile asks for, and a few things that would get in the way.
    "app.normandy.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Connection:
    """A connection to a browser.

    Attributes:
        events: What the browser told without being asked, by the names of events.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self.events: list[tuple[str, dict[str, Any]]] = []

    def ask(self, method: str, *, session: str | None = None, **parameters: object) -> Any:
        """Ask the browser for something."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        self._socket.send(json.dumps(message if session is None else {**message, "sessionId": session}))
        while True:
            answer = json.loads(self._socket.recv(DEADLINE))
            if answer.get("id") == self._count:
                assert "error" not in answer, f"{method}: {answer}"
                return answer["result"]
            self.events.append((answer["method"], answer["params"]))


@contextmanager
def connected_to_firefox(firefox: str, directory: Path) -> Iterator[Connection]:
    """Run a headless Firefox with an empty profile until the block ends.

    Args:
        firefox: The path of the browser.
        directory: Where profile and log may lie; empty.
    """
    (profile := directory / "profile").mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    arguments = [firefox, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with running(arguments, directory / "firefox.log", {"HOME": str(directory)}) as browser:
        address = browser.said(r"WebDriver BiDi listening on (ws://\S+)")[1]
        # One that shows an Origin is refused. A thread that sends pings would use `random`, which makes properties fail
        # that run meanwhile.
        with connect(f"{address}/session", origin=None, max_size=None, proxy=None, ping_interval=None) as socket:
            yield Connection(socket)

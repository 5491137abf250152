"""A client of WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/), as much of it as Firefox needs here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from cors_service.browser import Behaviour

from .processes import DEADLINE, running

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


class Firefox:
    """A running browser.

    Attributes:
        engine: What drives it.
        version: Of the browser.
    """

    engine = Behaviour.FIREFOX

    def __init__(self, driver: ClientConnection, *, any_certificate: bool = False) -> None:
        self._driver = driver
        self._count = 0
        self._printed: list[str] = []
        wanted = {"alwaysMatch": {"acceptInsecureCerts": any_certificate}}
        self.version: str = self._command("session.new", capabilities=wanted)["capabilities"]["browserVersion"]
        self._context = self._command("browsingContext.getTree")["contexts"][0]["context"]
        self._command("session.subscribe", events=["log.entryAdded"])

    def open(self, url: str) -> None:
        """Load a page."""
        self._command("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, with its arguments; the last one takes the result."""
        listed = ", ".join([*map(json.dumps, arguments), "done"])
        body = f"new Promise(done => (function () {{ {script} }})({listed})).then(JSON.stringify)"
        target = {"context": self._context}
        answer = self._command("script.evaluate", expression=body, target=target, awaitPromise=True)
        return json.loads(answer["result"].get("value", "null"))

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call."""
        # What the process of the page has printed is here when that process answers.
        self.run("arguments[0]()")
        printed, self._printed = self._printed, []
        return printed

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message that was printed is about one of these URLs."""
        return any(url in message for url in urls)

    def _command(self, method: str, **parameters: object) -> Any:
        self._count += 1
        self._driver.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._driver.recv(DEADLINE))
            if answer.get("method") == "log.entryAdded":
                self._printed.append(answer["params"]["text"] or "")
            elif answer.get("id") == self._count:
                assert answer["type"] == "success", f"{method}: {answer}"
                return answer["result"]


@contextmanager
def running_firefox(firefox: str, directory: Path, *, any_certificate: bool = False) -> Iterator[Firefox]:
    """Run a headless browser with an empty profile until the block ends.

    Args:
        firefox: The path of the browser.
        directory: Where profile and log may lie; empty.
        any_certificate: Whether it takes the certificate of any server.
    """
    (profile := directory / "profile").mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in _PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines), encoding="utf-8")
    arguments = [firefox, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"]
    with running(arguments, directory / "firefox.log", {"HOME": str(directory)}) as browser:
        address = browser.said(r"WebDriver BiDi listening on (ws://\S+)")[1]
        # One that shows an Origin is refused.
        with connect(f"{address}/session", origin=None, max_size=None, proxy=None) as driver:
            yield Firefox(driver, any_certificate=any_certificate)

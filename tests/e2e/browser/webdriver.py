"""A client of the WebDriver protocol (https://www.w3.org/TR/webdriver2/), as much of it as is needed here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from cors_service.browser import Behaviour
from tests.e2e.daemons import DEADLINE

from .processes import running

_SWITCHES = [
    "--headless",
    "--no-sandbox",  # which Chromium can't set up in containers
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    # Some are not resolved otherwise.
    "--host-resolver-rules=MAP *.localhost 127.0.0.1, MAP rebound.example 127.0.0.1, MAP plain.example 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--metrics-recording-only",
]
_ATTEMPTS = 3
"""How often the driver is started, if it does not find a port."""
_PLACE = re.compile(r"\A\S+ (?:-|[\d:]+) ")
"""The URL before a message, and the line and column or none."""
_FEATURES_OFF = "IsolateSandboxedIframes"  # the driver misses what those print to the console


class Browser:
    """A running browser.

    Attributes:
        version: Of the browser.
    """

    def __init__(self, driver: HTTPConnection, session: str, version: str) -> None:
        self._driver = driver
        self._session = session
        self.version = version

    def open(self, url: str) -> None:
        """Load a page."""
        self._command("POST", "url", {"url": url})

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page.

        Args:
            script: JavaScript; its last argument is the function to call with the result.
            arguments: Its first arguments.
        """
        return self._command("POST", "execute/async", {"script": script, "args": arguments})

    def evaluate(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, and give what it returns, also if the page is about to be left.

        Where it is, a result that is handed over by a call may be lost, and the driver waits for it in vain.

        Args:
            script: JavaScript.
            arguments: Its arguments.
        """
        return self._command("POST", "execute/sync", {"script": script, "args": arguments})

    def _command(self, method: str, name: str, parameters: object) -> Any:
        return command(self._driver, method, f"/session/{self._session}/{name}", parameters)


class Chromium(Browser):
    """A running Chromium."""

    engine = Behaviour.CHROMIUM

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call, without where it was printed."""
        entries = self._command("POST", "se/log", {"type": "browser"})
        return [_PLACE.sub("", entry["message"]) for entry in entries]

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message that was printed is about one of these URLs."""
        return any(f"'{url}'" in message for url in urls)


def command(driver: HTTPConnection, method: str, path: str, parameters: object = None) -> Any:
    """Send one command to the driver.

    Raises:
        AssertionError: The driver answered with an error.
    """
    body = None if parameters is None else json.dumps(parameters)
    driver.request(method, path, body, {"Content-Type": "application/json"})
    response = driver.getresponse()
    value = json.loads(response.read())["value"]
    assert response.status == 200, f"{path}: {value.get('error')}: {value.get('message')}"
    return value


def _port_of_driver(chromedriver: str, directory: Path, environment: dict[str, str], stack: ExitStack) -> int:
    """Start the driver, and give its port.

    It looks for a port that is free for IPv6, and ends if somebody has the same one for IPv4.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(AssertionError):
            return _start_driver(chromedriver, directory, environment, stack)
    return _start_driver(chromedriver, directory, environment, stack)


def _start_driver(chromedriver: str, directory: Path, environment: dict[str, str], stack: ExitStack) -> int:
    process = stack.enter_context(running([chromedriver, "--port=0"], directory / "driver.log", environment))
    return int(process.said(r"started successfully on port (\d+)")[1])


@contextmanager
def running_chromium(
    chromium: str,
    chromedriver: str,
    directory: Path,
    *,
    files: bool = False,
    extension: Path | None = None,
    further: Sequence[str] = (),
) -> Iterator[Chromium]:
    """Run a headless browser with an empty profile until the block ends.

    Args:
        chromium: The path of the browser.
        chromedriver: The path of its driver.
        directory: Where profile and log may lie; empty.
        files: Whether files have an origin, as they do in applications that are made of Chromium.
        extension: The directory of an extension to load.
        further: Switches for it.
    """
    switches = [*_SWITCHES, *further, *(["--allow-file-access-from-files"] if files else [])]
    if extension is None:
        switches += ["--disable-extensions", f"--disable-features={_FEATURES_OFF}"]
    else:
        off = f"{_FEATURES_OFF},DisableLoadExtensionCommandLineSwitch"
        switches += [f"--load-extension={extension}", f"--disable-features={off}"]
    (profile := directory / "profile").mkdir()
    # Whatever it wants to write beside its profile goes to the same place.
    environment = {name: str(directory) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR")}
    # Started here and not by the driver, which would leave it behind if the tests were killed.
    arguments = [chromium, *switches, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
    with ExitStack() as stack:
        browser = stack.enter_context(running(arguments, directory / "chromium.log", environment))
        address = browser.said(r"DevTools listening on ws://([^/]+)/")[1]
        port = _port_of_driver(chromedriver, directory, environment, stack)
        driver = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE + 60)))
        wanted = {
            "goog:chromeOptions": {"debuggerAddress": address},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 60_000, "pageLoad": 30_000},
        }
        session = command(driver, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        yield Chromium(driver, session["sessionId"], session["capabilities"]["browserVersion"])

"""Runs WebKit, in the small browser that comes with WebKitGTK; it takes a screen, which nobody sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from cors_service.browser import Behaviour
from tests.answering import free_port
from tests.e2e.daemons import DEADLINE, wait_for
from tests.e2e.gateways.gateway import accepts

from .processes import running
from .webdriver import Browser, command

_BROWSERS: Final = "webkit2gtk-4.*/MiniBrowser"
"""Where it lies, below the directory of the libraries for the machine's architecture."""


class WebKit(Browser):
    """A running WebKit."""

    engine = Behaviour.WEBKIT

    def console(self) -> list[str]:
        """Take what was printed: nothing, as a browser that is driven keeps it to itself; see `driven.py`."""
        return []

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message is about one of these URLs."""
        return any(url in message for url in urls)


@contextmanager
def running_screen(xvfb: str, directory: Path) -> Iterator[dict[str, str]]:
    """Run an X server until the block ends.

    Args:
        xvfb: Its path.
        directory: Where its log may lie, and what browsers write.

    Yields:
        The environment of a browser that shows itself there.
    """
    with running([xvfb, "-displayfd", "1"], directory / "screen.log") as screen:
        number = screen.said(r"(?m)^(\d+)$")[1]
        yield {
            "DISPLAY": f":{number}",
            "HOME": str(directory),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        }


def small_browser() -> str:
    """The path of the small browser."""
    (browser,) = Path("/usr/lib").glob(f"*/{_BROWSERS}")
    return str(browser)


@contextmanager
def running_webkit(driver: str, xvfb: str, directory: Path) -> Iterator[WebKit]:
    """Run the browser with an empty profile until the block ends.

    Args:
        driver: The path of its driver.
        xvfb: The path of the X server.
        directory: Where profile and logs may lie; empty.
    """
    with ExitStack() as stack:
        environment = stack.enter_context(running_screen(xvfb, directory))
        port = free_port()
        process = stack.enter_context(running([driver, f"--port={port}"], directory / "driver.log", environment))
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE + 60)))
        wait_for(lambda: process.alive() and accepts(port), "the driver of WebKit")
        wanted = {"webkitgtk:browserOptions": {"binary": small_browser(), "args": ["--automation"]}}
        session = command(connection, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        yield WebKit(connection, session["sessionId"], session["capabilities"]["browserVersion"])

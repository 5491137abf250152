"""Runs WebKit, in the small browser that comes with WebKitGTK; it takes a screen, which nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from tests.e2e.gateways.gateway import accepts, free_port

from .processes import DEADLINE, running, wait_for
from .webdriver import Browser, command

_BROWSERS: Final = "webkit2gtk-4.*/MiniBrowser"
"""Where it lies, below the directory of the libraries for the machine's architecture."""


@contextmanager
def running_webkit(driver: str, xvfb: str, directory: Path) -> Iterator[Browser]:
    """Run the browser with an empty profile until the block ends.

    Args:
        driver: The path of its driver.
        xvfb: The path of the X server.
        directory: Where profile and logs may lie; empty.
    """
    (browser,) = Path("/usr/lib").glob(f"*/{_BROWSERS}")
    with ExitStack() as stack:
        screen = stack.enter_context(running([xvfb, "-displayfd", "1"], directory / "screen.log"))
        number = screen.said(r"(?m)^(\d+)$")[1]
        environment = {
            "DISPLAY": f":{number}",
            "HOME": str(directory),
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
        }
        port = free_port()
        process = stack.enter_context(running([driver, f"--port={port}"], directory / "driver.log", environment))
        connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", port, timeout=DEADLINE + 60)))
        wait_for(lambda: process.alive() and accepts(port), "the driver of WebKit")
        wanted = {"webkitgtk:browserOptions": {"binary": str(browser), "args": ["--automation"]}}
        session = command(connection, "POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        yield Browser(connection, session["sessionId"], session["capabilities"]["browserVersion"])

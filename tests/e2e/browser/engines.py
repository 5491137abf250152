"""The three browser engines, by name."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from cors_service.browser import Behaviour
from tests.e2e.requirements import need

from .firefox import running_firefox
from .webdriver import running_chromium
from .webkit import running_webkit


class Browser(Protocol):
    """A running browser.

    Attributes:
        engine: What drives it.
        version: Of the browser.
    """

    engine: Behaviour
    version: str

    def open(self, url: str) -> None:
        """Load a page."""

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page; its last argument takes the result."""

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call, without where it was printed."""

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message that was printed may be about one of these URLs."""


def running_engine(engine: Behaviour, directory: Path) -> AbstractContextManager[Browser]:
    """Run a browser with an empty profile until the block ends, or end the test if it is not installed.

    Args:
        engine: Which.
        directory: Where its profile and logs may lie; empty.
    """
    match engine:
        case Behaviour.CHROMIUM:
            browser, driver = need("chromium", "chromedriver")
            return running_chromium(browser, driver, directory)
        case Behaviour.FIREFOX:
            (browser,) = need("firefox-esr")
            return running_firefox(browser, directory)
        case _:
            driver, screen = need("WebKitWebDriver", "Xvfb")
            return running_webkit(driver, screen, directory)

"""Runs WebKit without a driver: one that is driven has no history, and prints nothing for the sake of privacy.

So its page drives itself: it asks the site that it belongs to for what to do next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cors_service.browser import Behaviour
from tests.e2e.daemons import DEADLINE

from .answering import AnsweringSite
from .processes import running
from .webkit import running_screen, small_browser

_PLACE: Final = re.compile(r"\A(?:\S+:\d+:\d+: )?CONSOLE (?:[A-Z]+ )?(?:LOG|INFO|WARN|ERROR|DEBUG) ")
"""Where a message was printed, and what kind of a message it is."""


class DrivenWebKit:
    """A running WebKit that prints to its console.

    Attributes:
        engine: What drives it.
        version: Of the browser.
    """

    engine = Behaviour.WEBKIT

    def __init__(self, site: AnsweringSite, log: Path) -> None:
        self._site = site
        self._log = log
        self._taken = 0
        agent: str = self.run("arguments[0](navigator.userAgent)")
        self.version = agent.rpartition("Version/")[2].partition(" ")[0]

    def open(self, url: str) -> None:
        """Load a page of the site that is driven."""
        self._site.orders.put({"script": "location.href = arguments[0];", "parameters": [url]})
        self.run("arguments[0]();")

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page; its last argument takes the result."""
        self._site.orders.put({"script": script, "parameters": arguments})
        return self._site.results.get(timeout=DEADLINE)

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call, without where it was printed."""
        with self._log.open("rb") as log:
            log.seek(self._taken)
            printed = log.read()
        self._taken += len(printed)
        return [_PLACE.sub("", line) for line in printed.decode(errors="replace").splitlines() if line]

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message may be about one of these URLs: most name none."""
        return " cannot load " not in message or any(url in message for url in urls)


@contextmanager
def running_driven_webkit(xvfb: str, site: AnsweringSite, page: str, directory: Path) -> Iterator[DrivenWebKit]:
    """Run the browser with an empty profile until the block ends; it takes the certificate of any server.

    Args:
        xvfb: The path of the X server.
        site: The site of its pages.
        page: The URL of the first one, which is driven.
        directory: Where profile and logs may lie; empty.
    """
    options = ["--enable-write-console-messages-to-stdout=true", "--ignore-tls-errors"]
    # Standard output is a file here, which the browser would fill by the block.
    arguments = ["stdbuf", "-oL", small_browser(), *options, page]
    with (
        running_screen(xvfb, directory) as environment,
        running(arguments, directory / "webkit.log", environment) as browser,
    ):
        yield DrivenWebKit(site, browser.log)

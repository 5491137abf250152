"""Firefox, driven by WebDriver BiDi."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cors_service.browser import Behaviour

from .connecting import Connection, connected_to_firefox


class Firefox:
    """A running browser.

    Attributes:
        engine: What drives it.
        version: Of the browser.
    """

    engine = Behaviour.FIREFOX

    def __init__(self, connection: Connection, *, any_certificate: bool = False) -> None:
        self._connection = connection
        wanted = {"alwaysMatch": {"acceptInsecureCerts": any_certificate}}
        self.version: str = connection.ask("session.new", capabilities=wanted)["capabilities"]["browserVersion"]
        self._context = connection.ask("browsingContext.getTree")["contexts"][0]["context"]
        connection.ask("session.subscribe", events=["log.entryAdded"])

    def open(self, url: str) -> None:
        """Load a page."""
        self._connection.ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, with its arguments; the last one takes the result."""
        listed = ", ".join([*map(json.dumps, arguments), "done"])
        return self._value(f"new Promise(done => (function () {{ {script} }})({listed})).then(JSON.stringify)")

    def evaluate(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page, with its arguments, and give what it returns."""
        return self._value(f"JSON.stringify((function () {{ {script} }})({', '.join(map(json.dumps, arguments))}))")

    def console(self) -> list[str]:
        """Take what was printed to the console since the last call."""
        # What the process of the page has printed is here when that process answers.
        self.run("arguments[0]()")
        told, self._connection.events = self._connection.events, []
        return [entry["text"] or "" for name, entry in told if name == "log.entryAdded"]

    def cookies(self) -> list[dict[str, Any]]:
        """All cookies that it has."""
        found: list[dict[str, Any]] = self._connection.ask("storage.getCookies")["cookies"]
        return found

    def is_about(self, message: str, urls: Sequence[str]) -> bool:
        """Say whether a message that was printed is about one of these URLs."""
        return any(url in message for url in urls)

    def _value(self, expression: str) -> Any:
        target = {"context": self._context}
        answer = self._connection.ask("script.evaluate", expression=expression, target=target, awaitPromise=True)
        return json.loads(answer["result"].get("value", "null"))


@contextmanager
def running_firefox(firefox: str, directory: Path, *, any_certificate: bool = False) -> Iterator[Firefox]:
    """Run a headless browser with an empty profile until the block ends.

    Args:
        firefox: The path of the browser.
        directory: Where profile and log may lie; empty.
        any_certificate: Whether it takes the certificate of any server.
    """
    with connected_to_firefox(firefox, directory) as connection:
        yield Firefox(connection, any_certificate=any_certificate)

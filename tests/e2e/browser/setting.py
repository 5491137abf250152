"""The setting of these tests: the service, the application that asks it, and the browser that asks that."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any

from .cases import LOGGED_IN, Case
from .engines import Browser
from .prediction import Service
from .processes import running, running_service

_POLICIES = Path(__file__).with_name("policies.toml")
_ROOT = str(Path(__file__).parents[3])
_PORTS = "abcd"  # their names in the policies
_ATTEMPT = "const done = arguments[2]; attemptAllIn(arguments[0], arguments[1]).then(done)"

Entry = dict[str, Any]
"""What the application logged of one request; see application.py."""


class Application:
    """The running application.

    Attributes:
        ports: On which it serves pages and answers, ascending.
    """

    def __init__(self, control: int, ports: Sequence[int]) -> None:
        self._control = control
        self.ports = ports

    def change(self, **settings: str) -> None:
        """Change ``service`` (the URL to ask) or ``fault`` (what to do wrong)."""
        self._ask("PUT", json.dumps(settings))

    def take_log(self) -> list[Entry]:
        """Take what it received since the last call."""
        log: list[Entry] = json.loads(self._ask("GET"))
        return log

    def _ask(self, method: str, body: str | None = None) -> bytes:
        with closing(HTTPConnection("127.0.0.1", self._control, timeout=30)) as connection:
            connection.request(method, "/", body)
            return connection.getresponse().read()


@contextmanager
def running_application(directory: Path) -> Iterator[tuple[Application, Service]]:
    """Run the application and the service that it asks, until the block ends.

    Args:
        directory: Where logs and policies may lie; empty.
    """
    arguments = [sys.executable, "-m", "tests.e2e.browser.application", str(len(_PORTS))]
    path = os.pathsep.join([_ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])
    with running(arguments, directory / "application.log", {"PYTHONPATH": path}) as process:
        control, *ports = json.loads(process.said(r"ports (.*)\n")[1])
        document = directory / "policies.toml"
        numbers = dict(zip(_PORTS, ports, strict=True))
        document.write_text(Template(_POLICIES.read_text(encoding="utf-8")).substitute(numbers), encoding="utf-8")
        application = Application(control, ports)
        with running_service(document, directory) as port:
            application.change(service=f"http://127.0.0.1:{port}/v1/decision")
            yield application, Service(port)


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        result: What the script saw; see harness.js.
        received: What reached the application.
        console: What the browser printed about it; in WebKit, which names no URL, about all that its page made.
    """

    result: dict[str, Any]
    received: list[Entry]
    console: list[str]


def attempt(browser: Browser, application: Application, cases: Sequence[Case]) -> Iterator[Outcome]:
    """Let a browser try cases, one page after another.

    Args:
        browser: The browser.
        application: What it asks.
        cases: In any order, but a page is loaded again wherever it is not that of the case before.

    Yields:
        An outcome for each case, in order.
    """
    browser.open(f"http://{LOGGED_IN}:{application.ports[0]}/_login")
    application.take_log()
    browser.console()
    for (page, context), group in groupby(cases, key=lambda case: (case.page, case.context)):
        browser.open(f"{page}/_page")
        tried = list(group)
        results = attempt_in(browser, context, [_request(case) for case in tried])
        log, console = application.take_log(), browser.console()
        for case, result in zip(tried, results, strict=True):
            own = [entry for entry in log if entry["url"] in case.urls]
            yield Outcome(result, own, [message for message in console if browser.is_about(message, case.urls)])


def attempt_in(browser: Browser, context: str, requests: Sequence[Entry]) -> list[Entry]:
    """Let the open page make requests in a context of its own, such as a frame; see harness.js."""
    results: list[Entry] = browser.run(_ATTEMPT, context, requests)
    return results


def _request(case: Case) -> dict[str, Any]:
    return {"url": case.urls[0], "method": case.method, "headers": case.headers, "credentials": case.credentials}

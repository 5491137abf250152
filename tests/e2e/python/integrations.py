"""Python's own integrations, and how an application with one of them is run."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.daemons import Process
from tests.e2e.frameworks.further import FURTHER, Further
from tests.e2e.gateways.gateway import BOUND, Cannot
from tests.e2e.scenarios import SCENARIOS, Scenario, State, Subject

APPLICATIONS: Final = Path(__file__).with_name("applications")


@dataclass(frozen=True)
class Integration:
    """What protects an application.

    Attributes:
        name: That of the program in applications/.
        title: What it is called in documents.
        packages: What it takes to run it: names of modules.
        cannot: What it can't do, by the names of scenarios.
    """

    name: str
    title: str
    packages: tuple[str, ...]
    cannot: Mapping[str, Cannot] = field(default_factory=dict)


INTEGRATIONS: Final = (
    Integration("twisted_site", "`ProtectedResource` (Twisted)", ("treq",)),
    Integration("wsgi_flask", "WSGI (Flask on waitress)", ("flask", "waitress")),
    Integration(
        "asgi_starlette",
        "ASGI (Starlette on uvicorn)",
        ("starlette", "uvicorn"),
        {
            "odd_paths_are_kept": Cannot(
                r"/catalogue/\?",
                "ASGI can't distinguish a URL that ends in a lone `?` from one without it; nothing else does either.",
            )
        },
    ),
)
"""All of them."""

SHARED: Final = [scenario for scenario in SCENARIOS if not scenario.for_gateways]
"""The scenarios that an application shares with gateways."""
ROWS: Final[list[Scenario | Further]] = sorted([*SHARED, *FURTHER], key=lambda row: row.number)
"""All, in order."""


def needs_service(row: Scenario | Further) -> bool:
    """Whether it takes a service that is asked, so that it does not apply to policies that are embedded."""
    return row.number == 10 or isinstance(row, Further)


class Embedded(Subject):
    """An application that has its policies in it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def service(self, state: State) -> AbstractContextManager[None]:
        """There is none to replace."""
        raise NotImplementedError


@contextmanager
def running(integration: Integration, how: str, what: str, directory: Path) -> Iterator[int]:
    """Run an application until the block ends; skips or fails the test if something is not installed.

    Args:
        integration: What protects it.
        how: `embedded` or `remote`.
        what: The file with the policies, or the URL of the service.
        directory: The current one.

    Yields:
        The port on which it listens.
    """
    missing = [name for name in integration.packages if importlib.util.find_spec(name) is None]
    if missing:
        reason = f"needs {', '.join(missing)}: pip install 'cors-service[test]'"
        if os.environ.get("E2E") == "require":
            pytest.fail(f"{reason} (a failure and not a skip, because of E2E=require)", pytrace=False)
        pytest.skip(reason)
    program = str(APPLICATIONS / f"{integration.name}.py")
    process = Process([*BOUND, sys.executable, program, how, what], directory)
    try:
        yield int(process.said(r"port (\d+)")[1])
    finally:
        process.kill()

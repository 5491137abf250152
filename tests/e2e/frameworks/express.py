"""Express, on Node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.frameworks.framework import Framework


def build(programs: Sequence[str]) -> Sequence[Sequence[str]]:
    """Install what the lock file pins."""
    _, npm = programs
    return [[npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]]


def application(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """The application of the tests."""
    node, _ = programs
    return [node, str(directory / "application.js")]


def example(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """What `npm start` runs."""
    node, _ = programs
    return [node, str(directory / "server.js")]


FRAMEWORK: Final = Framework(
    name="express",
    title="Express",
    programs=("node", "npm"),
    build=build,
    application=application,
    example=example,
)

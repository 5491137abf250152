"""Flask, and with it all that is WSGI, on waitress."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.frameworks.framework import Framework


def build(programs: Sequence[str]) -> Sequence[Sequence[str]]:
    """Install what requirements.txt pins, into an environment of its own."""
    pip = [str(Path("environment/bin/python")), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    return [[sys.executable, "-m", "venv", "environment"], [*pip, "--requirement", "requirements.txt"]]


def application(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """The application of the tests."""
    return [str(directory / "environment/bin/python"), str(directory / "application.py")]


def example(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """What its README says."""
    return [str(directory / "environment/bin/python"), str(directory / "app.py")]


FRAMEWORK: Final = Framework(
    name="flask",
    title="Flask",
    programs=(),
    build=build,
    application=application,
    example=example,
)

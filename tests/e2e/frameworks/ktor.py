"""Ktor, in Kotlin, on Netty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.frameworks.framework import Framework
from tests.e2e.frameworks.spring_boot import SMALL, package


def application(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """The application of the tests."""
    java, _ = programs
    return [java, *SMALL, "-cp", str(directory / "target" / "ktor-catalogue-1.jar"), "Scenarios"]


def example(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """As README.md says."""
    java, _ = programs
    return [java, *SMALL, "-jar", str(directory / "target" / "ktor-catalogue-1.jar")]


FRAMEWORK: Final = Framework(
    name="ktor",
    title="Ktor",
    programs=("java", "mvn"),
    build=package,
    application=application,
    example=example,
)

"""Spring Boot with WebFlux, in Kotlin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.e2e.frameworks.framework import Framework

SMALL: Final = ("-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Lets a virtual machine start sooner and take less, on a machine where several run beside each other."""


def package(programs: Sequence[str]) -> Sequence[Sequence[str]]:
    """As README.md says, but for the compiler's daemon, which would be left running for two hours."""
    _, mvn = programs
    return [[mvn, "--quiet", "--batch-mode", "-Dkotlin.compiler.daemon=false", "package"]]


def example(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """As README.md says."""
    java, _ = programs
    return [java, *SMALL, "-jar", str(directory / "target" / "spring-catalogue-1.jar")]


def application(programs: Sequence[str], directory: Path) -> Sequence[str]:
    """The application of the tests, which takes as many headers as a scenario has."""
    options = ("--spring.profiles.active=scenarios", "--server.max-http-request-header-size=16KB")
    return [*example(programs, directory), *options]


FRAMEWORK: Final = Framework(
    name="spring-boot",
    title="Spring Boot",
    programs=("java", "mvn"),
    build=package,
    application=application,
    example=example,
)

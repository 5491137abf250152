"""All frameworks."""

from __future__ import annotations

from typing import Final

from tests.e2e.frameworks import express, flask, ktor, spring_boot

FRAMEWORKS: Final = (
    express.FRAMEWORK,
    flask.FRAMEWORK,
    spring_boot.FRAMEWORK,
    ktor.FRAMEWORK,
)

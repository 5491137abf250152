"""The files that a browser loads beside a page."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from cors_service.console.assets import ASSETS
from tests.console.visits import ConsoleOffice, Read

FOREIGN = {
    # htmx.org 2.0.11, dist/htmx.min.js
    "htmx.min.js": ("d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717", "Zero-Clause BSD"),
    # uplot 1.6.32, dist/uPlot.iife.min.js and dist/uPlot.min.css
    "uplot.min.js": ("19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f", "The MIT License"),
    "uplot.min.css": ("df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04", "The MIT License"),
}
"""The SHA-256 of each file that others wrote, as their packages have it, and what its licence begins with."""


@pytest.fixture
def office(tmp_path: Path) -> ConsoleOffice:
    """Give an admin process on this machine."""
    return ConsoleOffice(tmp_path)


def test_as_they_were_published() -> None:
    """What others wrote is byte for byte what they published, with its licence beside it."""
    for name, (digest, licence) in FOREIGN.items():
        assert hashlib.sha256(ASSETS[name].content).hexdigest() == digest
        beside = files("cors_service.console").joinpath("static", f"{name.partition('.')[0]}.LICENSE")
        assert beside.read_text(encoding="utf-8").startswith(licence)


def test_for_ever(office: ConsoleOffice) -> None:
    """A file is named by its content, so that browsers keep it for ever, and is of the type that its name says."""
    visitor = office.visitor()
    for asset in ASSETS.values():
        answer = visitor.visit(asset.url)
        assert answer.status == 200
        assert answer.body == asset.content
        assert answer.header("Content-Type") == asset.media_type
        assert answer.header("Cache-Control") == "public, max-age=31536000, immutable"
        assert answer.header("X-Content-Type-Options") == "nosniff"
    assert visitor.visit("/static/console.css").status == 404
    assert visitor.visit(f"{ASSETS['console.css'].url}/more").status == 404


def test_all_that_a_page_loads(office: ConsoleOffice) -> None:
    """A page loads nothing from elsewhere, and all that it loads is there."""
    visitor = office.visitor()
    page = Read(visitor.visit("/"))
    loaded = [*page.all("script", "src"), *page.all("link", "href"), *page.all("img", "src")]
    assert len(loaded) == 6
    assert all(visitor.visit(url).status == 200 for url in loaded)

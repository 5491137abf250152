"""One console with a service that reports to it, and one browser of each kind, for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.browser.firefox import running_firefox
from tests.e2e.browser.webdriver import running_chromium
from tests.e2e.console.people import ChromiumPerson, FirefoxPerson, Person
from tests.e2e.console.places import Place, running_place
from tests.e2e.requirements import need


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A console that knows its people, with a replica."""
    with running_place(tmp_path_factory.mktemp("place"), replicas=1) as started:
        yield started


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[ChromiumPerson]:
    """Somebody in front of Chromium."""
    browser, driver = need("chromium", "chromedriver")
    with running_chromium(browser, driver, tmp_path_factory.mktemp("chromium")) as running:
        yield ChromiumPerson(running, place.address)


@pytest.fixture(scope="session")
def firefox(tmp_path_factory: pytest.TempPathFactory, place: Place) -> Iterator[FirefoxPerson]:
    """Somebody in front of Firefox."""
    (browser,) = need("firefox-esr")
    with running_firefox(browser, tmp_path_factory.mktemp("firefox"), any_certificate=True) as running:
        yield FirefoxPerson(running, place.address)


@pytest.fixture(params=["chromium", "firefox"])
def person(request: pytest.FixtureRequest) -> Person:
    """Somebody in front of either, signed out."""
    found: Person = request.getfixturevalue(request.param)
    found.sign_out()
    found.violations()
    return found


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    return (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")

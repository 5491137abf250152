"""One browser, one application and one service for all tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.requirements import need

from .prediction import Service
from .setting import Application, running_application
from .webdriver import Chromium, running_chromium


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A headless browser with an empty profile."""
    browser, driver = need("chromium", "chromedriver")
    with running_chromium(browser, driver, tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture(scope="session")
def setting(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Application, Service]]:
    """The application and the service, once it is known that there is a browser for them."""
    directory: Path = tmp_path_factory.mktemp("application")
    with running_application(directory) as started:
        yield started


@pytest.fixture
def application(setting: tuple[Application, Service]) -> Iterator[Application]:
    """The application, which makes no mistakes but those of the test."""
    application, _ = setting
    application.take_log()
    yield application
    application.change(fault="none")


@pytest.fixture(scope="session")
def service(setting: tuple[Application, Service]) -> Service:
    """The service, to be asked directly."""
    return setting[1]

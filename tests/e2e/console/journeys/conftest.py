"""One browser and one fleet for all journeys; each person has a context of its own, with their own session.

Both end with the module: as long as Playwright runs, no other test of the process can begin a loop of asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.console.journeys.fleets import Fleet, running_fleet
from tests.e2e.requirements import need, need_module

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

SWITCHES: Final = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking")
PATIENCE: Final = 30_000
"""Milliseconds for anything to happen on a page."""

SignIn = Callable[[str], "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium, driven by Playwright."""
    playwright = need_module("playwright.sync_api")
    [chromium] = need("chromium")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as started:
        running = started.chromium.launch(executable_path=chromium, args=[*SWITCHES])
        yield running
        running.close()


@pytest.fixture(scope="module")
def fleet(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The admin process and three replicas, once it is known that there is a browser for them."""
    with running_fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture
def contexts(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Give a function that makes a browser without cookies.

    An error of a script, or what the policy of content security keeps from being done, fails the test.
    """
    wrong: list[str] = []
    with ExitStack() as stack:

        def fresh(*, has_scripts: bool = True) -> BrowserContext:
            context = browser.new_context(java_script_enabled=has_scripts)
            stack.callback(context.close)
            context.set_default_timeout(PATIENCE)
            context.on("weberror", lambda error: wrong.append(str(error.error)))
            context.on("console", lambda said: wrong.append(said.text) if "Content Security" in said.text else None)
            return context

        yield fresh
    assert wrong == []


@pytest.fixture
def sign_in(contexts: Callable[..., BrowserContext], fleet: Fleet) -> SignIn:
    """Give a function that signs somebody in by their name, and gives their page."""
    return lambda name: signed_in(contexts().new_page(), fleet, name)


@pytest.fixture
def plain(contexts: Callable[..., BrowserContext], fleet: Fleet) -> SignIn:
    """Give a function that does the same in a browser without scripts."""
    return lambda name: signed_in(contexts(has_scripts=False).new_page(), fleet, name)


def signed_in(page: Page, fleet: Fleet, name: str) -> Page:
    """Sign somebody in by their name."""
    page.goto(fleet.url)
    page.get_by_label("Token").fill(f"token-of-{name}")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Overview", exact=True).wait_for()
    return page

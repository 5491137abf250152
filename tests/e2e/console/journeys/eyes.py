"""What people wait for on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def expect(found: Locator) -> Any:
    """Give Playwright's assertions about something on a page: each waits until it holds, for some seconds."""
    from playwright.sync_api import expect as expecting  # a machine without it skips these tests

    return expecting(found)

"""What people see on a page, or can't."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_AXE: Final = Path(__file__).parents[1] / "axe.min.js"


def expect(found: Locator) -> Any:
    """Give Playwright's assertions about something on a page: each waits until it holds, for some seconds."""
    from playwright.sync_api import expect as expecting  # a machine without it skips these tests

    return expecting(found)


def unreadable(page: Page) -> list[str]:
    """Give what axe-core finds on a page as it is now, in light and in dark: what some people can't use."""
    found: list[str] = []
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        violations = page.evaluate("axe.run().then((found) => found.violations)")
        found += [f"{scheme}: {one['id']}: {[node['html'] for node in one['nodes']]}"[:500] for one in violations]
    return found

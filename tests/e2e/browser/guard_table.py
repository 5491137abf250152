"""The table of docs/guard.md: what browsers send, and what a guard makes of it."""

from __future__ import annotations

from typing import Final

from cors_service.decision.decision import PASSES
from tests.e2e.tables import Place

from .guard_rows import ROWS

PLACE: Final = Place("guard.md", "tests.e2e.browser.guard_table")

_SHOWN: Final = {
    "own-post": "the site's own page sends JSON",
    "own-image": "the site's own page shows an image",
    "own-form-no-referrer": "the site's own page, with `Referrer-Policy: no-referrer`, sends a form",
    "listed-read": "a listed page reads",
    "listed-image": "a listed page shows an image",
    "opened": "a person types the address, or has a bookmark",
    "link": "a foreign page has a link",
    "form": "a foreign page sends a form",
    "simple-post": "a foreign page sends plain text",
    "form-no-referrer": "a foreign page, with `Referrer-Policy: no-referrer`, sends a form",
    "sandbox-read": "a sandboxed frame reads",
    "own-form-led-on": "a form that a foreign site redirected here, with a 307",
    "image": "a foreign page shows an image",
    "frame": "a foreign page shows a frame",
    "sibling-image": "a page of a sub-domain shows an image",
    "events": "a foreign page opens an `EventSource`",
    "own-websocket": "the site's own page opens a WebSocket",
    "websocket": "a foreign page opens a WebSocket",
    "plain-image": "a foreign page shows an image of a name without TLS",
    "rebound-read": "a page whose name leads to the site reads",
    "rebound-post": "a page whose name leads to the site sends JSON",
}


def _table() -> str:
    lines = ["| who does what | `Origin` | `Sec-Fetch-Site`, `-Mode`, `-Dest` | passes |", "|---|---|---|---|"]
    rows = {row.name: row for row in ROWS}
    for name, title in _SHOWN.items():
        row = rows[name]
        sent = row.sent_by("chromium")
        origin = "" if sent.origin is None else "`null`" if sent.origin == "null" else "the page's"
        fetch = " ".join(value for value in sent[1:] if value)
        passes = "yes" if row.code in PASSES else "**no**"
        lines.append(f"| {title} | {origin} | {f'`{fetch}`' if fetch else ''} | {passes}: `{row.code}` |")
    return "\n".join([*lines, "", ""])


TABLE: Final = _table()

if __name__ == "__main__":
    PLACE.write(TABLE)

"""What every page has: its head, the links to the others, who is signed in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import htpy as h
from msgspec import Struct

from cors_service.console.assets import ASSETS
from cors_service.console.console import Section
from cors_service.console.parts import name as shown_name
from cors_service.console.parts import post_form
from cors_service.console.sign_in_form import SIGN_OUT

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With `no-referrer`, browsers would leave out the Origin of forms.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""The headers of every page."""
MEDIA_TYPE: Final = "text/html; charset=utf-8"

# Neither styles of its own nor code in attributes: the policy of the page allows none.
_HTMX: Final = json.dumps(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "historyCacheSize": 0,
        # A part that says what went wrong is shown, too.
        "responseHandling": [{"code": "204", "swap": False}, {"code": "...", "swap": True}],
    }
)


class Frame(Struct, frozen=True, kw_only=True):
    """What is around the content of a page.

    Attributes:
        title: Of the page.
        sections: The links that every page has; none for whoever is not signed in.
        section: The path of the one that the page belongs to.
        viewer: The name of whoever looks; None if that is not known.
        can_sign_out: Whether there is a session to end.
        scripts: The names of the files that it needs, beside what every page has.
        styles: The same of style sheets.
        then: Where to go at once; None to stay.
    """

    title: str
    sections: Sequence[Section] = ()
    section: str = ""
    viewer: str | None = None
    can_sign_out: bool = False
    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    then: str | None = None


def document(frame: Frame, *content: h.Node) -> bytes:
    """Write a page."""
    drawn = h.html(lang="en")[
        h.head[
            h.meta(charset="utf-8"),
            h.meta(name="viewport", content="width=device-width, initial-scale=1"),
            h.meta(name="color-scheme", content="light dark"),
            h.meta(name="htmx-config", content=_HTMX),
            frame.then is not None and h.meta(http_equiv="refresh", content=f"0; url={frame.then}"),
            h.title[f"{frame.title} · cors-service"],
            h.link(rel="icon", href=ASSETS["icon.svg"].url, type="image/svg+xml"),
            [h.link(rel="stylesheet", href=ASSETS[one].url) for one in (*frame.styles, "console.css")],
            [h.script(src=ASSETS[one].url, defer=True) for one in ("htmx.min.js", *frame.scripts)],
        ],
        h.body[
            h.a(".skip", href="#content")["To the content"],
            h.header(".top")[
                h.a(".brand", href="/")["cors-service"],
                bool(frame.sections) and _links(frame),
                frame.viewer is not None and _viewer(frame.viewer, can_sign_out=frame.can_sign_out),
            ],
            h.main("#content", tabindex="-1")[h.h1[frame.title], content],
        ],
    ]
    return str(drawn).encode("utf-8", "replace")


def fragment_of(*content: h.Node) -> bytes:
    """Write a part of a page."""
    return str(h.fragment[content]).encode("utf-8", "replace")


def _links(frame: Frame) -> h.Element:
    return h.nav(aria_label="Pages")[
        h.ul[
            [
                h.li[h.a(href=one.path, aria_current="page" if one.path == frame.section else None)[one.name]]
                for one in frame.sections
            ]
        ]
    ]


def _viewer(name: str, *, can_sign_out: bool) -> h.Element:
    return h.div(".viewer")[
        h.p[shown_name(name)],
        can_sign_out and post_form(SIGN_OUT, h.button(".quiet", type="submit")["Sign out"]),
    ]

"""What several pages show: names that anybody may have chosen, times, counts, tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote

import htpy as h

from cors_service.grammar.mistakes import cut, plural

LONGEST_NAME: Final = 256
"""Characters of a name that are shown."""

# What changes how others are shown, or shows nothing: controls, marks of direction, and what has no width.
_INVISIBLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def plain(text: str, limit: int = LONGEST_NAME) -> str:
    """Give a text that anybody may have written: cut, and with each invisible character written out."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", cut(text, limit))


def name(text: str) -> h.Element:
    """Draw a name; whatever direction it is written in, what stands around it keeps its own."""
    return h.bdi(".name")[plain(text)]


def policy_path(policy: str) -> str:
    """Give the path of the page of a policy."""
    return f"/policies/{quote(policy, safe='')}"


def policy_link(policy: str) -> h.Element:
    """Draw the name of a policy, which leads to its page."""
    return h.a(href=policy_path(policy))[name(policy)]


def count(number: int) -> str:
    """Write a number for people."""
    return f"{number:,}"


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number of things."""
    return f"{number:,} {plural(number, one, many)}"


def duration(seconds: float) -> str:
    """Write a time for people: 5 s, 10 min, 2 h, 90 days."""
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (seconds >= length and unit != "days"):
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def instant(text: str) -> h.Element:
    """Draw a time as RFC 3339 has it, to the second."""
    return h.time(datetime=text)[text[:19].replace("T", " ")]


def moment(seconds: float) -> h.Element:
    """Draw a time that is given in seconds since 1970."""
    return instant(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def badge(kind: str, words: str) -> h.Element:
    """Draw a word that stands out.

    Args:
        kind: `good`, `bad`, `warn` or `plain`.
        words: The word.
    """
    return h.span(class_=f"badge {kind}")[words]


def notice(kind: str, *content: h.Node, role: str | None = None) -> h.Element:
    """Draw a paragraph that stands out; the kinds are those of badges."""
    return h.p(class_=f"notice {kind}", role=role)[content]


def post_form(action: str, *content: h.Node, **attributes: str) -> h.Element:
    """Draw a form that sends something; headers that only browsers set show that no other page sends it.

    Args:
        action: The path that takes it.
        content: What is in it.
        attributes: Further ones.
    """
    return h.form(method="post", action=action, **attributes)[content]


def rows(
    caption: str, titles: Sequence[str], lines: Iterable[Sequence[h.Node]], *, right: Sequence[int] = ()
) -> h.Element:
    """Draw a table that scrolls by itself where it is too wide.

    Args:
        caption: What a screen reader calls it.
        titles: Those of its columns.
        lines: The cells of each row; the first one is its title.
        right: The places of columns that hold numbers.
    """

    def kind(place: int) -> str | None:
        return "number" if place in right else None

    return h.div(".scroll", role="region", aria_label=caption, tabindex="0")[
        h.table[
            h.thead[h.tr[[h.th(scope="col", class_=kind(place))[one] for place, one in enumerate(titles)]]],
            h.tbody[
                [
                    h.tr[
                        h.th(scope="row", class_=kind(0))[line[0]],
                        [h.td(class_=kind(place))[one] for place, one in enumerate(line[1:], 1)],
                    ]
                    for line in lines
                ]
            ],
        ]
    ]

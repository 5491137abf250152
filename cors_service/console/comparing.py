"""What a change of policies lets through and keeps back, drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import htpy as h

from cors_service.algebra import Comparison, Difference
from cors_service.console.parts import badge, count, plain, policy_link
from cors_service.review.text import MEANINGS, counted
from cors_service.review.words import answer_in_words, changed_headers, query_in_words

MOST: Final = 50
"""Differences that are drawn."""
_LONGEST: Final = 1000
_KINDS: Final = {"wider": "warn", "narrower": "bad", "other": "plain"}


def draw_comparison(comparison: Comparison) -> Iterator[h.Node]:
    """Draw all that two policy sets decide differently, each with a request that shows it."""
    if not comparison.differences and not comparison.unknown:
        yield h.p["Both decide alike about every request."]
        return
    yield h.p[f"{counted(comparison)}."]
    found = {one.direction for one in comparison.differences}
    yield h.ul[[h.li[direction_badge(one), " ", meaning] for one, meaning in MEANINGS.items() if one in found]]
    # What could not be compared counts as wider, so it comes first.
    yield from (
        h.p[badge("warn", "unknown"), " ", policy_link(one.policy), ": ", one.sentence] for one in comparison.unknown
    )
    yield h.ol(".differences")[[_difference(one) for one in comparison.differences[:MOST]]]
    more = len(comparison.differences) - MOST
    if more > 0:
        yield h.p[f"{count(more)} more are not shown."]


def direction_badge(direction: str) -> h.Element:
    """Draw in which direction something changes: `wider`, `narrower` or `other`."""
    return badge(_KINDS[direction], direction)


def _difference(one: Difference) -> h.Element:
    facts = (
        ("request", query_in_words(one.witness)),
        ("before", answer_in_words(one.before)),
        ("after", answer_in_words(one.after)),
        *changed_headers(one.before, one.after),
    )
    return h.li[
        h.p[direction_badge(one.direction), " ", policy_link(one.policy), ": ", plain(one.sentence, _LONGEST)],
        h.dl(".facts")[[(h.dt[title], h.dd[plain(text, _LONGEST)]) for title, text in facts]],
    ]

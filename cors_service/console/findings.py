"""Draws what a check of a change has found: mistakes at their lines, what widens, tests that would fail."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import htpy as h

from cors_service.console.checking import Checked, FailedTest, Mistaken
from cors_service.console.comparing import draw_comparison
from cors_service.console.parts import counted, notice, plain
from cors_service.grammar.mistakes import PolicyError, cut
from cors_service.ledger.entry import Touched

MOST_SHOWN: Final = 50
"""Mistakes, and definitions that a change touches, that are shown; the rest is counted."""
FINDINGS: Final = "findings"
"""The element that a check replaces."""
GUTTER: Final = "gutter"
_LONGEST_LINE: Final = 120
_LONGEST_TEXT: Final = 600


def draw_mistakes(mistaken: Mistaken, text: str) -> h.Node:
    """Draw the mistakes of a document, each with its line."""
    lines = text.split("\n")
    count = len(mistaken.mistakes) + mistaken.more
    return h.section(aria_labelledby="mistakes-title")[
        h.h2("#mistakes-title")[counted(count, "mistake")],
        h.ol(".mistakes")[(_mistake(one, lines) for one in mistaken.mistakes[:MOST_SHOWN])],
        count > MOST_SHOWN and h.p[f"These are the first {MOST_SHOWN}."],
    ]


def _mistake(one: PolicyError, lines: Sequence[str]) -> h.Node:
    at = None if one.line is None or one.line > len(lines) else lines[one.line - 1]
    return h.li[
        h.span(".line")[f"Line {one.line}" if one.line else plain(one.where) or "The document"],
        at is not None and h.code(".source")[plain(at.strip(), _LONGEST_LINE)],
        h.span(".message")[plain(one.message, _LONGEST_TEXT)],
        bool(one.hint) and h.span(".hint")[plain(one.hint, _LONGEST_TEXT)],
        h.code(".code")[one.code],
    ]


def draw_gutter(text: str, lines: Iterable[int], *, is_swapped: bool = False) -> h.Node:
    """Draw the numbers of the lines of a document; those with mistakes are marked.

    Args:
        text: The document.
        lines: The lines with mistakes.
        is_swapped: Whether it replaces the one that a page has, beside what else a check answers.
    """
    marked = set(lines)
    numbers = range(1, text.count("\n") + 2)
    drawn = [h.mark[f"✗ {one}"] if one in marked else str(one) for one in numbers]
    swap = {"hx-swap-oob": "true"} if is_swapped else {}
    return h.pre(swap, id=GUTTER, class_="gutter", aria_hidden="true")[([one, "\n"] for one in drawn)]


def draw_checked(checked: Checked, *, needs_second: bool) -> h.Node:
    """Draw what a change would do.

    Args:
        checked: What it would do.
        needs_second: Whether somebody else would have to approve it.
    """
    if not checked.changes:
        return notice("plain", "Nothing changes: the policies say this already.")
    return [
        h.p[f"It would change {changes_in_words(checked.changes)}."],
        needs_second and notice("warn", "Somebody else must approve this: publishing proposes it."),
        draw_failures(checked.failures),
        draw_comparison(checked.comparison),
    ]


def changes_in_words(changes: Sequence[Touched]) -> str:
    """Name what a change does to definitions."""
    done = {(False, True): "new", (True, False): "removed", (True, True): "changed", (False, False): "changed"}
    named = [
        f"{one.kind.replace('-', ' ')} {plain(one.name)} ({done[one.before is not None, one.after is not None]})"
        for one in changes[:MOST_SHOWN]
    ]
    more = len(changes) - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def draw_failures(failures: Sequence[FailedTest]) -> h.Node:
    """Draw the tests that would fail."""
    if not failures:
        return None
    return h.section(aria_labelledby="tests-title")[
        h.h2("#tests-title")[f"{counted(len(failures), 'test')} would fail"],
        h.ul(".tests")[(_failure(one) for one in failures)],
    ]


def _failure(one: FailedTest) -> h.Node:
    title = f"{plain(one.suite)}: {plain(one.case)}" if one.case else plain(one.suite)
    return h.li[
        h.strong[title],
        bool(one.request) and h.p[plain(one.request, _LONGEST_TEXT)],
        h.ul[(h.li[plain(cut(problem, _LONGEST_TEXT))] for problem in one.problems)],
    ]

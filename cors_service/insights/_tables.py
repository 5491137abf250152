"""Tables of plain text that are no wider than a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from cors_service.grammar.mistakes import cut, shown

WIDTH: Final = 100


class Column(NamedTuple):
    """A column of a table.

    Attributes:
        title: What stands above it.
        width: Characters at most; longer texts are cut, and so are those of the widest column if all are too wide.
        right: Whether it holds numbers, which end at the same place.
    """

    title: str
    width: int
    right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Write the lines of a table, with two blanks before each column.

    Args:
        columns: The columns.
        rows: A text for each column; anybody may have written it.
    """
    cells = [tuple(column.title for column in columns), *(tuple(map(plain, row)) for row in rows)]
    longest = [max(map(len, texts)) for texts in zip(*cells, strict=True)]
    widths = [min(found, column.width) for found, column in zip(longest, columns, strict=True)]
    while sum(widths) + 2 * len(widths) > WIDTH:
        widths[widths.index(max(widths))] -= 1
    for row in cells:
        parts = [
            cut(text, width).rjust(width) if column.right else cut(text, width).ljust(width)
            for column, text, width in zip(columns, row, widths, strict=True)
        ]
        yield f"  {'  '.join(parts)}".rstrip()


def plain(text: str) -> str:
    """Give a text that anybody may have written without what a terminal takes for commands."""
    return text if text.isascii() and text.isprintable() else shown(text, WIDTH)


def number(count: int) -> str:
    """Write a count for people."""
    return f"{count:,}"


def share(part: int, total: int) -> str:
    """Write a share for people."""
    return f"{100 * part / total:.1f} %" if total else "-"


def duration(seconds: float) -> str:
    """Write a time for people: 5 s, 10 min, 2 h, 90 days."""
    for unit, length in (("days", 24 * 3600), ("h", 3600), ("min", 60)):
        if seconds >= length and (seconds != length or unit != "days"):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:g} s"

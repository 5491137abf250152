"""Tables in the documents: who does what it should in which scenario. The tests hold every cell to be true."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

_DOCS: Final = Path(__file__).parents[2] / "docs"
_END: Final = "<!-- So far. -->\n"


class Row(Protocol):
    """What is tried."""

    @property
    def number(self) -> int:
        """That of the list of scenarios."""

    @property
    def name(self) -> str:
        """In code."""

    @property
    def title(self) -> str:
        """In the table."""


class Tried(Protocol):
    """What it is tried on."""

    @property
    def title(self) -> str:
        """In the table."""

    @property
    def cannot(self) -> Mapping[str, Any]:
        """What it can't do, by the names of rows, with the way round it."""


class Place:
    """The place of a table, between two comments; `python -m MODULE` writes it there."""

    def __init__(self, document: str, module: str) -> None:
        self._path = _DOCS / document
        self._begin = f"<!-- Written by python -m {module}. -->\n"

    @property
    def text(self) -> str:
        """The whole document."""
        return self._path.read_text(encoding="utf-8")

    @property
    def table(self) -> str:
        """What it has as its table."""
        return self.text.partition(self._begin)[2].partition(_END)[0]

    def write(self, table: str) -> None:
        """Put a table there."""
        before, begin, rest = self.text.partition(self._begin)
        _, end, behind = rest.partition(_END)
        if not (begin and end):
            sys.exit(f"{self._path} has no place for the table")
        self._path.write_text(before + begin + table + end + behind, encoding="utf-8")


def table(rows: Sequence[Row], tried: Sequence[Tried]) -> str:
    """A table of a column for each, and below it how to get round what one can't do."""
    cells = [["**no**" if row.name in one.cannot else "yes" for one in tried] for row in rows]
    return written([one.title for one in tried], rows, cells, ways_round(rows, tried))


def written(titles: Sequence[str], rows: Sequence[Row], cells: Iterable[Sequence[str]], below: Iterable[str]) -> str:
    """Write a table of these cells, and lines below it."""
    head = ["", "", *titles]
    body = [[str(row.number), row.title, *of_row] for row, of_row in zip(rows, cells, strict=True)]
    lines = [f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body)]
    return "\n".join([*lines, "", *below]).rstrip("\n") + "\n\n"


def ways_round(rows: Sequence[Row], tried: Sequence[Tried]) -> Iterator[str]:
    """A line for each thing that one can't do."""
    for one in tried:
        for row in rows:
            if cannot := one.cannot.get(row.name):
                yield f"- {one.title}, {row.number}, *{row.title}*: {cannot.way_round}"

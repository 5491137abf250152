"""The table of the document. `python -m python.matrix`, run in tests/e2e, writes it there; a test holds it to be so."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from python.integrations import INTEGRATIONS, ROWS, needs_service

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "python.md"
BEGIN: Final = "<!-- Written by python -m python.matrix in tests/e2e. -->\n"
END: Final = "<!-- So far. -->\n"


def table() -> str:
    """The table, and below it what can't be done."""
    head = ["", "", *(f"{integration.title}, {how}" for integration in INTEGRATIONS for how in ("embedded", "remote"))]
    rows = [["---"] * len(head)]
    for row in ROWS:
        cells: list[str] = []
        for integration in INTEGRATIONS:
            remote = "**no**" if row.name in integration.cannot else "yes"
            cells += ["-" if needs_service(row) else remote, remote]
        rows.append([str(row.number), row.title, *cells])
    ways = [
        f"- {integration.title}, {row.number}, *{row.title}*: {integration.cannot[row.name].way_round}"
        for integration in INTEGRATIONS
        for row in ROWS
        if row.name in integration.cannot
    ]
    return "\n".join([*(f"| {' | '.join(cells)} |" for cells in (head, *rows)), "", *ways]).rstrip("\n") + "\n\n"


def written(text: str) -> str:
    """What a document has as its table."""
    return text.partition(BEGIN)[2].partition(END)[0]


def main() -> None:
    """Write the table into the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{DOCUMENT} has no place for the table")
    DOCUMENT.write_text(before + begin + table() + end + behind, encoding="utf-8")


if __name__ == "__main__":
    main()

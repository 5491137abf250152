"""The table of the document: which framework does what it should in which scenario.

The tests hold every cell of it to be true. `python -m frameworks.matrix`, run in tests/e2e, writes it into the
document.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scenarios import SCENARIOS, Scenario

from frameworks.framework import Framework
from frameworks.further import FURTHER, Further
from frameworks.registry import FRAMEWORKS

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "frameworks.md"
BEGIN: Final = "<!-- Written by python -m frameworks.matrix in tests/e2e. -->\n"
END: Final = "<!-- So far. -->\n"

SHARED: Final = [scenario for scenario in SCENARIOS if not scenario.for_gateways]
"""The scenarios that an application shares with gateways."""

ROWS: Final[list[Scenario | Further]] = sorted([*SHARED, *FURTHER], key=lambda row: row.number)


def table(frameworks: Sequence[Framework]) -> str:
    """The table, and below it how to get round what a framework can't do."""
    head = ["", "", *(framework.title for framework in frameworks)]
    rows = [["---"] * len(head)]
    for row in ROWS:
        cells = ["**no**" if row.name in framework.cannot else "yes" for framework in frameworks]
        rows.append([str(row.number), row.title, *cells])
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([*lines, "", *_ways_round(frameworks)]).rstrip("\n") + "\n\n"


def _ways_round(frameworks: Sequence[Framework]) -> Iterator[str]:
    for framework in frameworks:
        for row in ROWS:
            if cannot := framework.cannot.get(row.name):
                yield f"- {framework.title}, {row.number}, *{row.title}*: {cannot.way_round}"


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
    DOCUMENT.write_text(before + begin + table(FRAMEWORKS) + end + behind, encoding="utf-8")


if __name__ == "__main__":
    main()

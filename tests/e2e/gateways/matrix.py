"""The table of the document: which gateway does what it should in which scenario.

The tests hold every cell of it to be true. `python -m gateways.matrix`, run in tests/e2e, writes it into the document.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from scenarios import SCENARIOS

from gateways.gateway import Gateway
from gateways.registry import GATEWAYS

DOCUMENT: Final = Path(__file__).parents[3] / "docs" / "gateways.md"
BEGIN: Final = "<!-- Written by python -m gateways.matrix in tests/e2e. -->\n"
END: Final = "<!-- So far. -->\n"


def table(gateways: Sequence[Gateway]) -> str:
    """The table, and below it how to get round what a gateway can't do."""
    head = ["", "", *(gateway.title for gateway in gateways)]
    rows = [["---"] * len(head)]
    for scenario in SCENARIOS:
        cells = ["**no**" if scenario.name in gateway.cannot else "yes" for gateway in gateways]
        rows.append([str(scenario.number), scenario.title, *cells])
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([*lines, "", *_ways_round(gateways)]).rstrip("\n") + "\n\n"


def _ways_round(gateways: Sequence[Gateway]) -> Iterator[str]:
    for gateway in gateways:
        for scenario in SCENARIOS:
            if cannot := gateway.cannot.get(scenario.name):
                yield f"- {gateway.title}, {scenario.number}, *{scenario.title}*: {cannot.way_round}"


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
    DOCUMENT.write_text(before + begin + table(GATEWAYS) + end + behind, encoding="utf-8")


if __name__ == "__main__":
    main()

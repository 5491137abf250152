"""The table of docs/python.md, with two columns for each: policies of its own, and a service that is asked."""

from __future__ import annotations

from typing import Final

from tests.e2e.python.integrations import INTEGRATIONS, ROWS, needs_service
from tests.e2e.tables import Place, ways_round, written

PLACE: Final = Place("python.md", "tests.e2e.python.matrix")


def _table() -> str:
    titles = [f"{one.title}, {how}" for one in INTEGRATIONS for how in ("embedded", "remote")]
    cells: list[list[str]] = []
    for row in ROWS:
        remote = ["**no**" if row.name in one.cannot else "yes" for one in INTEGRATIONS]
        cells.append([cell for told in remote for cell in ("-" if needs_service(row) else told, told)])
    return written(titles, ROWS, cells, ways_round(ROWS, INTEGRATIONS))


TABLE: Final = _table()

if __name__ == "__main__":
    PLACE.write(TABLE)

"""The table of docs/frameworks.md."""

from __future__ import annotations

from typing import Final

from scenarios import SCENARIOS, Scenario
from tables import Place, table

from frameworks.further import FURTHER, Further
from frameworks.registry import FRAMEWORKS

SHARED: Final = [scenario for scenario in SCENARIOS if not scenario.for_gateways]
"""The scenarios that an application shares with gateways."""

ROWS: Final[list[Scenario | Further]] = sorted([*SHARED, *FURTHER], key=lambda row: row.number)

PLACE: Final = Place("frameworks.md", "frameworks.matrix")
TABLE: Final = table(ROWS, FRAMEWORKS)

if __name__ == "__main__":
    PLACE.write(TABLE)

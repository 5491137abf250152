"""The table of docs/frameworks.md."""

from __future__ import annotations

from typing import Final

from tests.e2e.frameworks.further import FURTHER, Further
from tests.e2e.frameworks.registry import FRAMEWORKS
from tests.e2e.scenarios import SCENARIOS, Scenario
from tests.e2e.tables import Place, table

SHARED: Final = [scenario for scenario in SCENARIOS if not scenario.for_gateways]
"""The scenarios that an application shares with gateways."""

ROWS: Final[list[Scenario | Further]] = sorted([*SHARED, *FURTHER], key=lambda row: row.number)

PLACE: Final = Place("frameworks.md", "tests.e2e.frameworks.matrix")
TABLE: Final = table(ROWS, FRAMEWORKS)

if __name__ == "__main__":
    PLACE.write(TABLE)

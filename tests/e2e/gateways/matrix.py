"""The table of docs/gateways.md."""

from __future__ import annotations

from typing import Final

from tests.e2e.gateways.registry import GATEWAYS
from tests.e2e.scenarios import SCENARIOS
from tests.e2e.tables import Place, table

PLACE: Final = Place("gateways.md", "tests.e2e.gateways.matrix")
TABLE: Final = table(SCENARIOS, GATEWAYS)

if __name__ == "__main__":
    PLACE.write(TABLE)

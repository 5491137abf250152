"""The table of docs/gateways.md."""

from __future__ import annotations

from typing import Final

from scenarios import SCENARIOS
from tables import Place, table

from gateways.registry import GATEWAYS

PLACE: Final = Place("gateways.md", "gateways.matrix")
TABLE: Final = table(SCENARIOS, GATEWAYS)

if __name__ == "__main__":
    PLACE.write(TABLE)

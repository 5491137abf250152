"""Minutes of load are for those who ask for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what lies here unless CORS_SOAK is set."""
    if os.environ.get("CORS_SOAK") != "1":
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="minutes of load: run it with CORS_SOAK=1"))

"""The document says of each framework what the tests hold to be true."""

from __future__ import annotations

import pytest

from tests.e2e.frameworks.framework import APPLICATIONS, EXAMPLES, Framework
from tests.e2e.frameworks.further import FURTHER
from tests.e2e.frameworks.matrix import PLACE, ROWS, SHARED, TABLE
from tests.e2e.frameworks.registry import FRAMEWORKS
from tests.e2e.scenarios import SCENARIOS


def test_document() -> None:
    """Its table is that of the code, and every framework has a section that names its folder."""
    assert PLACE.table == TABLE
    for framework in FRAMEWORKS:
        assert f"\n## {framework.title}\n" in PLACE.text
        assert f"(../examples/{framework.name}/)" in PLACE.text


def test_rows() -> None:
    """All that is not about proxies is there, once, and what is about an application that asks."""
    assert sum(scenario.for_gateways for scenario in SCENARIOS) == len(SCENARIOS) - len(SHARED)
    assert len({row.name for row in ROWS}) == len(ROWS) == len(SHARED) + len(FURTHER)
    assert {row.number for row in ROWS} == set(range(1, 14))


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_what_it_cannot_do(framework: Framework) -> None:
    """Whatever a framework is said not to do is a scenario, and there is a way round it."""
    assert framework.cannot.keys() <= {row.name for row in ROWS}
    assert all(cannot.instead and cannot.way_round for cannot in framework.cannot.values())


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_folders(framework: Framework) -> None:
    """There is an example, and an application of the tests that is laid over it without changing a file of it."""
    example, application = EXAMPLES / framework.name, APPLICATIONS / framework.name
    files = {path.relative_to(application) for path in application.rglob("*") if path.is_file()}
    assert files
    assert not [path for path in files if (example / path).exists()]

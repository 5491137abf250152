"""The document says of each gateway what the tests hold to be true."""

from __future__ import annotations

import re

import pytest

from tests.e2e.gateways.gateway import ETC, PORTS, Gateway
from tests.e2e.gateways.matrix import PLACE, TABLE
from tests.e2e.gateways.registry import GATEWAYS
from tests.e2e.scenarios import SCENARIOS


def test_document() -> None:
    """Its table is that of the code, and every gateway has a section that names its folder."""
    assert PLACE.table == TABLE
    for gateway in GATEWAYS:
        assert f"\n## {gateway.title}\n" in PLACE.text
        assert f"(../etc/{gateway.name}/)" in PLACE.text


def test_every_number_has_a_scenario() -> None:
    """The twelve that were agreed on, in order, and no name twice."""
    numbers = [scenario.number for scenario in SCENARIOS]
    assert sorted(numbers) == numbers
    assert set(numbers) == set(range(1, 13))
    assert len({scenario.name for scenario in SCENARIOS}) == len(SCENARIOS)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_what_it_cannot_do(gateway: Gateway) -> None:
    """Whatever a gateway is said not to do is a scenario, and there is a way round it."""
    assert gateway.cannot.keys() <= {scenario.name for scenario in SCENARIOS}
    assert all(cannot.instead and cannot.way_round for cannot in gateway.cannot.values())


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
def test_configuration(gateway: Gateway) -> None:
    """No address is in a configuration but those that are documented; they are what the tests replace."""
    ports = {str(port) for port in [*PORTS.values(), *gateway.ports.values()]}
    for path in (ETC / gateway.name).iterdir():
        assert set(re.findall(r"127\.0\.0\.1:(\d+)", path.read_text(encoding="utf-8"))) <= ports

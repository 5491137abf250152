"""One application and one service for all gateways; a process or two for each gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.gateways.gateway import Gateway, free_port, running
from tests.e2e.gateways.registry import GATEWAYS
from tests.e2e.gateways.world import GatewaySubject, World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """What is behind every gateway."""
    with running_world(tmp_path_factory.mktemp("world")) as started:
        yield started


@pytest.fixture(scope="session", params=GATEWAYS, ids=lambda gateway: gateway.name)
def gateway(request: pytest.FixtureRequest) -> Gateway:
    """Each gateway."""
    chosen: Gateway = request.param
    return chosen


@pytest.fixture(scope="session", params=["first", "second", "both"])
def subject(
    request: pytest.FixtureRequest, gateway: Gateway, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewaySubject]:
    """The gateway, as it is configured: with the service at both of its addresses, or nobody at one of them."""
    where: str = request.param
    service, second = (
        switch.port if where in {place, "both"} else free_port()
        for place, switch in (("first", world.switch), ("second", world.second))
    )
    directory = tmp_path_factory.mktemp(f"{gateway.name}-{where}")
    with running(gateway, directory, world.application, service, second=second) as port:
        yield GatewaySubject(port, world.switch, world.second)


@pytest.fixture(scope="session")
def by_url(gateway: Gateway, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """The gateway, with `-` wherever the name of the policy stands, so that the policy is found by the URL."""
    directory = tmp_path_factory.mktemp(f"{gateway.name}-by-url")
    with running(gateway, directory, world.application, world.service, {"catalogue": "-"}) as port:
        yield GatewaySubject(port, world.switch)

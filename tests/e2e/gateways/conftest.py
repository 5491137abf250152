"""One application and one service for all gateways; a process or two for each gateway."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.answering import free_port
from tests.e2e.gateways.gateway import Gateway, running
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


@pytest.fixture(scope="session")
def subject(gateway: Gateway, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """The gateway, as it is configured, with two instances of the service."""
    directory = tmp_path_factory.mktemp(gateway.name)
    service, second = world.switch.port, world.second.port
    with running(gateway, directory, world.application, service, second=second) as port:
        yield GatewaySubject(port, world.switch, world.second)


@pytest.fixture(scope="session", params=["first", "second"])
def with_one(
    request: pytest.FixtureRequest, gateway: Gateway, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewaySubject]:
    """The gateway, which waits longer, with the service at one of its two addresses and nobody at the other."""
    where: str = request.param
    directory = tmp_path_factory.mktemp(f"{gateway.name}-{where}")
    service, second = (free_port(), world.service) if where == "second" else (world.service, free_port())
    with running(gateway, directory, world.application, service, gateway.patient, second=second) as port:
        yield GatewaySubject(port)


@pytest.fixture(scope="session")
def by_url(gateway: Gateway, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """The gateway, with `-` wherever the name of the policy stands, so that the policy is found by the URL."""
    directory = tmp_path_factory.mktemp(f"{gateway.name}-by-url")
    with running(gateway, directory, world.application, world.service, {"catalogue": "-", **gateway.patient}) as port:
        yield GatewaySubject(port, world.switch)

"""What an application says about CORS is removed too where a web server does not call it by HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.e2e.gateways.calling import WAYS, Way, called
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, SCENARIOS, STRANGER, VARY, Scenario, State

DECIDING: Final = tuple(scenario for scenario in SCENARIOS if 3 <= scenario.number < 10)
"""The scenarios in which the application answers, and the service decides."""


def runs(scenario: Scenario, way: Way) -> bool:
    """Whether a scenario makes sense.

    By gRPC the application does not say what it received. Where it breaks off, Apache answers 500, but for FastCGI.
    """
    if way.protocol == "grpc":
        return scenario.number == 7
    breaks_off = scenario.name == "errors_of_proxy" and way.name in {"apache-cgi", "apache-scgi", "apache-uwsgi"}
    return scenario.name not in way.gateway.cannot and not breaks_off


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way."""
    chosen: Way = request.param
    return chosen


@pytest.fixture(scope="module")
def subject(way: Way, world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """A web server that calls the application in this way."""
    with called(way, world, tmp_path_factory.mktemp(way.name)) as subject:
        yield subject


def test_scenarios(way: Way, subject: GatewaySubject) -> None:
    """All holds that holds for an application that is called by HTTP."""
    for scenario in DECIDING:
        if runs(scenario, way):
            scenario.check(subject)


@pytest.mark.parametrize("state", [State.DOWN, State.ERROR, State.FORBIDDING])
def test_without_the_service(state: State, subject: GatewaySubject) -> None:
    """The application's own grant never takes the place of a decision."""
    with subject.service(state):
        for origin in (PARTNER, STRANGER):
            answer = subject.ask("GET", PATH, [("Origin", origin)])
            assert (answer.status, answer.is_of_application, answer.cors, answer.vary) == (200, True, {}, VARY)
    assert subject.ask("GET", PATH, [("Origin", PARTNER)]).cors == DECIDED[PARTNER]

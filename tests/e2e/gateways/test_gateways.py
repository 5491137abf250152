"""Every scenario against every gateway: it does what it should, or what it is said to do instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.browser import preflight_check, preflight_headers
from tests.e2e.daemons import wait_for
from tests.e2e.gateways.gateway import Gateway, accepts, running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import FORGED, PARTNER, PATH, SCENARIOS, STRANGER, VARY, Scenario, Subject, page, preflight

SELECTING = [scenario for scenario in SCENARIOS if scenario.number in {1, 2, 3, 4, 11}]
"""The scenarios in which it could matter how the policy is found."""

WITH_SERVICE = [scenario for scenario in SCENARIOS if scenario.number != 10]
"""The scenarios in which nobody replaces the service."""


def run(scenario: Scenario, gateway: Gateway, subject: Subject) -> None:
    """Hold a gateway to what it can do, and to what it is said not to do."""
    cannot = gateway.cannot.get(scenario.name)
    if cannot is None:
        scenario.check(subject)
    else:
        with pytest.raises(AssertionError, match=cannot.instead):
            scenario.check(subject)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario, gateway: Gateway, subject: Subject) -> None:
    """A gateway does what it should; and what it is said not to do, it does not."""
    run(scenario, gateway, subject)


@pytest.mark.parametrize("scenario", WITH_SERVICE, ids=lambda scenario: scenario.name)
def test_scenario_with_one_instance(scenario: Scenario, gateway: Gateway, with_one: Subject) -> None:
    """The same holds while one of the two instances is down, whichever it is."""
    run(scenario, gateway, with_one)


@pytest.mark.parametrize("scenario", SELECTING, ids=lambda scenario: scenario.name)
def test_scenario_by_url(scenario: Scenario, gateway: Gateway, by_url: Subject) -> None:
    """The same holds where the policy is found by the URL: a client can't lead to another policy."""
    run(scenario, gateway, by_url)


def test_policy_is_found_by_url(by_url: Subject, gateway: Gateway) -> None:
    """Each path has the policy that matches it, and none if none does, whatever the client claims."""
    public = {"access-control-allow-origin": "*"} if gateway.asks else {}
    for forged in ([], FORGED):
        lines = [("Origin", STRANGER), *forged]
        assert by_url.ask("GET", PATH, lines).cors == {}
        assert by_url.ask("GET", "/prices/1", lines).cors == public
        for path in ("/elsewhere", "/prices/%2e%2e/catalogue/1"):
            assert by_url.ask("GET", path, lines).cors == {}
    expected = {"/prices/1": True, PATH: False, "/elsewhere": False, "/prices/%2e%2e/catalogue/1": False}
    assert {path: is_allowed(by_url, path) for path in expected} == expected


def test_public_answers_do_not_vary(by_url: Subject, gateway: Gateway) -> None:
    """Where everybody gets the same, caches need not keep it for each origin; a gateway that can't know says so."""
    answer = by_url.ask("GET", "/prices/1", [("Origin", STRANGER)])
    assert answer.vary == (["accept-encoding"] if gateway.knows_vary else VARY)


def is_allowed(subject: Subject, path: str) -> bool:
    """Whether a preflight of the stranger is allowed."""
    request = page(STRANGER, "POST")
    answer = preflight(subject, request, path)
    return preflight_check(request, answer.status, answer.lines).allowed


def test_connections_to_the_service(gateway: Gateway, subject: GatewaySubject) -> None:
    """They are kept alive, or it is known that they are not."""
    before, times = subject.connections, 20
    with subject.connected() as connection:
        for _ in range(times):
            connection.ask("GET", PATH, [("Origin", PARTNER)])
            connection.ask("OPTIONS", PATH, preflight_headers(page(PARTNER, "PUT")))
    # Each worker of a gateway has its own, and perhaps one for each way to ask.
    assert gateway.keeps_connections == (subject.connections - before < times / 2)


def test_without_the_decision(gateway: Gateway, world: World, tmp_path: Path) -> None:
    """What the benchmark compares with is the gateway that does not ask; and nothing of it is left behind."""
    with running(gateway, tmp_path, world.application, world.service, gateway.undecided) as port:
        answer = GatewaySubject(port, world.switch).ask("GET", PATH, [("Origin", PARTNER)])
        assert answer.is_of_application
        assert "access-control-allow-origin" not in answer.cors
    wait_for(lambda: not accepts(port), f"the end of {gateway.name}")

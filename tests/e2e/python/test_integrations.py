"""Every scenario against every integration: it does what it should, with policies of its own and with a service's."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cors_service.browser import preflight_headers
from tests.e2e.frameworks.further import FURTHER, LONG, NEVER, Further
from tests.e2e.frameworks.world import Asking, Decider
from tests.e2e.python.integrations import INTEGRATIONS, ROWS, SHARED, Embedded, Integration, needs_service
from tests.e2e.python.matrix import PLACE, TABLE
from tests.e2e.scenarios import PARTNER, PATH, Scenario, page

EMBEDDED = [scenario for scenario in SHARED if not needs_service(scenario)]


def run(name: str, check: Callable[[], None], integration: Integration) -> None:
    """Hold an integration to what it can do, and to what it is said not to do."""
    cannot = integration.cannot.get(name)
    if cannot is None:
        check()
    else:
        with pytest.raises(AssertionError, match=cannot.instead):
            check()


@pytest.mark.parametrize("scenario", EMBEDDED, ids=lambda scenario: scenario.name)
def test_embedded(scenario: Scenario, integration: Integration, embedded: Embedded) -> None:
    """With policies of its own."""
    run(scenario.name, lambda: scenario.check(embedded), integration)


@pytest.mark.parametrize("scenario", SHARED, ids=lambda scenario: scenario.name)
def test_remote(scenario: Scenario, integration: Integration, remote: dict[int, Asking]) -> None:
    """With a service that is asked about every request."""
    run(scenario.name, lambda: scenario.check(remote[NEVER]), integration)


@pytest.mark.parametrize("scenario", EMBEDDED, ids=lambda scenario: scenario.name)
def test_remote_with_kept_decisions(scenario: Scenario, integration: Integration, remote: dict[int, Asking]) -> None:
    """The same holds for decisions that are used again: none is taken for another's."""
    run(scenario.name, lambda: scenario.check(remote[LONG]), integration)


@pytest.mark.parametrize("further", FURTHER, ids=lambda further: further.name)
def test_further(further: Further, integration: Integration, remote: dict[int, Asking]) -> None:
    """What an application answers in other ways, and what it keeps, is as it should be."""
    run(further.name, lambda: further.check(remote[further.ttl]), integration)


def test_connections_to_the_service(remote: dict[int, Asking], deciders: dict[int, Decider]) -> None:
    """They are kept alive."""
    switch, times = deciders[NEVER].switch, 20
    before = switch.connections
    with remote[NEVER].connected() as connection:
        for _ in range(times):
            connection.ask("GET", PATH, [("Origin", PARTNER)])
            connection.ask("OPTIONS", PATH, preflight_headers(page(PARTNER, "PUT")))
    assert switch.connections - before < times / 2


def test_document() -> None:
    """Its table is that of the code."""
    assert PLACE.table == TABLE
    assert {name for integration in INTEGRATIONS for name in integration.cannot} <= {row.name for row in ROWS}

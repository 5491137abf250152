"""What only HAProxy does: several lines of Origin, and answers of its own rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.guarding import ON
from tests.e2e.gateways.haproxy import GATEWAY
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, STRANGER, page, preflight

ASKS = "http-request lua.cors-decide catalogue if !{ var(txn.cors_preflight) -m bool }"
DENIES = "http-request deny if { path_end /secret }"


@pytest.fixture(scope="module")
def denying(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """It, with a rule behind the one that asks."""
    directory = tmp_path_factory.mktemp("haproxy")
    with running(GATEWAY, directory, world.application, world.switch.port, {ASKS: f"{ASKS}\n    {DENIES}"}) as port:
        yield GatewaySubject(port, world.switch)


def test_repeated_origin(denying: GatewaySubject) -> None:
    """All lines reach the service, which refuses what has more than one."""
    for origins in ((PARTNER, STRANGER), (PARTNER, PARTNER)):
        assert denying.ask("GET", PATH, [("Origin", origin) for origin in origins]).cors == {}


def test_denied_behind(denying: GatewaySubject) -> None:
    """Pages may read the refusal of a rule behind the one that asks; rules for requests hold for preflights too."""
    answer = denying.ask("GET", "/catalogue/secret", [("Origin", PARTNER)])
    assert (answer.status, answer.cors) == (403, DECIDED[PARTNER])
    assert preflight(denying, page(PARTNER, "PUT"), "/catalogue/secret").status == 403


def test_denied_before(world: World, tmp_path: Path) -> None:
    """Nothing is decided about what was refused before."""
    with running(GATEWAY, tmp_path, world.application, world.switch.port, {ASKS: f"{DENIES}\n    {ASKS}"}) as port:
        answer = GatewaySubject(port, world.switch).ask("GET", "/catalogue/secret", [("Origin", PARTNER)])
        assert (answer.status, answer.cors) == (403, {})


def test_broken_guard(world: World, tmp_path: Path) -> None:
    """Where the script fails that asks about a guard, HAProxy goes on; then a rule refuses whatever did not pass."""
    broken = {'local decided = answer.headers and answer.headers["cors-decision"]': 'error("on purpose")'}
    changes = {**ON["haproxy"], **broken}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, changes) as port:
        subject = GatewaySubject(port, world.switch)
        for lines in ([], [("Origin", PARTNER)]):
            answer = subject.ask("GET", PATH, lines)
            assert (answer.status, answer.is_of_application, answer.cors) == (503, False, {})

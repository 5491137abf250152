"""What only Traefik does: it grants what is written into its configuration, whatever has become of the service."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.e2e.daemons import ask, wait_for
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.traefik import GATEWAY
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import PARTNER, PATH, READER, STRANGER, State, assert_no_grant, page, preflight

OTHERS = {"Cross-Origin-Resource-Policy", "Timing-Allow-Origin"}
"""What is decided beside the headers of CORS."""


@pytest.fixture(scope="module")
def traefik(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """It, once it has read its configuration."""
    with running(GATEWAY, tmp_path_factory.mktemp("traefik"), world.application, world.switch.port) as port:
        subject = GatewaySubject(port, world.switch)
        wait_for(lambda: subject.ask("GET", PATH).status != 404, "its routers")
        yield subject


@pytest.mark.parametrize("origin", [PARTNER, READER, STRANGER, f"{PARTNER}:8443", "null", None])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_written_grants(method: str, origin: str | None, traefik: GatewaySubject, world: World) -> None:
    """They are those that the service decides, rule by rule."""
    target = f"/v1/decision?policy=catalogue&method={method}"
    decided = ask(world.service, f"{target}&origin={quote(origin)}" if origin else target).json["headers"]
    answer = traefik.ask(method, PATH, [("Origin", origin)] if origin else ())
    told = {*answer.cors.items(), *((name, value) for name, value in answer.lines if name in OTHERS)}
    assert told == {(name if name in OTHERS else name.lower(), value) for name, value in decided if name != "Vary"}


@pytest.mark.parametrize("state", [state for state in State if state is not State.UP])
def test_without_the_service(state: State, traefik: GatewaySubject) -> None:
    """The site serves, strangers get nothing, and a preflight fails."""
    with traefik.service(state):
        answer = traefik.ask("GET", PATH, [("Origin", STRANGER)])
        assert (answer.status, answer.is_of_application, answer.cors) == (200, True, {})
        assert traefik.ask("GET", PATH, [("Origin", PARTNER)]).status == 200
        request = page(PARTNER, "PUT", credentials=True)
        assert_no_grant(preflight(traefik, request), request)

"""Each gateway shows its token to a service that knows its callers, as docs/gateways.md says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cors_service.access.tokens import token_entry
from tests.e2e.daemons import ANY_PORT, TWIST, Service
from tests.e2e.gateways.gateway import BOUND, Gateway, running
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, POLICIES, SCENARIOS

TOKEN: Final = "hunter2-of-the-gateway"
_NGINX: Final = f"proxy_set_header X-Cors-Token {TOKEN};"
_HAPROXY: Final = f"http-request set-header X-Cors-Token {TOKEN}"
SHOWN: Final[dict[str, dict[str, str]]] = {
    "nginx": {
        "location = /.cors {": f"location = /.cors {{ {_NGINX}",
        "location @cors_preflight {": f"location @cors_preflight {{ {_NGINX}",
    },
    "haproxy": {
        "backend cors_preflight from cors\n": f"backend cors_preflight from cors\n    {_HAPROXY}\n",
        "listen cors_ask from cors\n": f"listen cors_ask from cors\n    {_HAPROXY}\n",
    },
    "caddy": {"(cors_service) {\n": f"(cors_service) {{\n\theader_up X-Cors-Token {TOKEN}\n"},
    "apache": {"local lines = {}\n": f'local lines = {{ "X-Cors-Token: {TOKEN}" }}\n'},
    "envoy": {
        "http_service:\n": "http_service:\n                        authorization_request:"
        f" {{headers_to_add: [{{key: x-cors-token, value: {TOKEN}}}]}}\n"
    },
    "traefik": {
        "middlewares: [cors-preflight, cors-silent]": "middlewares: [cors-token, cors-preflight, cors-silent]",
        "  middlewares:\n    cors-preflight:\n": "  middlewares:\n    cors-token:\n      headers:\n"
        f"        customRequestHeaders: {{X-Cors-Token: {TOKEN}}}\n    cors-preflight:\n",
    },
}
"""What to change in each configuration."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows one caller."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "policies.toml").write_text(POLICIES)
    (directory / "auth.toml").write_text(token_entry("gateway", TOKEN, ["decide"]))
    words = ["--policies", "policies.toml", "--auth", "auth.toml", "--listen", ANY_PORT]
    service = Service([*BOUND, *TWIST, *words], directory)
    yield service
    service.kill()


def test_token(gateway: Gateway, guarded: Service, world: World, tmp_path: Path) -> None:
    """With its token a gateway gets decisions as ever, whatever token its client shows."""
    changes = {**SHOWN[gateway.name], **gateway.patient}
    with running(gateway, tmp_path, world.application, guarded.port, changes) as port:
        subject = GatewaySubject(port, world.switch)
        for scenario in SCENARIOS:
            if scenario.number < 5 and scenario.name not in gateway.cannot:
                scenario.check(subject)
        lines = [("Origin", PARTNER), ("X-Cors-Token", "of-the-client"), ("Authorization", "Bearer of-the-client")]
        assert subject.ask("GET", PATH, lines).cors == DECIDED[PARTNER]
        preflight = subject.ask("OPTIONS", PATH, [*lines, ("Access-Control-Request-Method", "PUT")])
        assert preflight.status in {200, 204}


def test_no_token(gateway: Gateway, guarded: Service, world: World, tmp_path: Path) -> None:
    """Without a token the site works, without CORS headers, and preflights fail."""
    with running(gateway, tmp_path, world.application, guarded.port) as port:
        subject = GatewaySubject(port, world.switch)
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert answer.status == 200
        assert answer.is_of_application
        # Traefik does not ask: its configuration lists the grants.
        assert answer.cors == ({} if gateway.asks else DECIDED[PARTNER])
        preflight = subject.ask("OPTIONS", PATH, [("Origin", PARTNER), ("Access-Control-Request-Method", "PUT")])
        assert preflight.status >= 400
        assert preflight.cors == {}
    assert TOKEN not in "\n".join(guarded.out + guarded.err)

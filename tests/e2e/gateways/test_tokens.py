"""Each gateway shows its token to a service that knows its callers, as docs/gateways.md says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cors_service.access.tokens import token_entry
from tests.e2e.daemons import ANY_PORT, TWIST, Service
from tests.e2e.gateways.gateway import BOUND, Gateway, running
from tests.e2e.gateways.guarding import ON
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, HOST, PARTNER, PATH, POLICIES, SCENARIOS, STRANGER, page, preflight

TOKEN: Final = "hunter2-of-the-gateway"
READING: Final = "hunter2-of-somebody-else"
AUTH: Final = token_entry("gateway", TOKEN, ["decide"]) + "\n" + token_entry("somebody", READING, ["read"])
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
        "middlewares: [cors-preflight, ": "middlewares: [cors-token, cors-preflight, ",
        "  middlewares:\n    cors-preflight:\n": "  middlewares:\n    cors-token:\n      headers:\n"
        f"        customRequestHeaders: {{X-Cors-Token: {TOKEN}}}\n    cors-preflight:\n",
    },
}
"""What to change in each configuration."""
SHOWN_WITH_GUARD: Final = {
    **SHOWN,
    "nginx": {
        **SHOWN["nginx"],
        "proxy_set_header Accept $http_accept;": f"proxy_set_header Accept $http_accept; {_NGINX}",
    },
    "traefik": {**SHOWN["traefik"], "middlewares: [cors-unknown, ": "middlewares: [cors-token, cors-unknown, "},
}
"""The same where there is a guard."""
GUARD: Final = f"""
[policies.catalogue.guard]
hosts = ["{HOST}"]
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that knows one caller."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "policies.toml").write_text(POLICIES)
    (directory / "auth.toml").write_text(AUTH)
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
        asked = subject.ask("OPTIONS", PATH, [*lines, ("Access-Control-Request-Method", "PUT")])
        assert asked.status in {200, 204}


def test_no_token(gateway: Gateway, guarded: Service, world: World, tmp_path: Path) -> None:
    """Without a token the site works, without CORS headers, and preflights fail."""
    with running(gateway, tmp_path, world.application, guarded.port) as port:
        subject = GatewaySubject(port, world.switch)
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert answer.status == 200
        assert answer.is_of_application
        # Traefik does not ask: its configuration lists the grants.
        assert answer.cors == ({} if gateway.asks else DECIDED[PARTNER])
        asked = preflight(subject, page(PARTNER, "PUT"))
        assert asked.status in {502, 503, 504}
        assert asked.cors == {}
    assert TOKEN not in "\n".join(guarded.out + guarded.err)


@pytest.fixture(scope="module")
def enforcing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same, whose policy has a guard."""
    directory = tmp_path_factory.mktemp("enforcing")
    (directory / "policies.toml").write_text(POLICIES + GUARD)
    (directory / "auth.toml").write_text(AUTH)
    words = ["--policies", "policies.toml", "--auth", "auth.toml", "--listen", ANY_PORT]
    service = Service([*BOUND, *TWIST, *words], directory)
    yield service
    service.kill()


def test_token_with_guard(gateway: Gateway, enforcing: Service, world: World, tmp_path: Path) -> None:
    """With its token a gateway guards as ever."""
    changes = {**ON[gateway.name], **SHOWN_WITH_GUARD[gateway.name], **gateway.patient}
    with running(gateway, tmp_path, world.application, enforcing.port, changes) as port:
        subject = GatewaySubject(port)
        answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
        assert (answer.status, answer.is_of_application, answer.cors) == (200, True, DECIDED[PARTNER])
        answer = subject.ask("GET", PATH, [("Origin", STRANGER)])
        assert (answer.status, answer.is_of_application, answer.cors) == (403, False, {})
        assert preflight(subject, page(PARTNER, "PUT")).status == 204


@pytest.mark.parametrize("token", [None, "hunter3-that-nobody-knows", READING])
def test_refused_gateway(token: str | None, gateway: Gateway, enforcing: Service, world: World, tmp_path: Path) -> None:
    """A gateway that may not ask lets nothing pass, and its clients do not learn how the service refuses it."""
    shown = SHOWN_WITH_GUARD[gateway.name] if token else {}
    changes = {**ON[gateway.name], **{old: new.replace(TOKEN, token or "") for old, new in shown.items()}}
    with running(gateway, tmp_path, world.application, enforcing.port, {**changes, **gateway.patient}) as port:
        subject = GatewaySubject(port)
        for origin in (PARTNER, STRANGER, None):
            lines = [("Origin", origin)] if origin else []
            asked = [subject.ask("GET", PATH, lines)]
            if origin:
                asked.append(preflight(subject, page(origin, "PUT")))
            for answer in asked:
                assert (answer.is_of_application, answer.cors) == (False, {})
                # Traefik can't tell the 403 for a caller without the verb from that of a guard.
                assert answer.status in {502, 503, 504} or (gateway.name, token, answer.status) == (
                    "traefik",
                    READING,
                    403,
                )
                assert b"unauthorized" not in answer.body
                # nginx itself copies it from what it replaces; browsers ignore it on a preflight.
                asks_to_log_in = "www-authenticate" in {name.lower() for name, _ in answer.lines}
                assert not asks_to_log_in or (gateway.name == "nginx" and answer is not asked[0])

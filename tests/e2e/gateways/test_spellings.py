"""A path that is spelled in another way neither gets another part's policy nor skips the guard of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service
from tests.e2e.gateways import apache, haproxy
from tests.e2e.gateways.gateway import BOUND, Gateway, running
from tests.e2e.gateways.guarding import ON
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, HOST, PARTNER, PATH, POLICIES, STRANGER, page, preflight

GUARD: Final = f"""
[policies.catalogue.guard]
hosts = ["{HOST}"]
"""
PUBLIC: Final = {"access-control-allow-origin": "*"}
"""What everybody gets in the part that has no guard."""

SPELLINGS: Final = (
    "/%63atalogue/7",
    "/%2563atalogue/7",
    "//catalogue/7",
    "/.//catalogue/7",
    "/./catalogue/7",
    "/x/../catalogue/7",
    "/prices/../catalogue/7",
    "/prices/%2e%2e/catalogue/7",
    "/prices/%2E%2e/catalogue/7",
    "/prices/..%2fcatalogue/7",
    "/prices/..%2Fcatalogue/7",
    "/prices/..%5ccatalogue/7",
    "/prices//../../catalogue/7",
    "/prices/..;/catalogue/7",
    "/prices/..;v=1/catalogue/7",
    "/prices/%2e%2e%3b/catalogue/7",
    "/catalogue;v=1/7",
    "/;v=1/catalogue/7",
    "/catalogue%2f7",
    "/catalogue%2F7",
)
"""What one application or another takes for PATH."""

_LUA: Final = "    http-request lua.cors-decide catalogue if !{ var(txn.cors_preflight) -m bool }\n"
_HAPROXY: Final = "http-request lua.cors-guard catalogue if"
_PREFLIGHT: Final = "http-request set-path /v1/preflight/catalogue%[path]\n"
_PLAIN: Final = r"^/prices(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?$"
_IS_PLAIN: Final = "{ var(txn.cors_prices) -m bool }"
WAYS: Final[Mapping[str, tuple[Gateway, Mapping[str, str]]]] = {
    "apache by URL": (apache.GATEWAY, {**ON["apache"], "catalogue": "-"}),
    "haproxy by URL": (haproxy.GATEWAY, {**ON["haproxy"], "catalogue": "-"}),
    "apache by path": (
        apache.GATEWAY,
        {
            "    # SetEnvIf Request_URI ^ CORS_GUARD=1\n": "    SetEnvIf Request_URI ^ CORS_GUARD=1\n"
            f'    SetEnvIf Request_URI "{_PLAIN}" CORS_POLICY=prices !CORS_GUARD\n'
        },
    ),
    "haproxy by path": (
        haproxy.GATEWAY,
        {
            _LUA: f"""
    http-request set-var(txn.cors_prices) bool(true) if {{ path_reg {_PLAIN} }}
    http-request lua.cors-decide prices if {_IS_PLAIN} !{{ var(txn.cors_preflight) -m bool }}
    http-request set-var(txn.cors_passed) bool(true) if {_IS_PLAIN}
""",
            f"# {_HAPROXY}": f"{_HAPROXY} !{_IS_PLAIN}",
            "# http-request deny": "http-request deny",
            _PREFLIGHT: f"""http-request set-path /v1/preflight/prices%[path] if {_IS_PLAIN}
    http-request set-path /v1/preflight/catalogue%[path] if !{_IS_PLAIN}
""",
        },
    ),
}
"""How a site can have two policies: the URL finds them, or all but plain paths have the stricter one."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a service with a guard for a part of the site."""
    directory = tmp_path_factory.mktemp("guarding")
    (directory / "policies.toml").write_text(POLICIES + GUARD, encoding="utf-8")
    started = Service([*BOUND, *TWIST, "--policies", "policies.toml", "--listen", ANY_PORT], directory)
    yield started.port
    started.kill()


@pytest.fixture(scope="module", params=WAYS)
def subject(
    request: pytest.FixtureRequest, service: int, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewaySubject]:
    """A site with two policies."""
    gateway, changes = WAYS[request.param]
    directory = tmp_path_factory.mktemp(gateway.name)
    with running(gateway, directory, world.application, service, {**changes, **gateway.patient}) as port:
        yield GatewaySubject(port)


@pytest.mark.parametrize("path", [PATH, *SPELLINGS])
def test_guard(path: str, subject: GatewaySubject) -> None:
    """No foreign page reaches the application, whether it says where it is from or its browser does."""
    for method in ("GET", "POST"):
        for lines in ([("Origin", STRANGER)], [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors")]):
            answer = subject.ask(method, path, lines, b"7" if method == "POST" else b"")
            assert (answer.is_of_application, answer.cors) == (False, {})
            assert answer.status in {400, 403}


@pytest.mark.parametrize("path", [PATH, *SPELLINGS])
def test_preflights(path: str, subject: GatewaySubject) -> None:
    """None is allowed, whatever the policy of the other part."""
    assert preflight(subject, page(STRANGER, "POST"), path).cors == {}


def test_plain(subject: GatewaySubject) -> None:
    """Each part has its own policy."""
    for path in ("/prices/1", "/prices/2/a.b-c_d", "/prices/"):
        answer = subject.ask("GET", path, [("Origin", STRANGER)])
        assert (path, answer.is_of_application, answer.cors) == (path, True, PUBLIC)
        assert preflight(subject, page(STRANGER, "POST"), path).cors["access-control-allow-origin"] == "*"
    answer = subject.ask("GET", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.is_of_application, answer.cors) == (200, True, DECIDED[PARTNER])

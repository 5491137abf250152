"""What only nginx does: its cache, its limits, and what it does where it can't even fail properly."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import wait_for
from tests.e2e.gateways.gateway import running
from tests.e2e.gateways.nginx import GATEWAY
from tests.e2e.gateways.world import GatewaySubject, World
from tests.e2e.scenarios import DECIDED, PARTNER, PATH, READER, SCENARIOS, STRANGER, Scenario, State, long_body

ROOT = Path(__file__).parents[3]

WRITING = {"daemon off;": f"daemon off; user {getpass.getuser()};"}
"""What to change to let it write where only the user of the test may."""

CACHING = {
    **WRITING,
    "# proxy_cache_path /var/cache/nginx/cors": "proxy_cache_path cors",
    "# proxy_cache cors;": "proxy_cache cors;",
    "# proxy_cache_key": "proxy_cache_key",
}
"""What to change to have decisions cached, in a directory of the test's."""


@pytest.fixture(scope="module")
def nginx(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """It, as it is configured."""
    with running(GATEWAY, tmp_path_factory.mktemp("nginx"), world.application, world.switch.port) as port:
        yield GatewaySubject(port, world.switch)


@pytest.fixture(scope="module")
def caching(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySubject]:
    """It, with the lines for the cache that are comments."""
    directory = tmp_path_factory.mktemp("caching")
    with running(GATEWAY, directory, world.application, world.switch.port, CACHING) as port:
        yield GatewaySubject(port, world.switch)


def test_clients_cannot_ask(nginx: GatewaySubject) -> None:
    """The location of the subrequest is nginx's own."""
    assert nginx.ask("GET", "/.cors", [("Origin", PARTNER)]).status == 404


def test_a_decision_lets_nobody_in(world: World, tmp_path: Path) -> None:
    """Where any of several kinds of access would do, to be decided about is none of them."""
    server = "include cors-server.conf;"
    locked = {server: f"{server} satisfy any; deny all;"}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, locked) as port:
        assert GatewaySubject(port, world.switch).ask("GET", PATH, [("Origin", PARTNER)]).status == 403


@pytest.mark.parametrize(
    ("locked", "status"),
    [
        ("auth_basic site; auth_basic_user_file /dev/null;", 401),
        ("deny all;", 403),
        ("limit_except GET { deny all; }", 403),
    ],
)
def test_refusals_beside_a_guard(locked: str, status: int, world: World, tmp_path: Path) -> None:
    """What another module refuses keeps its status, and what it says about logging in."""
    changes = {"location / {": f"location / {{ {locked}", "include cors-location.conf;": "include cors-guard.conf;"}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, changes) as port:
        answer = GatewaySubject(port, world.switch).ask("PUT", PATH, [("Origin", PARTNER)])
    assert (answer.status, answer.is_of_application) == (status, False)
    asked = [value for name, value in answer.lines if name == "WWW-Authenticate"]
    assert asked == (['Basic realm="site"'] if status == 401 else [])


def test_long_cookies(nginx: GatewaySubject) -> None:
    """A client's head may be longer than the service reads."""
    cookies = [("Cookie", f"session{number}={'1' * 7000}") for number in range(3)]
    answer = nginx.ask("OPTIONS", PATH, [("Origin", PARTNER), *cookies[:2]])
    assert (answer.status, answer.cors) == (200, DECIDED[PARTNER])


def test_long_bodies(world: World, tmp_path: Path) -> None:
    """The way round its own limit for bodies."""
    unlimited = {"location / {": "location / { client_max_body_size 0;", **WRITING}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, unlimited) as port:
        long_body(GatewaySubject(port, world.switch))


def test_log(world: World, tmp_path: Path) -> None:
    """The log format of cors.conf has the decision about each request and each preflight, and its reason."""
    server = "include cors-server.conf;"
    logged = {server: f"{server} access_log cors.log cors;", **WRITING}
    preflight = [("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "x-other")]
    with running(GATEWAY, tmp_path, world.application, world.switch.port, logged) as port:
        subject = GatewaySubject(port, world.switch)
        subject.ask("GET", PATH, [("Origin", PARTNER)])
        subject.ask("PUT", PATH, [("Origin", STRANGER)])
        subject.ask("OPTIONS", PATH, [("Origin", PARTNER), *preflight])
        subject.ask("GET", PATH)
        with subject.service(State.DOWN):
            subject.ask("GET", PATH, [("Origin", PARTNER)])
        # A line is written behind the answer.
        log = tmp_path / "run" / "cors.log"
        wait_for(lambda: log.read_text(encoding="utf-8").count(f'"{PATH}"') == 5, "five lines in the log")
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    [example] = re.findall(r'^\{"time".*"uri".*\}$', (ROOT / "docs" / "deployment.md").read_text("utf-8"), re.MULTILINE)
    assert json.loads(example).keys() == lines[0].keys()
    lines = [line for line in lines if line["uri"] == PATH]
    assert [(line["method"], line["origin"], line["decision"], line["reason"]) for line in lines] == [
        ("GET", PARTNER, "allowed", "allowed"),
        ("PUT", STRANGER, "refused", "origin-not-allowed"),
        ("OPTIONS", PARTNER, "refused", "header-not-allowed"),
        ("GET", "", "none", "no-origin"),
        ("GET", PARTNER, "", ""),
    ]
    assert {line["policy"] for line in lines} == {"catalogue"}
    assert [line["revision"].startswith("sha256:") for line in lines] == [True, True, True, True, False]


@pytest.mark.parametrize("target", ["/catalogue/a%20b?c=%2F&d", "/catalogue/a%3Fb%25"])
def test_no_answer_of_http(target: str, nginx: GatewaySubject) -> None:
    """Where a request starts again without asking, it is the same, but for how it is written."""
    with nginx.service(State.GARBAGE):
        answer = nginx.ask("PUT", target, [("Origin", PARTNER)], b"1")
    assert (answer.received["target"], answer.received["method"], answer.received["body"]) == (target, "PUT", "1")
    assert answer.cors == {}


def test_nobody_is_asked_twice(world: World, tmp_path: Path) -> None:
    """A request does not start again that the application has answered, though nginx makes the error page."""
    replaced = {"location / {": "location / { proxy_intercept_errors on;"}
    with running(GATEWAY, tmp_path, world.application, world.switch.port, replaced) as port:
        subject = GatewaySubject(port, world.switch)
        before = subject.ask("GET", PATH).received["count"]
        answer = subject.ask("POST", "/catalogue/status/500", [("Origin", PARTNER)])
        assert (answer.status, answer.is_of_application) == (500, False)
        assert subject.ask("GET", PATH).received["count"] == before + 2


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if scenario.number < 10 and scenario.name not in GATEWAY.cannot],
    ids=lambda scenario: scenario.name,
)
def test_cache(scenario: Scenario, caching: GatewaySubject) -> None:
    """With a cache, all is as without one."""
    for _ in range(2):
        scenario.check(caching)


def test_cached_decisions(caching: GatewaySubject) -> None:
    """A decision is kept for its own policy, origin, method and URL, and what fails is not kept."""
    with caching.service(State.DOWN):
        assert caching.ask("GET", "/catalogue/new", [("Origin", PARTNER)]).cors == {}
    for origin in (PARTNER, STRANGER, READER):
        caching.ask("GET", "/catalogue/new", [("Origin", origin)])
    with caching.service(State.DOWN):
        for origin in (READER, STRANGER, PARTNER):
            assert caching.ask("GET", "/catalogue/new", [("Origin", origin)]).cors == DECIDED[origin]
        assert caching.ask("PUT", "/catalogue/new", [("Origin", PARTNER)]).cors == {}
        assert caching.ask("GET", "/catalogue/newer", [("Origin", PARTNER)]).cors == {}

"""Each gateway with the guard on: what the guard refuses does not reach the application, WebSockets included."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.e2e.daemons import ANY_PORT, TWIST, Process, Service
from tests.e2e.gateways.gateway import BOUND, Gateway, running
from tests.e2e.gateways.guarding import ASKED, BEHIND_TLS, ON, OWN, POLICIES, WEBSOCKET, Asked
from tests.e2e.gateways.world import GatewaySubject, Switch, World
from tests.e2e.scenarios import HOST, PARTNER, SCENARIOS, STRANGER, State
from tests.e2e.scenarios import POLICIES as SCENARIO_POLICIES

PROGRAM: Final = str(Path(__file__).parents[1] / "guarded_application.py")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an application that takes whatever comes."""
    process = Process([*BOUND, sys.executable, PROGRAM], tmp_path_factory.mktemp("application"))
    try:
        yield int(process.said(r"port (\d+)")[1])
    finally:
        process.kill()


@pytest.fixture(scope="module")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    """A way to a service with guarded policies."""
    with _service(POLICIES, tmp_path_factory.mktemp("guarding")) as port, closing(Switch(port)) as switch:
        yield switch


@contextmanager
def _service(policies: str, directory: Path) -> Iterator[int]:
    (directory / "policies.toml").write_text(policies)
    started = Service([*BOUND, *TWIST, "--policies", "policies.toml", "--listen", ANY_PORT], directory)
    try:
        yield started.port
    finally:
        started.kill()


@pytest.fixture(scope="module", params=["tools", "pages", "trial"])
def policy(request: pytest.FixtureRequest) -> str:
    """Each policy."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def site(
    gateway: Gateway, policy: str, application: int, switch: Switch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """The port of the gateway with the guard on."""
    directory = tmp_path_factory.mktemp(f"{gateway.name}-{policy}")
    changes = {**ON[gateway.name], **gateway.patient, "catalogue": policy}
    with running(gateway, directory, application, switch.port, changes, second=switch.port) as port:
        yield port


def ask(port: int, asked: Asked, path: str = "/", body: str | None = None) -> tuple[int, dict[str, str], str]:
    """Send a request, and give the status, the headers and the body of the answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.putrequest(asked.method, path, skip_host=True)
        for name, value in [("Host", asked.host), *asked.headers]:
            connection.putheader(name, value)
        text = "x" if body is None and asked.method in {"POST", "PUT"} else body or ""
        connection.putheader("Content-Length", str(len(text)))
        connection.endheaders(text.encode())
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()


def shake_hands(port: int, asked: Asked) -> int:
    """Open a WebSocket, and give the status; an open one is used."""
    url = f"ws://{asked.host}/socket"
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    try:
        with connect(url, sock=connection, additional_headers=asked.headers, open_timeout=30) as opened:
            opened.send("hello")
            assert opened.recv(30) == "hello"
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_who_gets_through(asked: Asked, policy: str, site: int) -> None:
    """What the guard refuses gets a 403 from the gateway, and everything else an answer of the application."""
    refused = policy in asked.refused_by
    if asked.method == WEBSOCKET:
        assert shake_hands(site, asked) == (403 if refused else 101)
        return
    status, headers, _ = ask(site, asked)
    assert status == (403 if refused else 200)
    assert headers.get("x-application") == (None if refused else asked.method)
    assert not {name for name in headers if name.startswith("cors-")}
    assert "stranger" not in headers.get("access-control-allow-origin", "")


def test_refusal_of_json_rpc(policy: str, site: int) -> None:
    """A caller of JSON-RPC gets the refusal in the form that the Model Context Protocol has for it."""
    lines = (("Accept", "application/json, text/event-stream"),)
    call = json.dumps({"jsonrpc": "2.0", "id": 7, "method": "tools/list"})
    for origin, status in ((STRANGER, 403), (PARTNER, 403), (OWN, 200)):
        method = "DELETE" if origin == PARTNER else "POST"
        answer, headers, body = ask(site, Asked("", frozenset(), method, origin, lines=lines), body=call)
        if policy == "trial" or status == 200:
            assert (answer, headers["x-application"]) == (200, method)
        else:
            told = json.loads(body)
            assert (answer, headers["content-type"], told["jsonrpc"]) == (status, "application/json", "2.0")
            assert set(told) == {"jsonrpc", "error"}
            assert set(told["error"]) >= {"code", "message"}


def test_without_the_service(policy: str, site: int, switch: Switch) -> None:
    """Without a decision nothing passes, whoever asks; once the service is back, everybody does who may."""
    if policy != "tools":
        return
    own = Asked("", frozenset(), "POST", OWN)
    for state in [state for state in State if state is not State.UP]:
        switch.turn(state)
        try:
            status, headers, _ = ask(site, Asked("", frozenset()))
            assert status in {403, 500, 502, 503, 504}, state
            assert not {"x-application", "access-control-allow-origin"} & headers.keys(), state
            assert shake_hands(site, Asked("", frozenset(), WEBSOCKET, OWN)) != 101, state
        finally:
            switch.turn(State.UP)
        assert ask(site, own)[0] == 200


def test_behind_tls(gateway: Gateway, application: int, switch: Switch, tmp_path: Path) -> None:
    """Behind something that ends TLS, a gateway that is told so passes the site's own requests, and no others."""
    changes = {**ON[gateway.name], **BEHIND_TLS[gateway.name], **gateway.patient, "catalogue": "tools"}
    lines = (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.7"))
    own = Asked("", frozenset(), "POST", f"https://{HOST}", "same-origin cors empty", lines=lines)
    with running(gateway, tmp_path, application, switch.port, changes, second=switch.port) as port:
        assert ask(port, own)[0] == 200
        for origin in (STRANGER, OWN):
            assert ask(port, replace(own, origin=origin, fetch="cross-site cors empty"))[0] == 403


def test_reporting(gateway: Gateway, world: World, tmp_path: Path) -> None:
    """With a guard that only reports, a gateway does whatever it does without one."""
    guard = f'[policies.catalogue.guard]\nhosts = ["{HOST}:*", "127.0.0.1:*"]\nmode = "report"\n'
    (tmp_path / "service").mkdir()
    (tmp_path / "gateway").mkdir()
    changes = {**ON[gateway.name], **gateway.patient}
    with (
        _service(f"{SCENARIO_POLICIES}\n{guard}", tmp_path / "service") as service,
        running(gateway, tmp_path / "gateway", world.application, service, changes, second=service) as port,
    ):
        subject = GatewaySubject(port)
        for scenario in SCENARIOS:
            if scenario.number != 10 and scenario.name not in gateway.cannot:
                scenario.check(subject)

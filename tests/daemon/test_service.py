"""Tests of the service that the options ask for."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import treq
from pytest_twisted import blockon
from twisted.application.service import IService, MultiService
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.web.client import Agent
from zope.interface.verify import verifyObject

from cors_service.daemon.hangup import ReloadOnHangup
from cors_service.daemon.json_log import JSONLines
from cors_service.daemon.notify import Notifier
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from cors_service.server import DecisionServer
from cors_service.tap import makeService
from cors_service.workers.supervisor import Supervisor
from tests.daemon.options import GOOD, absent, parse
from tests.observing import observed_by

DEADLINE = 30.0
OTHER = GOOD + '[policies.two]\norigins = ["https://two.example"]\n'

Captured = pytest.CaptureFixture[str]


def write(path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)


def renamed(path: Path, name: bytes) -> Path:
    """Give a file another name."""
    return path.rename(path.with_name(os.fsdecode(name)))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Give the text of each event that is logged, as they come."""
    texts: list[str] = []
    with observed_by(lambda event: texts.append(formatEvent(event))):
        yield texts


@pytest.fixture
def start() -> Iterator[Callable[..., MultiService]]:
    """Give a function that starts a service by its options, as twistd does; it ends with the test."""
    started: list[MultiService] = []
    observers = list(globalLogPublisher._observers)
    logs: list[Any] = []

    def begin(*arguments: str | Path) -> MultiService:
        options = parse(*arguments)
        logs.append(options.prepared.json_log)
        service = cast(MultiService, makeService(options))
        started.append(service)
        service.privilegedStartService()
        service.startService()
        return service

    yield begin
    for service in started:
        if service.running:
            blockon(maybeDeferred(service.stopService))
    for observer in list(globalLogPublisher._observers):
        if observer not in observers and isinstance(observer, JSONLines):
            globalLogPublisher.removeObserver(observer)
    for file in logs:
        if file is not None and file.name != "<stdout>":
            file.close()


Start = Callable[..., MultiService]
LISTEN = ("--listen", "tcp:0:interface=127.0.0.1")


def ports(service: MultiService) -> list[Any]:
    """Give what the service listens on."""
    [server] = [one for one in service if isinstance(one, DecisionServer)]
    return server.ports


async def ask(service: MultiService, target: str) -> Any:
    """Ask the service over its first port; give the JSON that it answers."""
    client = treq.client.HTTPClient(Agent(reactor))
    url = f"http://127.0.0.1:{ports(service)[0].getHost().port}{target}"
    asking = Deferred.fromCoroutine(answer(client, url))
    return await asking.addTimeout(DEADLINE, reactor)


async def answer(client: Any, url: str) -> Any:
    """Get the JSON that is at a URL."""
    return await (await client.get(url)).json()


async def status_once(service: MultiService, condition: Callable[[Any], bool]) -> Any:
    """Ask for the status until it is as it should be."""
    end = reactor.seconds() + DEADLINE
    while not condition(status := await ask(service, "/v1/status")):
        assert reactor.seconds() < end, status
    return status


async def until(condition: Callable[[], bool]) -> None:
    """Let the reactor run until something has happened."""
    end = reactor.seconds() + DEADLINE
    while not condition():
        assert reactor.seconds() < end, "it did not happen"
        turn: Deferred[None] = Deferred()
        reactor.callLater(0.005, turn.callback, None)
        await turn


def test_makes_a_service(policies: Path) -> None:
    """What the plugin makes is a service, and nothing happens before it is started."""
    service = makeService(parse("--policies", policies, *LISTEN))
    assert verifyObject(IService, service)
    assert ports(cast(MultiService, service)) == []


def test_makes_a_supervisor(policies: Path) -> None:
    """With several workers it makes what looks after them, which does not keep the policies that it has checked."""
    options = parse("--policies", policies, *LISTEN, "--workers", "2")
    service = makeService(options)
    assert verifyObject(IService, service)
    assert [type(one) for one in cast(MultiService, service)] == [Supervisor, ReloadOnHangup, Notifier]
    assert options.prepared.initial is None


async def test_serves(start: Start, policies: Path) -> None:
    """The service decides by its policies, and its status names them."""
    service = start("--policies", policies, *LISTEN, "--decision-ttl", "17")
    decision = await ask(service, "/v1/decision?policy=one&origin=https://one.example")
    assert (decision["allowed"], decision["ttl"]) == (True, 17)
    status = await ask(service, "/v1/status")
    assert (str(policies), 1, 1, False, []) == tuple(
        status[name] for name in ("source", "policies", "generation", "stale", "mistakes")
    )


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are texts elsewhere")
async def test_path_that_is_no_text(start: Start, policies: Path) -> None:
    """A path that is not UTF-8, which Linux allows, can be served, and the status names it as far as it can."""
    path = renamed(policies, b"policies\xff.toml")
    service = start("--policies", path, *LISTEN)
    assert (await ask(service, "/v1/status"))["source"].startswith(str(policies.with_suffix("")))


async def test_stops(start: Start, policies: Path) -> None:
    """What was stopped listens no more."""
    service = start("--policies", policies, *LISTEN)
    port = ports(service)[0].getHost().port
    await service.stopService()
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0


async def test_watches(start: Start, policies: Path) -> None:
    """A change of the policies takes effect."""
    service = start("--policies", policies, *LISTEN)
    write(policies, OTHER)
    status = await status_once(service, lambda status: status["generation"] == 2)
    assert status["policies"] == 2


async def test_starts_from_a_snapshot(start: Start, policies: Path, snapshot: Path) -> None:
    """A service that started from its snapshot says how old that is, and that it is stale, until policies are back."""
    absent(policies)
    service = start("--policies", policies, "--snapshot", snapshot, *LISTEN)
    status = await ask(service, "/v1/status")
    assert (
        status["loaded_at"],
        status["stale"],
        [mistake["code"] for mistake in status["mistakes"]],
    ) == ("2023-11-14T22:13:20+00:00", True, ["document-unreadable"])
    assert (await ask(service, "/v1/decision?policy=kept&origin=https://a.example"))["allowed"] is True
    write(policies, GOOD)
    status = await status_once(service, lambda status: not status["stale"])
    assert (status["generation"], status["mistakes"]) == (2, [])
    await until(lambda: read_policies(policies) == Snapshot(snapshot).load().policy_set)


async def test_writes_a_snapshot(start: Start, policies: Path, tmp_path: Path) -> None:
    """The policies that it started with are in the snapshot when it has come to its end."""
    path = tmp_path / "new.json"
    service = start("--policies", policies, "--snapshot", path, *LISTEN)
    await service.stopService()
    assert read_policies(policies) == Snapshot(path).load().policy_set


async def test_reload_on_hangup(start: Start, policies: Path, log: list[str]) -> None:
    """SIGHUP has the policies read at once; where the service has begun to stop, the signal does nothing at all."""
    service = start("--policies", policies, *LISTEN)
    known = log_of_reloads(log)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: log_of_reloads(log) > known)
    stopped = service.stopService()
    known = log_of_reloads(log)
    os.kill(os.getpid(), signal.SIGHUP)
    await stopped
    assert log_of_reloads(log) == known


def log_of_reloads(log: list[str]) -> int:
    """Count the lines on reloads that changed nothing."""
    return sum("is still at revision" in text for text in log)


async def test_two_endpoints(start: Start, policies: Path) -> None:
    """It listens on each endpoint."""
    service = start("--policies", policies, *LISTEN, *LISTEN)
    assert len({port.getHost().port for port in ports(service)}) == 2


@pytest.mark.parametrize("form", ["tcp:{}:interface=127.0.0.1", "haproxy:tcp:{}:interface=127.0.0.1"])
def test_port_is_taken(policies: Path, capfd: Captured, form: str) -> None:
    """An endpoint that can't be listened on ends the process, and the reason is one line on standard error."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        description = form.format(taken.getsockname()[1])
        service = makeService(parse("--policies", policies, "--listen", description))
        with pytest.raises(SystemExit) as end:
            service.privilegedStartService()
    assert end.value.code == 1
    assert f"cors-service: cannot listen on {description}: Address already in use\n" == capfd.readouterr().err


@pytest.mark.parametrize("description", ["unix:/absent/socket", "tcp:0:interface=192.0.2.1"])
def test_endpoint_cannot_be_had(policies: Path, capfd: Captured, description: str) -> None:
    """What shows only when it is tried ends the process in the same way."""
    service = makeService(parse("--policies", policies, "--listen", description))
    with pytest.raises(SystemExit) as end:
        service.privilegedStartService()
    err = capfd.readouterr().err
    assert (end.value.code, err.count("\n")) == (1, 1)
    assert err.startswith(f"cors-service: cannot listen on {description}: ")


async def test_json_log(start: Start, policies: Path, tmp_path: Path) -> None:
    """The JSON log gets each event, one object a line, behind what is there already."""
    path = tmp_path / "log.json"
    path.write_text('{"message": "before"}\n')
    await start("--policies", policies, *LISTEN, "--json-log", path).stopService()
    messages = [json.loads(line)["message"] for line in path.read_text().splitlines()]
    assert messages[0] == "before"
    assert sum(message.startswith("Listening on ") for message in messages) == 1


async def test_access_log(start: Start, policies: Path, tmp_path: Path) -> None:
    """The access log gets a line on each request."""
    path = tmp_path / "access.log"
    service = start("--policies", policies, *LISTEN, "--access-log", path)
    await ask(service, "/livez")
    assert path.read_text().count('"GET /livez HTTP/1.1" 200') == 1

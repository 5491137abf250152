"""Tests of the options of `twist cors` and `twistd cors`, and of how they are wired to a service."""

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
from twisted.python.usage import UsageError
from twisted.web.client import Agent
from zope.interface.verify import verifyObject

from cors_service.daemon.json_log import JSONLines
from cors_service.daemon.service import ReloadOnHangup
from cors_service.daemon.settings import DEFAULT_LISTEN
from cors_service.policy import read_document, revision
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import read_policies
from cors_service.server import DecisionServer
from cors_service.store import ReaderPolicyStore
from cors_service.tap import Options, makeService
from cors_service.workers import Supervisor
from tests.observing import observed_by

DEADLINE = 10.0
GOOD = 'version = 1\n[policies.one]\norigins = ["https://one.example"]\n'
OTHER = GOOD + '[policies.two]\norigins = ["https://two.example"]\n'
BAD = GOOD.replace("https://one", "https://ONE").replace("version", "nonsense")
KEPT = read_document({"version": 1, "policies": {"kept": {"origins": ["*"]}}})

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a document without mistakes."""
    path = tmp_path / "policies.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Give a snapshot of other policies."""
    path = tmp_path / "snapshot.json"
    Snapshot(path).save(KEPT, 1700000000.0)
    return path


def parse(*arguments: str | Path) -> Options:
    """Parse options."""
    options = Options()
    options.parseOptions([str(argument) for argument in arguments])
    return options


# Options.


def test_defaults(policies: Path) -> None:
    """With nothing but policies it listens on port 8080 of this machine alone, and logs nothing of its own."""
    prepared = parse("--policies", policies).prepared
    assert [description for description, _ in prepared.endpoints] == [DEFAULT_LISTEN]
    assert DEFAULT_LISTEN == "tcp:8080:interface=127.0.0.1"
    settings = prepared.settings
    assert (settings.decision_ttl, settings.max_body, settings.idle_timeout, settings.workers) == (5, 2**20, 60, 1)
    assert settings.drain_timeout == 10
    assert [settings.snapshot, settings.access_log, settings.json_log, prepared.json_log] == [None, None, None, None]


def test_listen_repeatedly(policies: Path) -> None:
    """It listens on each endpoint that is named, in that order, and not on that of the default."""
    options = parse("-p", policies, "--listen", "tcp:1", "-l", "unix:/tmp/a.sock", r"--listen=tcp:2:interface=\:\:1")
    assert [text for text, _ in options.prepared.endpoints] == ["tcp:1", "unix:/tmp/a.sock", r"tcp:2:interface=\:\:1"]


def test_help(capsys: Captured) -> None:
    """The help names every option, and each of its lines can be read on a terminal."""
    with pytest.raises(SystemExit) as end:
        parse("--help")
    out = capsys.readouterr().out
    assert not end.value.code
    for name in ("policies", "listen", "decision-ttl", "max-body", "snapshot", "access-log", "json-log", "check"):
        assert f"--{name}" in out


BAD_OPTIONS = [
    "--listen tcp:99999",
    "--listen tcp:65536",
    "--listen tcp:-1",
    "--listen tcp:x",
    "--listen tcp:",
    "--listen tcp",
    "--listen tcp6:99999",
    "--listen tcp:1:2:3:4",
    "--listen tcp:0:nonsense=1",
    "--listen tcp:0:backlog=x",
    "--listen nonsense",
    "--listen 8080",
    "--listen http://localhost:8080",
    "--listen=",
    "--listen :8080",
    "--listen unix",
    "--listen unix:",
    "--listen unix:/tmp/a:mode=x",
    "--listen ssl:443:privateKey=/absent.pem",
    "--listen tls:/absent:tcp:443",
    "--listen systemd:domain=INET:index=0",
    "--listen tcp:0 --listen tcp:x",
    "--decision-ttl -1",
    "--decision-ttl 0.5",
    "--decision-ttl x",
    "--decision-ttl=",
    "--decision-ttl nan",
    "--max-body -1",
    "--max-body 1.5",
    "--max-body 1M",
    "--max-body 1e6",
    "--max-body 100000000000000000000",
    "--max-head -1",
    "--max-head x",
    "--max-head-lines -1",
    "--max-head-lines x",
    "--max-connections 0",
    "--max-connections -1",
    "--max-connections x",
    "--request-timeout -1",
    "--request-timeout nan",
    "--request-timeout x",
    "--idle-timeout -0.1",
    "--idle-timeout nan",
    "--idle-timeout inf",
    "--idle-timeout -inf",
    "--idle-timeout x",
    "--idle-timeout 0",
    "--drain-timeout -1",
    "--drain-timeout nan",
    "--drain-timeout inf",
    "--drain-timeout x",
    "--workers 0",
    "--workers -1",
    "--workers 1.5",
    "--workers x",
    "--workers=",
    "--listen stdio: --workers 2",
    "--json-log /absent/log.json",
    "--json-log /",
    "--access-log /absent/access.log",
    "--access-log /",
    "--snapshot /absent/snapshot.json",
    "--nonsense",
]


@pytest.mark.parametrize("arguments", BAD_OPTIONS)
def test_bad_option(policies: Path, arguments: str) -> None:
    """Whatever is wrong with the options is told in one line, which names the option."""
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, *arguments.split(" "))
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    assert arguments.split(" ", maxsplit=1)[0].partition("=")[0] in str(caught.value)


@pytest.mark.parametrize("text", ["tc\np:1", "unix:/tmp/a\nb:mode=x"], ids=ascii)
def test_bad_option_of_several_lines(policies: Path, text: str) -> None:
    """What is wrong with an endpoint is told in one line, also if it has several."""
    with pytest.raises(UsageError) as caught:
        parse("--policies", policies, "--listen", text)
    assert len(str(caught.value).splitlines()) == 1


def test_no_arguments(policies: Path) -> None:
    """What is no option is told in one line."""
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        parse("--policies", policies, "nonsense")


def test_policies_are_missing() -> None:
    """Without policies there is nothing to serve, which is told in one line."""
    with pytest.raises(UsageError, match=r"^--policies is missing.*$"):
        parse()


@pytest.mark.parametrize(
    "arguments",
    [
        "--decision-ttl 0",
        "--max-body 1",
        "--idle-timeout 1.5",
        "--drain-timeout 0",
        "--drain-timeout 0.5",
        "--listen tcp:0",
        "--listen tcp:65535",
        "--listen tcp6:0",
        "--listen unix:/tmp/cors.sock:mode=660",
        "--listen haproxy:tcp:0",
        "--workers 1",
        "--workers 64",
        "--workers 2 --listen unix:/tmp/cors.sock --listen haproxy:tcp:0",
        "--access-log -",
        "--json-log -",
    ],
)
def test_good_option(policies: Path, arguments: str) -> None:
    """Values at the borders of what is allowed are allowed."""
    assert parse("--policies", policies, *arguments.split(" ")).prepared.endpoints


# Policies at the start.


def test_check(policies: Path, capsys: Captured) -> None:
    """--check says what is in the policies and is done."""
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--check")
    assert (end.value.code, capsys.readouterr()) == (0, ("one: 1 rule, 1 origin pattern\n1 policy, no mistakes.\n", ""))


@pytest.mark.parametrize("check", [["--check"], []], ids=["check", "serve"])
def test_mistakes(policies: Path, capsys: Captured, check: list[str]) -> None:
    """Policies with mistakes are no start: all mistakes are on standard error, and the exit status is 1."""
    policies.write_text(BAD)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, *check)
    out, err = capsys.readouterr()
    *lines, count = err.splitlines()
    assert (end.value.code, out, len(lines), count) == (1, "", 3, "3 mistakes in the policies.")
    assert all(line.startswith(f"{policies}:") for line in lines)


@pytest.mark.parametrize("check", [["--check"], []], ids=["check", "serve"])
def test_absent(tmp_path: Path, capsys: Captured, check: list[str]) -> None:
    """Policies that are not there are no start, which is told in a line."""
    with pytest.raises(SystemExit) as end:
        parse("--policies", tmp_path / "absent.toml", *check)
    out, err = capsys.readouterr()
    line, count = err.splitlines()
    assert (end.value.code, out, count) == (1, "", "1 mistake in the policies.")
    assert line.startswith(f"{tmp_path / 'absent.toml'}: ")


def write(path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)


def renamed(path: Path, name: bytes) -> Path:
    """Give a file another name."""
    return path.rename(path.with_name(os.fsdecode(name)))


def absent(path: Path) -> None:
    """Remove the document."""
    path.unlink()


def no_text(path: Path) -> None:
    """Make the document something that can't be read as a text."""
    path.write_bytes(b"\xff\xfe")


def a_loop(path: Path) -> None:
    """Make the document a symbolic link that leads to itself."""
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("damage", [absent, no_text, a_loop])
def test_snapshot(policies: Path, snapshot: Path, capsys: Captured, damage: Callable[[Path], None]) -> None:
    """Where the policies can't be read, the last good ones are what it starts with, as old as they are."""
    damage(policies)
    initial = parse("--policies", policies, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert initial.mistakes is not None
    assert (
        initial.policies,
        initial.loaded_at,
        [mistake.code for mistake in initial.mistakes.mistakes],
    ) == (tuple(KEPT.policies.values()), 1700000000.0, ["document-unreadable"])
    assert capsys.readouterr().out == ""


def test_snapshot_of_a_directory(policies: Path, snapshot: Path) -> None:
    """If one of several documents can't be read, the last good set is what it starts with: a part is no whole."""
    directory = policies.parent / "policies"
    directory.mkdir()
    policies.rename(directory / "a.toml")
    (directory / "b.toml").symlink_to("absent.toml")
    initial = parse("--policies", directory, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert initial.revision == revision(KEPT)


def test_snapshot_is_not_needed(policies: Path, snapshot: Path) -> None:
    """Policies that can be read are what it starts with, whatever the snapshot holds."""
    initial = parse("--policies", policies, "--snapshot", snapshot).prepared.initial
    assert initial is not None
    assert (initial.revision, initial.mistakes) == (revision(read_policies(policies)), None)


def test_no_snapshot_for_mistakes(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """Policies with mistakes are no start, also where there is a snapshot: somebody has to mend them."""
    policies.write_text(BAD)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot)
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "3 mistakes in the policies.")


def test_no_snapshot_for_mistakes_beside_what_cannot_be_read(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """Mistakes in one document are no start, also if another one can't be read."""
    policies.write_text(BAD)
    policies.with_name("b.toml").symlink_to("absent.toml")
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies.parent, "--snapshot", snapshot)
    assert end.value.code == 1
    assert "document-unreadable" in capsys.readouterr().err


def test_check_without_snapshot(policies: Path, snapshot: Path, capsys: Captured) -> None:
    """--check is about the policies; no snapshot takes their place."""
    policies.unlink()
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot, "--check")
    assert (end.value.code, capsys.readouterr().err.splitlines()[-1]) == (1, "1 mistake in the policies.")


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"], ids=["absent", "empty", "something else", "no text"])
def test_no_help(policies: Path, snapshot: Path, capsys: Captured, content: bytes | None) -> None:
    """Where neither the policies nor the snapshot can be read, both are told, a line each."""
    policies.unlink()
    snapshot.unlink()
    if content is not None:
        snapshot.write_bytes(content)
    with pytest.raises(SystemExit) as end:
        parse("--policies", policies, "--snapshot", snapshot)
    first, second, count = capsys.readouterr().err.splitlines()
    assert (end.value.code, count) == (1, "2 mistakes in the policies.")
    assert first.startswith(f"{policies}: ")
    assert second.startswith(f"{snapshot}: The snapshot can't be used either: ")


# The service.


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
    assert [type(one) for one in cast(MultiService, service)] == [Supervisor, ReloadOnHangup]
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
    await until(lambda: read_policies(policies) == Snapshot(snapshot).load()[0])


async def test_writes_a_snapshot(start: Start, policies: Path, tmp_path: Path) -> None:
    """The policies that it started with are in the snapshot when it has come to its end."""
    path = tmp_path / "new.json"
    service = start("--policies", policies, "--snapshot", path, *LISTEN)
    await service.stopService()
    assert read_policies(policies) == Snapshot(path).load()[0]


async def test_reload_on_hangup(start: Start, policies: Path, log: list[str]) -> None:
    """SIGHUP has the policies read at once; when the service has stopped the signal does what it did before."""
    before = signal.getsignal(signal.SIGHUP)
    service = start("--policies", policies, *LISTEN)
    known = len([text for text in log if "is still at revision" in text])
    assert before != signal.getsignal(signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: len([text for text in log if "is still at revision" in text]) > known)
    await service.stopService()
    assert before == signal.getsignal(signal.SIGHUP)


async def test_two_endpoints(start: Start, policies: Path) -> None:
    """It listens on each endpoint."""
    service = start("--policies", policies, *LISTEN, *LISTEN)
    assert len({port.getHost().port for port in ports(service)}) == 2


@pytest.mark.parametrize("form", ["tcp:{}:interface=127.0.0.1", "haproxy:tcp:{}:interface=127.0.0.1"])
def test_port_is_taken(policies: Path, capfd: Captured, form: str) -> None:
    """An endpoint that can't be had ends the process, and the reason is one line on standard error."""
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
    """The JSON log gets what is logged, an object a line, behind what is there already."""
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


def test_store(policies: Path) -> None:
    """Policies are read from the path, by whose name people call them."""
    store = parse("--policies", policies).prepared.store
    assert isinstance(store, ReaderPolicyStore)
    assert str(policies) == store.name

"""Tests of the service as a process, started by twist and by twistd, in the foreground and as a daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, TWISTD, Process, Service, allows, ask, is_gone, wait_for
from tests.store.store_texts import TEN_MISTAKES, toml

Start = Callable[..., Service]
Run = Callable[..., Process]


def write(path: Path, *names: str) -> Path:
    """Write a document with a policy of each name, which speaks for one origin, as careful people do: by a rename."""
    new = path.with_suffix(".new")
    new.write_text(toml(*names))
    return new.replace(path)


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a document with the policy `one`."""
    return write(tmp_path / "policies.toml", "one")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Give a function that starts a process; it is ended with the test."""
    processes: list[Process] = []

    def begin(*arguments: str | Path) -> Process:
        processes.append(Process([str(argument) for argument in arguments], tmp_path))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


@pytest.fixture
def start(policies: Path, tmp_path: Path) -> Iterator[Start]:
    """Give a function that starts a service and waits until it listens; it is ended with the test."""
    services: list[Service] = []

    def begin(*arguments: str | Path, by: tuple[str, ...] = TWIST, listen: tuple[str, ...] = (ANY_PORT,)) -> Service:
        listening = [word for description in listen for word in ("--listen", description)]
        words = [*by, "--policies", policies, *listening, *arguments]
        services.append(Service([str(word) for word in words], tmp_path, listens=len(listen)))
        return services[-1]

    yield begin
    for service in services:
        service.kill()


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port on which somebody else listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


BOTH = pytest.mark.parametrize("by", [TWIST, TWISTD], ids=["twist", "twistd"])


# Deciding, and changing policies.


@BOTH
def test_life(start: Start, policies: Path, by: tuple[str, ...]) -> None:
    """It decides; it follows its document; a bad one changes nothing but the status; and it ends when told."""
    service = start(by=by)
    port = service.port
    assert (
        allows(port, "one", "https://one.example"),
        allows(port, "one", "https://two.example"),
        allows(port, "two", "https://two.example"),
    ) == (True, False, None)
    assert ask(port, "/readyz").status == 200

    write(policies, "one", "two")
    service.said(r"Revision \S+ of .* is active: 2 policies")
    assert allows(port, "two", "https://two.example")
    revision = ask(port, "/v1/status").json["revision"]

    policies.write_text(TEN_MISTAKES)
    service.said("10 mistakes in .* stays active")
    status = ask(port, "/v1/status").json
    assert (True, revision, 2, 10) == (
        status["stale"],
        status["revision"],
        status["policies"],
        len(status["mistakes"]),
    )
    assert {str(policies)} == {mistake["file"] for mistake in status["mistakes"]}
    for mistake in status["mistakes"]:
        assert sum(f"{policies}:{mistake['line']}: {mistake['path']}: " in line for line in service.out) == 1
    assert allows(port, "two", "https://two.example")
    assert ask(port, "/readyz").status == 200

    policies.unlink()
    wait_for(lambda: ask(port, "/v1/status").json["mistakes"][0]["code"] == "document-unreadable", "the next mistake")
    assert allows(port, "two", "https://two.example")

    write(policies, "three")
    service.said("are good again")
    status = ask(port, "/v1/status").json
    assert (status["stale"], status["mistakes"], status["policies"], status["generation"]) == (False, [], 1, 3)
    assert (allows(port, "two", "https://two.example"), allows(port, "three", "https://three.example")) == (None, True)

    assert service.stop() == -signal.SIGTERM
    assert (service.err, [line for line in service.out if "Traceback" in line]) == ([], [])


def test_directory_of_a_config_map(start: Start, tmp_path: Path) -> None:
    """A ConfigMap that Kubernetes updates takes effect."""
    directory = tmp_path / "map"
    for version, names in (("..1", ["one"]), ("..2", ["one", "two"])):
        (directory / version).mkdir(parents=True)
        write(directory / version / "a.toml", *names)
    (directory / "..data").symlink_to("..1")
    (directory / "a.toml").symlink_to("..data/a.toml")
    service = start("--policies", directory)
    assert allows(service.port, "two", "https://two.example") is None
    (directory / "..data_tmp").symlink_to("..2")
    (directory / "..data_tmp").replace(directory / "..data")
    service.said("is active: 2 policies")
    assert allows(service.port, "two", "https://two.example")


@BOTH
def test_hangup(start: Start, by: tuple[str, ...]) -> None:
    """SIGHUP has the document read at once, and does no harm, however often it comes."""
    service = start(by=by)
    # The reactor runs when it answers, and so the signal is handled.
    assert allows(service.port, "one", "https://one.example")
    for times in range(1, 4):
        known = sum("is still at revision" in line for line in service.out)
        service.signal(signal.SIGHUP)
        service.said("is still at revision", known + 1)
        assert (times, service.is_alive) == (times, True)
    assert allows(service.port, "one", "https://one.example")


def readers(pid: int) -> list[int]:
    """Give the processes that a service has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_reader_ends_with_the_service(start: Start, number: signal.Signals) -> None:
    """The process that reads policies for a service is gone with it, however the service ends."""
    service = start()
    assert allows(service.port, "one", "https://one.example")
    [reader] = readers(service.pid)
    service.signal(number)
    service.ends()
    wait_for(lambda: is_gone(reader), "the end of the reader")


def test_reader_is_killed(start: Start, policies: Path) -> None:
    """If its reader is killed, the service goes on deciding, says so, and follows its document again."""
    service = start()
    assert allows(service.port, "one", "https://one.example")
    os.kill(readers(service.pid)[0], signal.SIGKILL)
    service.said("The reader of .* has ended")
    assert allows(service.port, "one", "https://one.example")
    write(policies, "one", "two")
    service.said("is active: 2 policies")
    assert not any("Traceback" in line for line in service.out + service.err)


def test_snapshot(start: Start, policies: Path, tmp_path: Path) -> None:
    """A restart without the document serves the last good policies, says how old they are, and follows the document."""
    snapshot = tmp_path / "snapshot.json"
    service = start("--snapshot", snapshot)
    loaded_at = ask(service.port, "/v1/status").json["loaded_at"]
    service.stop()
    assert snapshot.exists()
    policies.unlink()
    service = start("--snapshot", snapshot)
    status = ask(service.port, "/v1/status").json
    assert (True, True, loaded_at) == (
        allows(service.port, "one", "https://one.example"),
        status["stale"],
        status["loaded_at"],
    )
    assert any(f"{policies}: " in line and "document-unreadable" in line for line in service.out + service.err)
    write(policies, "two")
    service.said("is active: 1 policy", 2)
    assert False is ask(service.port, "/v1/status").json["stale"]
    assert not any("Traceback" in line for line in service.out + service.err)


def test_snapshot_cannot_be_written(start: Start, tmp_path: Path) -> None:
    """A snapshot that can't be written any more is reported in the log; the service goes on."""
    directory = tmp_path / "snapshots"
    directory.mkdir()
    service = start("--snapshot", directory / "snapshot.json")
    wait_for((directory / "snapshot.json").exists, "the first snapshot")
    # At once, whatever is in it: the reader may be writing its own first snapshot.
    directory.rename(tmp_path / "away")
    write(tmp_path / "policies.toml", "one", "two")
    service.said("is active: 2 policies")
    service.said("Can't write the snapshot")
    assert allows(service.port, "two", "https://two.example")


# The end.


@BOTH
def test_drain(start: Start, by: tuple[str, ...]) -> None:
    """At SIGTERM it accepts nobody, answers what was half asked, says that it closes, and ends at once.

    No further signal changes that.
    """
    body = b'{"policy": "one", "method": "GET", "origin": "https://one.example"}'
    head = f"POST /v1/decision HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    service = start("--drain-timeout", str(3 * DEADLINE), "--request-timeout", str(3 * DEADLINE), by=by)
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=DEADLINE) as idle,
        socket.create_connection(("127.0.0.1", service.port), timeout=DEADLINE) as busy,
    ):
        busy.sendall(head + body[:20])
        # What was sent before over another connection is read when this is answered.
        assert ask(service.port, "/livez").status == 200
        service.signal(signal.SIGTERM)
        # As `timeout` does.
        service.signal(signal.SIGTERM)
        wait_for(lambda: not listens(service.port), "the end of the port")
        # As what rotates logs or renews certificates does.
        service.signal(signal.SIGHUP)
        assert idle.recv(1) == b""
        assert service.is_alive
        busy.sendall(body[20:])
        answer = b"".join(iter(lambda: busy.recv(2**16), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert b'"allowed":true' in answer
    assert service.ends() == -signal.SIGTERM
    assert not any("Traceback" in line for line in service.out + service.err)


def test_drain_timeout(start: Start) -> None:
    """A request that does not come to its end keeps no process alive."""
    service = start("--drain-timeout", "0.5")
    with socket.create_connection(("127.0.0.1", service.port), timeout=DEADLINE) as busy:
        busy.sendall(b"GET /livez HTTP/1.1\r\n")
        assert ask(service.port, "/livez").status == 200
        assert service.stop() == -signal.SIGTERM
    assert any("Cutting 1 connection " in line for line in service.out)


def test_an_idle_client_over_tls(start: Start, tmp_path: Path) -> None:
    """Who keeps a connection over TLS, and reads nothing for now, holds up no restart."""
    authority, both = Authority("of the test"), tmp_path / "both.pem"
    both.write_bytes(authority.sign("localhost").both)
    listen = f"https:0:interface=127.0.0.1:key={both}:cert={both}"
    service = start("--drain-timeout", str(3 * DEADLINE), listen=(listen,))
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with (
        socket.create_connection(("127.0.0.1", service.port), timeout=DEADLINE) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as client,
    ):
        client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(2**16).startswith(b"HTTP/1.1 200 OK\r\n")
        assert service.stop() == -signal.SIGTERM


def test_hangup_at_the_start(run: Run, tmp_path: Path) -> None:
    """SIGHUP does not end a service that is reading its policies for the first time."""
    (tmp_path / "many").mkdir()
    for number in range(3000):
        write(tmp_path / "many" / f"{number}.toml", f"p{number}")
    service = run(*TWIST, "--policies", tmp_path / "many", "--listen", ANY_PORT)
    children = Path(f"/proc/{service.pid}/task/{service.pid}/children")
    wait_for(children.read_text, "the process that reads")
    service.signal(signal.SIGHUP)
    service.said("is active: 3000 policies")


@BOTH
def test_interrupt(start: Start, by: tuple[str, ...]) -> None:
    """Ctrl-C ends it without a traceback."""
    service = start(by=by)
    assert ask(service.port, "/livez").status == 200
    service.signal(signal.SIGINT)
    assert service.ends() == -signal.SIGINT
    assert not any("Traceback" in line for line in service.out + service.err)


# Starts that fail.


@BOTH
def test_port_is_taken(run: Run, policies: Path, taken: int, by: tuple[str, ...]) -> None:
    """A port that is taken is one line on standard error, and the exit status is 1."""
    description = f"tcp:{taken}:interface=127.0.0.1"
    process = run(*by, "--policies", policies, "--listen", description)
    assert process.ends() == 1
    assert [f"cors-service: cannot listen on {description}: Address already in use"] == process.err
    assert not any("Traceback" in line for line in process.out)


@pytest.mark.parametrize("description", ["haproxy:tcp:99999", "unix:/", "unix:/absent/socket"])
def test_endpoint_cannot_be_had(run: Run, policies: Path, description: str) -> None:
    """An error that shows only when the endpoint is tried is reported in the same way."""
    process = run(*TWIST, "--policies", policies, "--listen", description)
    assert process.ends() == 1
    [line] = process.err
    assert line.startswith(f"cors-service: cannot listen on {description}: ")
    assert not any("Traceback" in line for line in process.out)


def test_one_of_two_endpoints_cannot_be_had(run: Run, policies: Path, tmp_path: Path, taken: int) -> None:
    """If one endpoint fails it does not start, and the next start is not hindered by what is left behind."""
    path = tmp_path / "cors.sock"
    arguments = [*TWIST, "--policies", policies, "--listen", f"unix:{path}"]
    assert run(*arguments, "--listen", f"tcp:{taken}:interface=127.0.0.1").ends() == 1
    process = run(*arguments)
    process.said("Listening on UNIXAddress")
    assert allows(path, "one", "https://one.example")


@BOTH
def test_ten_mistakes(run: Run, policies: Path, by: tuple[str, ...]) -> None:
    """A start with ten mistakes reports each of them in a line with its place, and the exit status is 1."""
    policies.write_text(TEN_MISTAKES)
    process = run(*by, "--policies", policies, "--listen", ANY_PORT)
    assert process.ends() == 1
    *lines, count = process.err
    assert (len(lines), count) == (10, "10 mistakes in the policies.")
    assert all(re.match(rf"{re.escape(str(policies))}:\d+: \S+: .*\[[a-z0-9-]+\]$", line) for line in lines)
    assert len({line.rpartition("[")[2] for line in lines}) == 10
    assert process.out == []


@BOTH
def test_check(run: Run, policies: Path, by: tuple[str, ...]) -> None:
    """--check reports what is in the policies, or what is wrong with them, and does not serve."""
    process = run(*by, "--policies", policies, "--check")
    assert (
        process.ends(),
        process.out,
        process.err,
    ) == (0, ["one: 1 rule, 1 origin pattern", "1 policy, no mistakes."], [])
    policies.write_text(TEN_MISTAKES)
    process = run(*by, "--policies", policies, "--check")
    assert (process.ends(), len(process.err), process.out) == (1, 11, [])


@BOTH
def test_bad_option(run: Run, policies: Path, by: tuple[str, ...]) -> None:
    """A bad option is reported without a traceback, and is not a success."""
    process = run(*by, "--policies", policies, "--listen", "tcp:99999")
    assert process.ends() > 0
    said = process.out + process.err
    assert any("--listen tcp:99999 is not an endpoint" in line for line in said)
    assert not any("Traceback" in line for line in said)


# Endpoints, reactors and logs.


MODES = pytest.mark.parametrize(("ending", "mode"), [("", 0o660), (":mode=606", 0o606)], ids=["default", "mode="])


@BOTH
@MODES
def test_unix_socket(run: Run, policies: Path, tmp_path: Path, by: tuple[str, ...], ending: str, mode: int) -> None:
    """It listens on a socket in the file system, for the owner and the group alone unless the operator says
    otherwise; when it has ended, the socket is gone.
    """
    path = tmp_path / "cors.sock"
    process = run(*by, "--policies", policies, "--listen", f"unix:{path}{ending}")
    process.said("Listening on UNIXAddress")
    assert (allows(path, "one", "https://one.example"), path.stat().st_mode & 0o777) == (True, mode)
    assert process.stop() == -signal.SIGTERM
    assert not path.exists()


def test_a_socket_that_was_left_behind(run: Run, policies: Path, tmp_path: Path) -> None:
    """A lock that names a process id which is somebody's by now, as 1 always is in containers, hinders no start."""
    path = tmp_path / "cors.sock"
    arguments = [*TWIST, "--policies", policies, "--listen", f"unix:{path}"]
    killed = run(*arguments)
    killed.said("Listening on UNIXAddress")
    killed.kill()
    lock = tmp_path / "cors.sock.lock"
    assert (lock.is_symlink(), path.is_socket()) == (True, True)
    lock.unlink()
    lock.symlink_to(str(os.getpid()))
    process = run(*arguments)
    process.said("Listening on UNIXAddress")
    assert allows(path, "one", "https://one.example")
    second = run(*arguments)
    assert second.ends() == 1
    assert second.err == [f"cors-service: cannot listen on unix:{path}: another process listens on it"]
    assert allows(path, "one", "https://one.example")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("workers", [1, 2])
def test_strangers_cannot_connect(run: Run, policies: Path, workers: int) -> None:
    """A process of another user and another group cannot connect to the socket; one of its group can."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory, "cors.sock")
        process = run(*TWIST, "--policies", policies, "--workers", str(workers), "--listen", f"unix:{path}")
        process.said("Listening on UNIXAddress")
        # Python itself may be where only root can read.
        become = "import os, socket, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(65534)"
        program = f"{become}; socket.socket(socket.AF_UNIX).connect(sys.argv[2])"

        def connects(group: int) -> str:
            words = [sys.executable, "-c", program, str(group), str(path)]
            return subprocess.run(words, capture_output=True, text=True, check=False).stderr

        assert "PermissionError" in connects(65534)
        os.chown(path, -1, 65534)
        assert connects(65534) == ""


def test_unix_socket_left_behind(run: Run, policies: Path, tmp_path: Path) -> None:
    """A socket that a process left when it was killed does not hinder the next one."""
    path = tmp_path / "cors.sock"
    arguments = [*TWIST, "--policies", policies, "--listen", f"unix:{path}"]
    killed = run(*arguments)
    killed.said("Listening on UNIXAddress")
    killed.signal(signal.SIGKILL)
    killed.ends()
    assert path.exists()
    run(*arguments).said("Listening on UNIXAddress")
    assert allows(path, "one", "https://one.example")


def test_two_endpoints(start: Start) -> None:
    """It answers on each endpoint that is named."""
    service = start(listen=(ANY_PORT, ANY_PORT))
    assert len(set(service.ports)) == 2
    assert [allows(port, "one", "https://one.example") for port in service.ports] == [True, True]


@pytest.mark.parametrize("reactor", ["asyncio", "epoll", "poll", "select"])
def test_reactor(start: Start, policies: Path, reactor: str) -> None:
    """Other reactors will do: it serves, follows its document, and ends."""
    service = start(by=(*TWIST[:-1], f"--reactor={reactor}", "cors"))
    assert allows(service.port, "one", "https://one.example")
    write(policies, "one", "two")
    service.said("is active: 2 policies")
    assert allows(service.port, "two", "https://two.example")
    assert service.stop() == -signal.SIGTERM


def test_reactor_of_twistd(start: Start) -> None:
    """The same holds for twistd."""
    service = start(by=(TWISTD[0], "--reactor=asyncio", *TWISTD[1:]))
    assert allows(service.port, "one", "https://one.example")
    assert service.stop() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("words", "begins"),
    [((), "20"), (("--log-format=json",), "{"), (("--log-form", "text"), "20")],
    ids=["unasked", "json", "text"],
)
def test_log_in_a_pipe(run: Run, policies: Path, words: tuple[str, ...], begins: str) -> None:
    """Into a pipe, too, twist writes text, line by line with the date, unless it is asked for its own JSON."""
    process = run(sys.executable, "-m", "twisted", *words, "cors", "--policies", policies, "--listen", ANY_PORT)
    process.said("Main loop|Starting reactor")
    process.stop()
    assert {line.lstrip("\x1e")[: len(begins)] for line in process.out if line} == {begins}


def test_json_log_of_a_start_that_fails(run: Run, policies: Path, tmp_path: Path) -> None:
    """Mistakes that stop a start, in policies and in options, are in the log as JSON, and on standard error as text."""
    log = tmp_path / "log.json"
    for text, options in (TEN_MISTAKES, ("--listen", ANY_PORT)), (toml("one"), ("--listen", "nonsense")):
        policies.write_text(text)
        process = run(*TWIST, "--policies", policies, "--json-log", log, *options)
        assert process.ends() != 0
        events = [json.loads(line) for line in log.read_text().splitlines()]
        assert {event["level"] for event in events} == {"critical"}
        shown = "\n".join(process.err)
        assert all(event["message"] in shown for event in events)
        assert len(events) == (10 if text == TEN_MISTAKES else 1)
        assert all("code" in event for event in events) == (text == TEN_MISTAKES)
        log.unlink()


@BOTH
def test_usage_error(run: Run, by: tuple[str, ...]) -> None:
    """What is wrong with the options is one line, and another says where help is; it is not a list of all options."""
    process = run(*by, "--nonsense")
    assert process.ends() == os.EX_USAGE
    what, where = process.err
    assert what.endswith(" cors: option --nonsense not recognized")
    assert (where, process.out) == (f"Help: {what.partition(':')[0]} --help", [])


def test_json_log(run: Run, policies: Path) -> None:
    """With the log of twist elsewhere, standard output is JSON alone: an object a line for each event, once."""
    process = run(
        *(word if word != "--log-format=text" else "--log-file=/dev/null" for word in TWIST),
        *("--policies", policies, "--listen", ANY_PORT, "--json-log", "-"),
    )
    process.said('"message": "Listening on ')
    process.said('"message": "Starting reactor')
    policies.write_text(TEN_MISTAKES)
    process.said("10 mistakes in .* stays active")
    process.stop()
    events = [json.loads(line) for line in process.out]
    assert all({"time", "level", "logger", "message"} <= event.keys() for event in events)
    messages = [event["message"] for event in events]
    for beginning in ("Revision ", "Listening on ", "Starting reactor", "10 mistakes in ", "Received SIGTERM"):
        assert (beginning, 1) == (beginning, sum(message.startswith(beginning) for message in messages))
    assert sum(event["level"] == "error" and "code" in event for event in events) == 10
    assert process.err == []


def test_json_log_in_a_file(start: Start, tmp_path: Path) -> None:
    """A JSON log in a file has each event once, in the order of their times."""
    path = tmp_path / "log.json"
    service = start("--json-log", path)
    assert ask(service.port, "/livez").status == 200
    service.stop()
    events = [json.loads(line) for line in path.read_text().splitlines()]
    times = [event["time"] for event in events]
    assert sorted(times) == times
    assert sum(event["message"].startswith("Listening on ") for event in events) == 1
    assert sum(event["message"].startswith("Main loop terminated") for event in events) == 1


def test_access_log(start: Start, tmp_path: Path) -> None:
    """Requests are logged if that is wanted, and only then."""
    path = tmp_path / "access.log"
    logging, silent = start("--access-log", path), start()
    for service in (logging, silent):
        ask(service.port, "/v1/decision?policy=one")
        service.stop()
    assert path.read_text().count('"GET /v1/decision?policy=one HTTP/1.1" 200') == 1
    assert not any("/v1/decision" in line for line in logging.out + silent.out)


def test_access_log_in_the_log(start: Start) -> None:
    """`-` is the log of the process."""
    service = start("--access-log", "-")
    ask(service.port, "/livez")
    service.said('"GET /livez HTTP/1.1" 200')


# Daemons.


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """Give the path of a pidfile; the daemon that writes it is ended with the test."""
    path = tmp_path / "cors.pid"
    yield path
    with suppress(FileNotFoundError, ProcessLookupError, ValueError):
        pid = int(path.read_text())
        # Another process may have that number by now.
        if str(path).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)


def daemon(run: Run, policies: Path, pid_file: Path, *arguments: str) -> Process:
    """Start a daemon, and give the process that starts it."""
    words = [TWISTD[0], f"--pidfile={pid_file}", f"--logfile={pid_file.with_suffix('.log')}", "cors"]
    return run(*words, "--policies", policies, *arguments)


def test_daemon(run: Run, policies: Path, pid_file: Path) -> None:
    """As a daemon it has left its parent when it listens, follows its document, and is gone once it is told to end."""
    log = pid_file.with_suffix(".log")
    starting = daemon(run, policies, pid_file, "--listen", ANY_PORT)
    assert (starting.ends(), starting.out, starting.err) == (0, [], [])
    pid = int(pid_file.read_text())
    match = wait_for(lambda: re.search(r"Listening on .*port=(\d+)", log.read_text()), "the port in the log")
    port = int(match[1])
    assert (allows(port, "one", "https://one.example"), allows(port, "one", "https://two.example")) == (True, False)
    write(policies, "one", "two")
    wait_for(lambda: allows(port, "two", "https://two.example"), "the other policy")
    known = log.read_text().count("is still at revision")
    os.kill(pid, signal.SIGHUP)
    wait_for(lambda: log.read_text().count("is still at revision") > known, "the effect of SIGHUP")
    os.kill(pid, signal.SIGTERM)
    wait_for(lambda: is_gone(pid), "the end of the daemon")
    assert (pid_file.exists(), "Traceback" in log.read_text()) == (False, False)
    assert not listens(port)


def test_daemon_with_mistakes(run: Run, policies: Path, pid_file: Path) -> None:
    """Mistakes are reported before a daemon leaves its parent, where somebody can see them."""
    policies.write_text(TEN_MISTAKES)
    starting = daemon(run, policies, pid_file, "--listen", ANY_PORT)
    assert (starting.ends(), len(starting.err)) == (1, 11)
    assert not pid_file.exists()


def test_daemon_whose_port_is_taken(run: Run, policies: Path, pid_file: Path, taken: int) -> None:
    """A daemon that can't listen says so: whoever starts it sees the failure, and the log says why."""
    starting = daemon(run, policies, pid_file, "--listen", f"tcp:{taken}:interface=127.0.0.1")
    assert starting.ends() == 1
    assert f"CannotServe: cannot listen on tcp:{taken}:interface=127.0.0.1" in "\n".join(starting.err)
    log = pid_file.with_suffix(".log").read_text()
    assert (log.count("Address already in use"), log.count("Traceback")) == (1, 0)
    assert not pid_file.exists()

"""Tests of the systemd units in etc, and of the service as systemd starts it, reloads it and passes it a socket."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.answering import free_port
from tests.bundle.bundles import FILE, files, key_pair, shop
from tests.bundle.served import Site, served
from tests.certificates import Authority
from tests.e2e.confined import NOBODY, can_confine
from tests.e2e.confined import command as confined
from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, TWISTD, Process, allows, ask, wait_for
from tests.e2e.requirements import need
from tests.e2e.test_admin import send
from tests.store.store_texts import TEN_MISTAKES, toml

if sys.platform != "linux":
    pytest.skip("systemd is for Linux", allow_module_level=True)

ETC = Path(__file__).parents[2] / "etc"
UNIT, SOCKET, ADMIN = "cors-service.service", "cors-service.socket", "cors-admin.service"
SOCKET_DROP_IN, TLS_DROP_IN = "cors-service.service.d/socket.conf", "cors-service.service.d/tls.conf"
STORE_DROP_IN, DIRECTORY_DROP_IN = "cors-service.service.d/store.conf", "cors-admin.service.d/directory.conf"
DROP_INS = pytest.mark.parametrize(
    ("unit", "drop_ins", "most"),
    [
        (UNIT, (), 1.0),
        (UNIT, (SOCKET_DROP_IN,), 0.6),
        (UNIT, (TLS_DROP_IN,), 1.1),
        (UNIT, (STORE_DROP_IN,), 1.1),
        (ADMIN, (), 1.1),
        (ADMIN, (DIRECTORY_DROP_IN,), 1.1),
    ],
    ids=["alone", "with a socket", "with TLS", "with a store", "the admin", "the admin of a directory"],
)
INSTALLED = "/opt/cors-service/bin"
MOST_EXPOSURE = 1.5

Run = Callable[..., Process]


# What the units say.


def setting(path: Path, name: str) -> list[str]:
    """All values of a setting of a unit, in order."""
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Give a directory with the units, for services that are installed where the tests are run, and the socket."""
    directory = tmp_path / "units"
    directory.mkdir()
    for name in (UNIT, SOCKET, ADMIN):
        text = (ETC / name).read_text(encoding="utf-8")
        (directory / name).write_text(text.replace(INSTALLED, str(Path(sys.executable).parent)))
    return directory


def add(units: Path, drop_ins: tuple[str, ...]) -> None:
    """Copy drop-ins where an administrator copies them."""
    for name in drop_ins:
        (units / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ETC / name, units / name)


@DROP_INS
def test_verify(units: Path, unit: str, drop_ins: tuple[str, ...], most: float) -> None:
    """The tools of systemd find no fault with the units."""
    [analyze] = need("systemd-analyze")
    add(units, drop_ins)
    done = subprocess.run(
        [analyze, "verify", units / unit, units / SOCKET], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@DROP_INS
def test_exposure(units: Path, unit: str, drop_ins: tuple[str, ...], most: float) -> None:
    """What systemd calls the exposure of the service is small."""
    [analyze] = need("systemd-analyze")
    add(units, drop_ins)
    done = subprocess.run(
        [analyze, "security", "--offline=true", units / unit], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= most <= MOST_EXPOSURE


@pytest.mark.parametrize("name", [UNIT, ADMIN])
def test_nothing_keeps_it_down(name: str) -> None:
    """It is started again however often it ends, after a moment."""
    unit = ETC / name
    assert [setting(unit, name) for name in ("StartLimitIntervalSec", "Restart", "RestartSec")] == [
        ["0"],
        ["always"],
        ["1"],
    ]


def test_limits() -> None:
    """Memory, tasks and files are limited, the files to more than the connections take."""
    from cors_service.server import ServerLimits

    unit = ETC / UNIT
    assert all(setting(unit, name) for name in ("MemoryMax", "MemoryHigh", "TasksMax"))
    assert int(setting(unit, "LimitNOFILE")[0]) > 2 * ServerLimits().connections


# What systemd is told.


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a directory with a document in it."""
    directory = tmp_path / "policies"
    directory.mkdir()
    (directory / "one.toml").write_text(toml("one"))
    return directory


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Give a function that starts a process with some variables; it is ended with the test."""
    processes: list[Process] = []

    def begin(*arguments: str | Path, **variables: str) -> Process:
        words = ["env", *(f"{name}={value}" for name, value in variables.items()), *map(str, arguments)]
        processes.append(Process(words, tmp_path))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


class Manager:
    """What systemd does at the other end of the socket.

    Attributes:
        address: What NOTIFY_SOCKET is.
    """

    def __init__(self, receiver: socket.socket, address: str) -> None:
        receiver.settimeout(DEADLINE)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.address = address
        self._receiver = receiver

    def hears(self) -> tuple[str, int]:
        """Wait for a message; give its first line, and the process that sent it."""
        data, ancillary, _, _ = self._receiver.recvmsg(1 << 12, socket.CMSG_SPACE(12))
        return data.decode("ascii").splitlines()[0], int.from_bytes(ancillary[0][2][:4], sys.byteorder)

    def heard_all(self) -> bool:
        """Whether nothing else was said."""
        self._receiver.setblocking(False)
        try:
            self._receiver.recv(1 << 12)
        except BlockingIOError:
            return True
        return False


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """Give a manager that listens at a path, and one that listens at an abstract socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        path = str(tmp_path / "n")
        receiver.bind(path if request.param == "path" else f"\0{path}")
        yield Manager(receiver, path if request.param == "path" else f"@{path}")


@pytest.mark.parametrize("by", [TWIST, TWISTD], ids=["twist", "twistd"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_told(run: Run, policies: Path, manager: Manager, by: tuple[str, ...], workers: str) -> None:
    """The first process alone tells systemd when it serves, when it reloads and has reloaded, whether well or badly,
    and when it stops.
    """
    words = [*by, "--policies", policies, "--listen", ANY_PORT, "--workers", workers]
    process = run(*words, NOTIFY_SOCKET=manager.address)
    assert manager.hears() == ("READY=1", process.pid)
    port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
    assert ask(port, "/readyz").status == 200

    (policies / "two.toml").write_text(toml("two"))
    process.signal(signal.SIGHUP)
    assert [manager.hears(), manager.hears()] == [("RELOADING=1", process.pid), ("READY=1", process.pid)]
    if workers == "1":
        assert allows(port, "two", "https://two.example")

    (policies / "two.toml").write_text(TEN_MISTAKES)
    process.signal(signal.SIGHUP)
    assert [manager.hears()[0], manager.hears()[0]] == ["RELOADING=1", "READY=1"]
    assert allows(port, "one", "https://one.example")

    process.signal(signal.SIGTERM)
    assert manager.hears() == ("STOPPING=1", process.pid)
    assert process.ends() == -signal.SIGTERM
    assert manager.heard_all()
    assert not any("Traceback" in line for line in process.out + process.err)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_not_ready(run: Run, tmp_path: Path, manager: Manager, workers: str) -> None:
    """A service that can't start never says that it is ready."""
    (tmp_path / "policies.toml").write_text(TEN_MISTAKES)
    words = [*TWIST, "--policies", tmp_path / "policies.toml", "--listen", ANY_PORT, "--workers", workers]
    assert run(*words, NOTIFY_SOCKET=manager.address).ends() == 1
    assert manager.heard_all()


# What systemd runs.


def command(unit: Path, name: str, **variables: str) -> list[list[str]]:
    """The commands of a setting of a unit, with its variables and others."""
    values = dict(value.split("=", 1) for value in setting(unit, "Environment")) | variables

    def put(word: str) -> str:
        return re.sub(r"\$\{?(\w+)\}?", lambda match: values[match[1]], word)

    return [[put(word) for word in line.split()] for line in setting(unit, name)]


def reload(unit: Path, policies: Path, pid: int) -> int:
    """Do what `systemctl reload` does, and give its exit status."""
    for words in command(unit, "ExecReload", CORS_POLICIES=str(policies), MAINPID=str(pid)):
        status = subprocess.run(words, capture_output=True, check=False).returncode
        if status:
            return status
    return 0


def test_reload(run: Run, units: Path, policies: Path) -> None:
    """A reload takes the changed documents; if they have mistakes it fails, and changes nothing."""
    process = run(*TWIST, "--policies", policies, "--listen", ANY_PORT)
    port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
    assert ask(port, "/readyz").status == 200
    assert reload(units / UNIT, policies, process.pid) == 0
    process.said("is still at revision")

    (policies / "two.toml").write_text(TEN_MISTAKES)
    assert reload(units / UNIT, policies, process.pid) == 1
    assert allows(port, "one", "https://one.example")
    (policies / "two.toml").write_text(toml("two"))
    assert reload(units / UNIT, policies, process.pid) == 0
    wait_for(lambda: allows(port, "two", "https://two.example"), "the mended document")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_socket(run: Run, units: Path, policies: Path, tmp_path: Path, workers: str) -> None:
    """The service answers on a socket that it was passed, also the connection that waited while it started."""
    [activate] = need("systemd-socket-activate")
    [listen] = [value for value in setting(ETC / SOCKET_DROP_IN, "Environment") if value.startswith("CORS_LISTEN=")]
    [words] = command(units / UNIT, "ExecStart", CORS_POLICIES=str(policies), CORS_LISTEN=listen.partition("=")[2])
    words[words.index("--snapshot") + 1] = str(tmp_path / "snapshot.json")
    port = free_port()
    process = run(activate, "--fdname=cors-service", f"--listen=127.0.0.1:{port}", *words, "--workers", workers)
    wait_for(lambda: process.err, "the socket")
    assert allows(port, "one", "https://one.example")
    process.said("Listening on IPv4Address")
    assert process.stop() == -signal.SIGTERM
    assert not any("Traceback" in line for line in process.out + process.err)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unix_socket_stays_as_it_is(run: Run, policies: Path, tmp_path: Path, workers: str) -> None:
    """A Unix socket of systemd keeps the mode that its unit gave it, and outlives the service."""
    [activate] = need("systemd-socket-activate")
    path = tmp_path / "s"
    words = [*TWIST, "--policies", policies, "--listen", "systemd:domain=UNIX:index=0", "--workers", workers]
    process = run(activate, "--fdname=cors-service", f"--listen={path}", *words)
    # It says so once it listens; that the socket is there is a step before.
    wait_for(lambda: process.err, "the socket")
    path.chmod(0o620)
    assert allows(path, "one", "https://one.example")
    assert process.stop() == -signal.SIGTERM
    assert path.stat().st_mode & 0o777 == 0o620
    assert not any("Traceback" in line for line in process.out + process.err)


# Holds a socket as systemd does, passes it to a service, and restarts the service at each SIGHUP.
KEEPER = """
import os, signal, socket, sys
listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
print("port", listening.getsockname()[1], flush=True)
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
number = signal.SIGHUP
while number == signal.SIGHUP:
    pid = os.fork()
    if not pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP, signal.SIGTERM})
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
        os.execv(sys.argv[1], sys.argv[1:])
    number = signal.sigwait({signal.SIGHUP, signal.SIGTERM})
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    print("stopped", flush=True)
"""


@pytest.mark.parametrize("workers", ["1", "2"])
def test_restart_without_a_gap(run: Run, policies: Path, workers: str) -> None:
    """While a service with a socket of systemd restarts, callers wait, and each gets its answer."""
    listen = ("--listen", "systemd:domain=INET:index=0")
    keeper = run(sys.executable, "-c", KEEPER, *TWIST, "--policies", policies, *listen, "--workers", workers)
    port = int(keeper.said(r"port (\d+)")[1])
    assert allows(port, "one", "https://one.example")
    answers: list[object] = []
    over = Event()

    def call() -> None:
        while not over.is_set():
            try:
                answers.append(allows(port, "one", "https://one.example"))
            except (OSError, http.client.HTTPException) as error:
                answers.append(repr(error))

    def wait_for_more() -> None:
        known = len(answers)
        wait_for(lambda: len(answers) > known + 20, "answers")

    callers = [Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for times in range(1, 4):
        wait_for_more()
        keeper.signal(signal.SIGHUP)
        keeper.said("stopped", times)
    wait_for_more()
    over.set()
    for caller in callers:
        caller.join(DEADLINE)
        assert not caller.is_alive()
    assert set(answers) == {True}
    keeper.stop()


# How systemd confines it.


def calls(analyze: str, name: str) -> set[str]:
    """The system calls of a set of systemd's, and of those in it; or a call itself."""
    if not name.startswith("@"):
        return {name}
    done = subprocess.run([analyze, "syscall-filter", name], capture_output=True, text=True, check=True)
    words = [line.strip() for line in done.stdout.splitlines()[1:]]
    return set().union(*(calls(analyze, word) for word in words if word and not word.startswith("#")))


def allowed_calls(analyze: str, unit: Path) -> set[str]:
    """The system calls that the filters of a unit leave."""
    left = calls(analyze, "@default")
    for line in setting(unit, "SystemCallFilter"):
        named = set().union(*(calls(analyze, word) for word in line.removeprefix("~").split()))
        left = left - named if line.startswith("~") else left | named
    return left


def confinement(analyze: str, unit: Path) -> dict[str, Any]:
    """What a unit says of its confinement, as far as it can be tried here."""
    yes = {name for name in ("MemoryDenyWriteExecute", "NoNewPrivileges") if setting(unit, name) == ["yes"]}
    assert yes == {"MemoryDenyWriteExecute", "NoNewPrivileges"}
    assert setting(unit, "ProtectSystem") == ["strict"]
    assert setting(unit, "CapabilityBoundingSet") == [""]
    families = [getattr(socket, name) for name in setting(unit, "RestrictAddressFamilies")[0].split()]
    return {
        "limits": {name: int(setting(unit, f"Limit{name}")[0]) for name in ("NOFILE", "CORE")},
        "umask": int(setting(unit, "UMask")[0], 8),
        "calls": sorted(allowed_calls(analyze, unit)),
        "families": [int(family) for family in families],
        "process_files": f"hidepid={setting(unit, 'ProtectProc')[0]},subset={setting(unit, 'ProcSubset')[0]}",
        "deny_write_execute": True,
    }


def usage(pid: int) -> tuple[int, int]:
    """How many tasks a process and its descendants have, and how many bytes of memory, those that they share too."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    tasks = len(list(Path(f"/proc/{pid}/task").iterdir()))
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    below = [usage(int(child)) for child in children]
    return tasks + sum(each[0] for each in below), pages * 4096 + sum(each[1] for each in below)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give a directory with policies that anybody can read, and one for the state of the service."""
    tmp_path.chmod(0o755)
    for name in ("policies", "state"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "policies" / "one.toml").write_text(toml("one"))
    os.chown(tmp_path / "state", NOBODY, NOBODY)
    return tmp_path


@pytest.mark.skipif(not can_confine(), reason="only root can confine another process, and not everywhere")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("kind", ["tcp", "ssl", "unix"])
def test_confined(run: Run, units: Path, place: Path, workers: str, kind: str) -> None:
    """Confined as the unit says, the service starts, decides, follows its documents, keeps a snapshot that others can't
    read, reloads and stops; it needs a small part of the memory and the tasks that it may have.
    """
    [analyze] = need("systemd-analyze")
    unit, path = units / UNIT, place / "state" / "cors.sock"
    (place / "key.pem").write_bytes(Authority("systemd").sign("service").both)
    endpoint = {
        "tcp": ANY_PORT,
        "ssl": f"ssl:0:privateKey={place / 'key.pem'}:interface=127.0.0.1",
        "unix": f"unix:{path}",
    }[kind]
    settings = confinement(analyze, unit)
    if kind == "ssl":
        settings["deny_write_execute"] = setting(ETC / TLS_DROP_IN, "MemoryDenyWriteExecute") != ["no"]
    [words] = command(unit, "ExecStart", CORS_POLICIES=str(place / "policies"), CORS_LISTEN=endpoint)
    words[words.index("--snapshot") + 1] = str(place / "state" / "policies.json")
    words = confined(
        [*words, "--workers", workers],
        readable=[place / "policies", place / "key.pem"],
        writable=[place / "state"],
        **settings,
    )
    process = run(*words, **dict(value.split("=", 1) for value in setting(unit, "Environment")))
    listening = process.said(r"Listening on \w+Address\((.*)\)")[1]
    if kind == "ssl":
        port = int(re.findall(r"port=(\d+)", listening)[0])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE, context=context)
        connection.request("GET", "/v1/decision?policy=one&origin=https://one.example")
        assert b'"allowed":true' in connection.getresponse().read()
        connection.close()
    else:
        asked = path if kind == "unix" else int(re.findall(r"port=(\d+)", listening)[0])
        assert allows(asked, "one", "https://one.example")
        (place / "policies" / "two.toml").write_text(toml("two"))
        wait_for(lambda: allows(asked, "two", "https://two.example"), "the other policy")
        process.signal(signal.SIGHUP)
        process.said("is still at revision")
        snapshot = place / "state" / "policies.json"
        wait_for(snapshot.exists, "the snapshot")
        assert snapshot.stat().st_mode & 0o777 == 0o600
        tasks, memory = usage(process.pid)
        assert tasks < int(setting(unit, "TasksMax")[0]) / 2
        assert memory < 0.3 * int(setting(unit, "MemoryHigh")[0].removesuffix("M")) * 2**20
    assert process.stop() == -signal.SIGTERM
    assert not any("Traceback" in line or "denied" in line for line in process.out + process.err)


@pytest.mark.skipif(not can_confine(), reason="only root can confine another process, and not everywhere")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_socket_without_a_network(run: Run, units: Path, place: Path, workers: str) -> None:
    """With the socket of systemd, the service needs no network of its own: PrivateNetwork=yes of socket.conf."""
    [analyze, activate] = need("systemd-analyze", "systemd-socket-activate")
    unit = units / UNIT
    assert setting(ETC / SOCKET_DROP_IN, "PrivateNetwork") == ["yes"]
    [listen] = [value for value in setting(ETC / SOCKET_DROP_IN, "Environment") if value.startswith("CORS_LISTEN=")]
    [words] = command(unit, "ExecStart", CORS_POLICIES=str(place / "policies"), CORS_LISTEN=listen.partition("=")[2])
    words[words.index("--snapshot") + 1] = str(place / "state" / "policies.json")
    words = confined(
        [*words, "--workers", workers],
        readable=[place / "policies"],
        writable=[place / "state"],
        network=False,
        **confinement(analyze, unit),
    )
    port = free_port()
    process = run(activate, "--fdname=cors-service", f"--listen=127.0.0.1:{port}", *words)
    wait_for(lambda: process.err, "the socket")
    assert allows(port, "one", "https://one.example")
    (place / "policies" / "two.toml").write_text(toml("two"))
    wait_for(lambda: allows(port, "two", "https://two.example"), "the other policy")
    assert process.stop() == -signal.SIGTERM


@pytest.mark.skipif(not can_confine(), reason="only root can confine another process, and not everywhere")
def test_store_confined(run: Run, units: Path, place: Path) -> None:
    """Confined as the unit says, the service follows a signed bundle over TLS, and reloads without documents."""
    [analyze] = need("systemd-analyze")
    unit, key, site, authority = units / UNIT, key_pair(place, "one.key"), Site(), Authority("bundles")
    (place / "authority.pem").write_bytes(authority.certificate)
    site.put(files(shop(7), [key]))
    with served(site, authority, place) as url:
        [words] = command(unit, "ExecStart", CORS_POLICIES=url + FILE, CORS_LISTEN=ANY_PORT)
        words[words.index("--snapshot") + 1] = str(place / "state" / "policies.json")
        words += ["--policies-key", str(key.public), "--confirm-interval", "0.1"]
        words = confined(
            words,
            readable=[key.public, place / "authority.pem"],
            writable=[place / "state"],
            **confinement(analyze, unit),
        )
        variables = dict(value.split("=", 1) for value in setting(unit, "Environment"))
        process = run(*words, SSL_CERT_FILE=str(place / "authority.pem"), **variables)
        port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
        assert allows(port, "shop", "https://number-7.example.com")
        site.put(files(shop(8), [key]))
        wait_for(lambda: allows(port, "shop", "https://number-8.example.com"), "the new bundle")
        [forgotten, words] = command(ETC / STORE_DROP_IN, "ExecReload", MAINPID=str(process.pid))
        assert (forgotten, subprocess.run(words, check=False).returncode) == ([], 0)
        process.said("is still at revision")
        assert process.stop() == -signal.SIGTERM
    assert not any("Traceback" in line or "denied" in line for line in process.out + process.err)


@pytest.mark.skipif(not can_confine(), reason="only root can confine another process, and not everywhere")
def test_admin_confined(run: Run, units: Path, place: Path) -> None:
    """Confined as its unit says, the admin process makes a change that who serves can read, keeps what is its own to
    itself, and stops.
    """
    [analyze] = need("systemd-analyze")
    unit, data = units / ADMIN, place / "state" / "admin"
    for path in (place / "policies", place / "policies" / "one.toml"):
        os.chown(path, NOBODY, NOBODY)
    [words] = command(unit, "ExecStart", CORS_STORE=str(place / "policies"), CORS_ADMIN_LISTEN=ANY_PORT)
    words[words.index("--data") + 1] = str(data)
    [umask] = setting(ETC / DIRECTORY_DROP_IN, "UMask")
    settings = confinement(analyze, unit) | {"umask": int(umask, 8)}
    words = confined(words, readable=[], writable=[place / "policies", place / "state"], **settings)
    process = run(*words, **dict(value.split("=", 1) for value in setting(unit, "Environment")))
    port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
    two = {"origins": ["https://two.example"]}
    assert send(port, "PUT", "policies/two?reason=new", two, If_None_Match="*").status == 201
    assert (place / "policies" / "two.toml").stat().st_mode & 0o777 == 0o644
    assert data.stat().st_mode & 0o777 == 0o700
    process.signal(signal.SIGHUP)
    wait_for(lambda: send(port, "GET", "policies/two").json == two, "the policy")
    tasks, memory = usage(process.pid)
    assert tasks < int(setting(unit, "TasksMax")[0]) / 2
    assert memory < 0.3 * int(setting(unit, "MemoryHigh")[0].removesuffix("M")) * 2**20
    assert process.stop() == -signal.SIGTERM
    assert not any("Traceback" in line or "denied" in line for line in process.out + process.err)

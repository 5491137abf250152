"""Tests of the systemd units in etc, and of the service as systemd starts it, reloads it and passes it a socket."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, TWISTD, Process, allows, ask, wait_for
from tests.e2e.requirements import need
from tests.store.store_texts import TEN_MISTAKES, toml

if sys.platform != "linux":
    pytest.skip("systemd is for Linux", allow_module_level=True)

ETC = Path(__file__).parents[2] / "etc"
UNIT, SOCKET, SOCKET_DROP_IN = "cors-service.service", "cors-service.socket", "cors-service.service.d/socket.conf"
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
    """Give a directory with the units, for a service that is installed where the tests are run."""
    directory = tmp_path / "units"
    (directory / SOCKET_DROP_IN).parent.mkdir(parents=True)
    for name in (UNIT, SOCKET, SOCKET_DROP_IN):
        shutil.copyfile(ETC / name, directory / name)
    unit = directory / UNIT
    unit.write_text(unit.read_text(encoding="utf-8").replace(INSTALLED, str(Path(sys.executable).parent)))
    return directory


@pytest.mark.parametrize("with_socket", [False, True], ids=["alone", "with a socket"])
def test_verify(units: Path, with_socket: bool) -> None:
    """The tools of systemd find no fault with the units."""
    [analyze] = need("systemd-analyze")
    if not with_socket:
        (units / SOCKET_DROP_IN).unlink()
    names = [UNIT, SOCKET] if with_socket else [UNIT]
    done = subprocess.run(
        [analyze, "verify", *(units / name for name in names)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("with_socket", [False, True], ids=["alone", "with a socket"])
def test_exposure(units: Path, with_socket: bool) -> None:
    """What systemd calls the exposure of the service is small, and smaller with a socket that systemd listens on."""
    [analyze] = need("systemd-analyze")
    if not with_socket:
        (units / SOCKET_DROP_IN).unlink()
    done = subprocess.run(
        [analyze, "security", "--offline=true", units / UNIT], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= (0.6 if with_socket else 1.0) <= MOST_EXPOSURE


def test_nothing_keeps_it_down() -> None:
    """It is started again however often it ends, after a moment."""
    unit = ETC / UNIT
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
    [listen] = [value for value in setting(units / SOCKET_DROP_IN, "Environment") if value.startswith("CORS_LISTEN=")]
    [words] = command(units / UNIT, "ExecStart", CORS_POLICIES=str(policies), CORS_LISTEN=listen.partition("=")[2])
    words[words.index("--snapshot") + 1] = str(tmp_path / "snapshot.json")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = run(activate, "--fdname=cors-service", f"--listen=127.0.0.1:{port}", *words, "--workers", workers)
    wait_for(lambda: process.err, "the socket")
    assert allows(port, "one", "https://one.example")
    process.said("Listening on IPv4Address")
    assert process.stop() == -signal.SIGTERM
    assert not any("Traceback" in line for line in process.out + process.err)

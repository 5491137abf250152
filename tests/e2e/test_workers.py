"""Tests of a service of several processes: they decide, change, end and die as one, and nobody outside has to know."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import ssl
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.certificates import Authority
from tests.e2e.daemons import ANY_PORT, DEADLINE, TWIST, TWISTD, Process, Service, allows, ask, is_gone, wait_for
from tests.e2e.load.client import ClosedBefore, Connection, CutShort, request
from tests.e2e.load.test_sigterm import ANSWERED, NOT_TAKEN_UP, outcome_of
from tests.e2e.load.test_sigterm import document as loaded
from tests.e2e.load.test_sigterm import stop as stop_under_load
from tests.store.store_texts import TEN_MISTAKES, toml

if sys.platform != "linux":
    pytest.skip("looks at processes as Linux shows them", allow_module_level=True)

Start = Callable[..., Service]
Place = int | Path
BOTH = pytest.mark.parametrize("by", [TWIST, TWISTD], ids=["twist", "twistd"])

# Has a socket listen, and becomes a service that finds it as systemd passes it on.
AS_SYSTEMD = """
import os, socket, sys
listening = socket.create_server(("127.0.0.1", 0))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="web")
os.execv(sys.argv[1], sys.argv[1:])
"""


def write(path: Path, *names: str) -> None:
    """Write a document with a policy of each name, which speaks for one origin, by a rename."""
    new = path.with_suffix(".new")
    new.write_text(toml(*names))
    new.replace(path)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a document with the policy `one`."""
    path = tmp_path / "policies.toml"
    write(path, "one")
    return path


@pytest.fixture
def run(tmp_path: Path, policies: Path) -> Iterator[Callable[..., Process]]:
    """Give a function that starts two workers; they are ended with the test."""
    processes: list[Process] = []

    def begin(*arguments: str | Path, by: tuple[str, ...] = TWIST) -> Process:
        words = [*by, "--policies", policies, "--workers", "2", *arguments]
        processes.append(Process([str(word) for word in words], tmp_path))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


@pytest.fixture
def start(tmp_path: Path, policies: Path) -> Iterator[Start]:
    """Give a function that starts two workers at a port, and waits until they serve; they are ended with the test."""
    services: list[Service] = []

    def begin(
        *arguments: str | Path, by: tuple[str, ...] = TWIST, listen: str = ANY_PORT, wait: bool = True
    ) -> Service:
        words = [*by, "--policies", policies, "--workers", "2", "--listen", listen, *arguments]
        services.append(Service([str(word) for word in words], tmp_path))
        if wait:
            serving(services[-1].port)
        return services[-1]

    yield begin
    for service in services:
        service.kill()


def workers(place: Place) -> list[dict[str, Any]]:
    """What the status says of the workers."""
    told: list[dict[str, Any]] = ask(place, "/v1/status").json["workers"]
    return told


def all_workers(place: Place, condition: Callable[[dict[str, Any]], bool], what: str) -> list[dict[str, Any]]:
    """Wait until each worker says of itself that something holds; give what each said, by number.

    What it says of the others may be older.
    """
    said: dict[int, dict[str, Any]] = {}

    def found() -> bool:
        told = ask(place, "/v1/status").json
        [own] = [worker for worker in told["workers"] if worker["number"] == told["worker"]]
        said[own["number"]] = own
        return len(said) == len(told["workers"]) and all(map(condition, said.values()))

    wait_for(found, what)
    return [said[number] for number in sorted(said)]


def serving(place: Place) -> list[int]:
    """Wait until all workers serve, as each of them says; give their process ids."""
    seen: dict[int, list[int]] = {}

    def both_agree() -> bool:
        told = ask(place, "/v1/status").json
        if all(worker["state"] == "serving" for worker in told["workers"]):
            seen[told["worker"]] = [worker["pid"] for worker in told["workers"]]
        return len(seen) == len(told["workers"]) and len({tuple(pids) for pids in seen.values()}) == 1

    wait_for(both_agree, "workers that serve")
    return next(iter(seen.values()))


def number_of(connection: Connection) -> int:
    """The number of the worker at the other end of a connection."""
    number: int = connection.get("/v1/status").json["worker"]
    return number


@contextmanager
def stopped(pids: list[int]) -> Iterator[None]:
    """Have processes do nothing until the block ends."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def no_traceback(process: Process) -> bool:
    """Whether a process told of no fault."""
    return not any("Traceback" in line for line in process.out + process.err)


# As one.


@BOTH
def test_life(start: Start, policies: Path, by: tuple[str, ...]) -> None:
    """All workers decide by the document, follow it, keep the last good one, and end together when told."""
    service = start(by=by)
    port, pids = service.port, serving(service.port)
    assert len({service.pid, *pids}) == 3
    assert (allows(port, "one", "https://one.example"), allows(port, "two", "https://two.example")) == (True, None)

    write(policies, "one", "two")
    told = all_workers(port, lambda worker: worker["generation"] == 2, "the change in all workers")
    assert {worker["revision"] for worker in told} == {ask(port, "/v1/status").json["revision"]}
    assert allows(port, "two", "https://two.example")

    policies.write_text(TEN_MISTAKES)
    told = all_workers(port, lambda worker: worker["stale"], "the mistakes in all workers")
    assert {(worker["generation"], worker["replaced"]) for worker in told} == {(2, 0)}
    for number in (1, 2):
        service.said(rf"\[worker {number}\] 10 mistakes in .* stays active")

    assert service.stop() == -signal.SIGTERM
    assert all(is_gone(pid) for pid in pids)
    assert no_traceback(service)


def test_hangup(start: Start) -> None:
    """SIGHUP to the first process has all workers read the document at once."""
    service = start()
    service.signal(signal.SIGHUP)
    for number in (1, 2):
        service.said(rf"\[worker {number}\] .* is still at revision")
    assert no_traceback(service)


def test_connections_are_shared_out(start: Start) -> None:
    """Connections that come one after the other are spread evenly, so that no worker is idle while another is busy."""
    service = start()
    counted, of = Counter[int](), dict[int, Connection]()
    with ExitStack() as held:

        def connect() -> bool:
            connection = held.enter_context(service_connection(service))
            number = number_of(connection)
            of[number] = connection
            counted[number] += 1
            return len(of) == 2

        wait_for(connect, "a connection of each worker")
        for _ in range(20):
            connect()
            # A worker that was held up has its turn before the next comes: what it missed was another's.
            assert [one.get("/livez").status for one in of.values()] == [200, 200]
    assert abs(counted[1] - counted[2]) <= 4


def service_connection(service: Service) -> Connection:
    """Open a connection to a service."""
    return Connection(service.port)


@pytest.mark.parametrize("reactor", ["asyncio", "poll", "select"])
def test_reactor(start: Start, reactor: str) -> None:
    """Workers have the reactor of the first process, whichever that is."""
    service = start(by=(*TWIST[:-1], f"--reactor={reactor}", "cors"))
    assert allows(service.port, "one", "https://one.example")
    assert service.stop() == -signal.SIGTERM
    assert no_traceback(service)


# Workers that die.


def test_a_killed_worker_costs_its_own_connections(start: Start) -> None:
    """The connections of other workers go on when one is killed, new ones are taken up at any time, and another worker
    takes its place.
    """
    service = start()
    pids = serving(service.port)
    with ExitStack() as held:
        connections = [held.enter_context(service_connection(service)) for _ in range(20)]
        of = {connection: number_of(connection) for connection in connections}
        failures: list[BaseException] = []
        done = Event()
        client = Thread(target=ask_over_new_connections, args=(service.port, done, failures), daemon=True)
        client.start()
        os.kill(pids[0], signal.SIGKILL)
        wait_for(lambda: is_gone(pids[0]), "the end of the worker")
        for connection, number in of.items():
            if number == 2:
                assert connection.get("/livez").status == 200
            else:
                with pytest.raises((ClosedBefore, CutShort, OSError)):
                    connection.get("/livez")
        told = all_workers(
            service.port, lambda worker: worker["state"] == "serving" and worker["pid"] != pids[0], "another worker"
        )
        done.set()
        client.join(DEADLINE)
    # A connection that was the worker's own when it died is its loss.
    assert len(failures) <= 1, failures
    assert [(worker["number"], worker["replaced"]) for worker in told] == [(1, 1), (2, 0)]
    assert service.said(r"Worker 1 \(process (\d+)\) ended: signal 9")[1] == str(pids[0])


def ask_over_new_connections(port: int, done: Event, failures: list[BaseException]) -> None:
    """Ask until it is enough, each time over a connection of its own."""
    while not done.is_set():
        try:
            assert allows(port, "one", "https://one.example")
        except Exception as failure:  # noqa: BLE001 - whatever it is, the test is told
            failures.append(failure)


def test_connections_that_wait_survive_a_worker(start: Start) -> None:
    """Connections that no worker has taken up yet are none's own: when one dies, they are another's."""
    service = start()
    pids = serving(service.port)
    with ExitStack() as held:
        with stopped(pids):
            connections = [held.enter_context(service_connection(service)) for _ in range(40)]
            for connection in connections:
                connection.send(request("GET", "/livez"))
            os.kill(pids[0], signal.SIGKILL)
            wait_for(lambda: is_gone(pids[0]), "the end of the worker")
        assert Counter(outcome_of(connection) for connection in connections) == {ANSWERED: 40}


def test_connections_wait_for_the_next_worker(start: Start) -> None:
    """Even when all workers are killed nobody is refused: connections wait for the next ones."""
    service = start()
    for pid in serving(service.port):
        os.kill(pid, signal.SIGKILL)
    with service_connection(service) as connection:
        assert connection.get("/livez").status == 200


def test_a_worker_that_fails_costs_its_own_connections(start: Start) -> None:
    """A worker that can't do what it is told is replaced, and the port is open all the time."""
    service = start()
    failing, other = serving(service.port)
    Path(f"/proc/{failing}/fd/0").write_bytes(bytes([255] * 8))
    service.said(rf"Worker 1 \(process {failing}\) ended: exit status 1")
    replaced, still = serving(service.port)
    assert (replaced != failing, still) == (True, other)


def test_a_worker_can_be_told_to_end(start: Start) -> None:
    """SIGTERM to a worker has it answer what it was asked, and another one takes its place."""
    service = start("--drain-timeout", str(3 * DEADLINE))
    pids = serving(service.port)
    with ExitStack() as held:
        connections = [held.enter_context(service_connection(service)) for _ in range(10)]
        of_first = [connection for connection in connections if number_of(connection) == 1]
        assert of_first
        for connection in of_first:
            connection.send(request("GET", "/livez")[:-1])
        # What was sent before over other connections is read when this is answered.
        while number_of(held.enter_context(service_connection(service))) != 1:
            continue
        os.kill(pids[0], signal.SIGTERM)
        service.said(r"Worker 1 \(process \d+\) is to end")
        wait_for(lambda: pids[0] not in serving(service.port), "another in its place")
        for connection in of_first:
            connection.send(b"\n")
            answer = connection.receive()
            assert (answer.status, answer.closes) == (200, True)
    service.said(rf"Worker 1 \(process {pids[0]}\) ended: exit status 0")
    assert [worker["replaced"] for worker in workers(service.port)] == [1, 0]
    assert no_traceback(service)


@pytest.mark.parametrize("mistakes", [TEN_MISTAKES, None], ids=["mistakes", "absent"])
def test_a_worker_that_finds_no_good_document(start: Start, policies: Path, mistakes: str | None) -> None:
    """A worker that comes while the document is bad decides by what the others decide by, and says that it is stale."""
    service = start()
    pids = serving(service.port)
    revision = ask(service.port, "/v1/status").json["revision"]
    if mistakes is None:
        policies.unlink()
    else:
        policies.write_text(mistakes)
    all_workers(service.port, lambda worker: worker["stale"], "the mistakes in all workers")
    os.kill(pids[1], signal.SIGKILL)
    told = all_workers(
        service.port, lambda worker: worker["state"] == "serving" and worker["pid"] != pids[1], "another worker"
    )
    assert {(worker["revision"], worker["stale"]) for worker in told} == {(revision, True)}
    os.kill(pids[0], signal.SIGKILL)
    assert allows(service.port, "one", "https://one.example")
    write(policies, "one", "two")
    all_workers(service.port, lambda worker: worker["stale"] is False, "the good document in all workers")
    assert allows(service.port, "two", "https://two.example")


# The reader.


def children(pid: int) -> dict[int, str]:
    """The processes that one has started, and their commands."""
    found = {}
    for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        with suppress(OSError):
            found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def reader_of(service: Service) -> int:
    """The process that reads for a service."""
    [pid] = [pid for pid, command in children(service.pid).items() if "-m cors_service.reader" in command]
    return pid


def kill_reader(service: Service) -> None:
    """Kill the process that reads for a service, and wait for the next one."""
    before = reader_of(service)
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: is_gone(before) and "cors_service.reader" in str(children(service.pid)), "another reader")


def kill_worker(service: Service, number: int) -> None:
    """Kill a worker, and wait until another one serves in its place."""
    before = {worker["number"]: worker["pid"] for worker in workers(service.port)}
    os.kill(before[number], signal.SIGKILL)
    all_workers(service.port, lambda it: it["state"] == "serving" and it["pid"] != before[number], "another worker")


def test_one_reader(start: Start, policies: Path) -> None:
    """There are two workers, one process that reads for both, and the first one; no worker starts any process."""
    service = start()
    pids = serving(service.port)
    assert set(children(service.pid)) == {*pids, reader_of(service)}
    assert [children(pid) for pid in pids] == [{}, {}]
    write(policies, "one", "two")
    all_workers(service.port, lambda worker: worker["generation"] == 2, "the change in all workers")
    assert set(children(service.pid)) == {*pids, reader_of(service)}


# Runs first of all in each process, and notes how often the reader opens a document.
COUNTS = """
import os, sys
if "cors_service.reader" in sys.orig_argv and "--check" not in sys.orig_argv:
    descriptor = os.open({notes!r}, os.O_WRONLY | os.O_APPEND)
    def note(event, values):
        if event == "open" and str(values[0]) == {policies!r}:
            os.write(descriptor, b"x")
    sys.addaudithook(note)
"""
# Ends the reader at once, as long as a file is there.
ENDS = """
import os, sys
if "cors_service.reader" in sys.orig_argv and os.path.exists({broken!r}):
    os._exit(3)
"""


def beginning_with(program: str, directory: Path) -> tuple[str, ...]:
    """Give the command of a service of which each process runs a program first."""
    (directory / "sitecustomize.py").write_text(program)
    path = os.pathsep.join([str(directory), os.environ.get("PYTHONPATH", "")])
    return ("env", f"PYTHONPATH={path}", *TWIST)


def has_generation(number: int, worker: dict[str, Any]) -> bool:
    """Whether a worker has taken up so many versions of the policies."""
    found: bool = worker["generation"] == number
    return found


def test_documents_are_read_once(start: Start, policies: Path, tmp_path: Path) -> None:
    """Each version of a document is read once, and once more for a reload, however many workers there are."""
    (notes := tmp_path / "notes").touch()
    service = start(by=beginning_with(COUNTS.format(notes=str(notes), policies=str(policies)), tmp_path))
    assert notes.read_text() == "x"
    for number, more in ((2, ["two"]), (3, ["two", "three"])):
        write(policies, "one", *more)
        changed = partial(has_generation, number)
        all_workers(service.port, changed, "the change in all workers")
        assert notes.read_text() == "x" * number
    service.signal(signal.SIGHUP)
    for number in (1, 2):
        service.said(rf"\[worker {number}\] .* is still at revision")
    assert notes.read_text() == "x" * 4


def test_a_killed_reader(start: Start, policies: Path) -> None:
    """When the process that reads dies, workers decide on, another one follows the document, and nothing is stale."""
    service = start()
    kill_reader(service)
    assert allows(service.port, "one", "https://one.example")
    write(policies, "one", "two")
    told = all_workers(service.port, lambda worker: worker["generation"] == 2, "the change in all workers")
    assert {(worker["replaced"], worker["stale"]) for worker in told} == {(0, False)}


def test_everything_dies_beside_a_bad_document(start: Start, policies: Path) -> None:
    """Beside a bad document the last good set outlives the reader, and then each worker, one after the other."""
    service = start()
    revision = ask(service.port, "/v1/status").json["revision"]
    policies.write_text(TEN_MISTAKES)
    all_workers(service.port, lambda worker: worker["stale"], "the mistakes in all workers")
    kill_reader(service)
    for number in (1, 2):
        kill_worker(service, number)
        told = all_workers(service.port, lambda worker: worker["stale"], "the mistakes in all workers")
        assert {worker["revision"] for worker in told} == {revision}
    status = ask(service.port, "/v1/status").json
    assert (len(status["mistakes"]), allows(service.port, "one", "https://one.example")) == (10, True)
    write(policies, "one", "two")
    all_workers(service.port, lambda worker: not worker["stale"], "the good document in all workers")


def test_no_reader_can_be_started(start: Start, tmp_path: Path) -> None:
    """If the process that reads ends at each start, the status of each worker says so, and the service decides on."""
    broken = tmp_path / "broken"
    service = start(by=beginning_with(ENDS.format(broken=str(broken)), tmp_path))
    broken.touch()
    os.kill(reader_of(service), signal.SIGKILL)
    all_workers(service.port, lambda worker: worker["stale"], "that there is no reader")
    [mistake] = ask(service.port, "/v1/status").json["mistakes"]
    assert mistake["code"] == "reader-failed"
    assert "The process that reads the policies has ended: exit status 3" in mistake["message"]
    kill_worker(service, 1)
    assert allows(service.port, "one", "https://one.example")
    broken.unlink()
    all_workers(service.port, lambda worker: not worker["stale"], "a reader")


def test_snapshot(start: Start, policies: Path, tmp_path: Path) -> None:
    """Workers that start while the document is away serve the snapshot, say how old it is, and follow the document."""
    start("--snapshot", tmp_path / "snapshot").stop()
    write(policies, "one", "two")
    policies.unlink()
    service = start("--snapshot", tmp_path / "snapshot")
    told = workers(service.port)
    assert {(worker["stale"], worker["generation"]) for worker in told} == {(True, 1)}
    assert len({worker["loaded_at"] for worker in told}) == 1
    assert allows(service.port, "one", "https://one.example")
    write(policies, "one", "two")
    all_workers(service.port, lambda worker: worker["generation"] == 2 and not worker["stale"], "the document")


# The end.


def test_sigterm_under_load(tmp_path: Path) -> None:
    """At any moment under load, SIGTERM leaves no request without its whole answer."""
    from tests.e2e.load.service import running

    policies = tmp_path / "policies.toml"
    policies.write_text(loaded.text, encoding="ascii")
    ends = []
    for seed in range(5):
        with running(policies, "--workers=2") as service:
            ends.append(stop_under_load(service, random.Random(seed)))
    assert [set(one.outcomes) - {ANSWERED, NOT_TAKEN_UP} for one in ends] == [set()] * len(ends)
    # No system call shuts a socket on condition that nobody waits: for some microseconds, a connection can be lost.
    assert sum(bool(one.outcomes[NOT_TAKEN_UP]) for one in ends) <= 1, ends
    assert {one.status for one in ends} <= {0, -signal.SIGTERM}
    assert not any(one.was_cut for one in ends)


@pytest.mark.parametrize("to_all", [False, True], ids=["first process", "all"])
def test_connections_that_wait_are_answered(start: Start, to_all: bool) -> None:
    """What waits when SIGTERM comes is answered, whether the first process gets it alone or, as systemd does, all."""
    service = start()
    pids = serving(service.port)
    with ExitStack() as held:
        with stopped(pids):
            connections = [held.enter_context(service_connection(service)) for _ in range(40)]
            for connection in connections:
                connection.send(request("GET", "/livez"))
            for pid in pids if to_all else []:
                os.kill(pid, signal.SIGTERM)
            service.signal(signal.SIGTERM)
            service.said("Received SIGTERM")
        assert Counter(outcome_of(connection) for connection in connections) == {ANSWERED: 40}
    assert service.ends() == -signal.SIGTERM
    assert no_traceback(service)


def test_interrupt_of_all(start: Start) -> None:
    """Ctrl-C, which a terminal sends to all processes, ends them without a traceback."""
    service = start()
    pids = serving(service.port)
    os.killpg(service.pid, signal.SIGINT)
    assert service.ends() == -signal.SIGINT
    assert all(is_gone(pid) for pid in pids)
    assert no_traceback(service)


def test_a_worker_that_does_not_end_is_killed(start: Start) -> None:
    """A worker that does nothing any more keeps no service alive."""
    service = start("--drain-timeout", "0")
    pids = serving(service.port)
    with stopped(pids[:1]):
        assert service.stop() == -signal.SIGTERM
    assert all(is_gone(pid) for pid in pids)
    assert any("did not end in time, and is killed" in line for line in service.out)


def test_no_orphans(start: Start) -> None:
    """Workers whose first process was killed answer what they were asked, and end."""
    service = start()
    pids = serving(service.port)
    with ExitStack() as held:
        with stopped(pids):
            connections = [held.enter_context(service_connection(service)) for _ in range(20)]
            for connection in connections:
                connection.send(request("GET", "/livez"))
            service.signal(signal.SIGKILL)
        assert Counter(outcome_of(connection) for connection in connections) == {ANSWERED: 20}
    wait_for(lambda: all(is_gone(pid) for pid in pids), "the end of the workers")


# Starts that fail.


def test_no_worker_can_be_started(run: Callable[..., Process], tmp_path: Path) -> None:
    """If no worker can be started the service says so and why, after some attempts, and ends with status 1."""
    (tmp_path / "sitecustomize.py").write_text(
        'import sys\nif "cors_service.daemon.worker" in sys.orig_argv:\n    sys.exit("broken on purpose")\n'
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    process = run("--listen", ANY_PORT, by=("env", f"PYTHONPATH={path}", *TWIST))
    assert process.ends() == 1
    assert process.err == ["cors-service: no worker can be started; the log says why"]
    assert sum("broken on purpose" in line for line in process.out) >= 4


@pytest.mark.parametrize("which", ["all", "but the first"])
def test_start_without_a_reader(run: Callable[..., Process], tmp_path: Path, which: str) -> None:
    """If the process that reads ends at each start, a service that starts says so and ends with status 1: at once, or
    once its workers have waited for policies in vain.
    """
    (broken := tmp_path / "broken").touch()
    program = ENDS.format(broken=str(broken))
    if which != "all":
        program = program.replace("if ", 'if "--check" not in sys.orig_argv and ')
    process = run("--listen", ANY_PORT, by=beginning_with(program, tmp_path))
    assert process.ends() == 1
    why = "The process that reads the policies"
    assert any(
        why in line and "exit status 3" in line and "[reader-failed]" in line for line in process.out + process.err
    )


@BOTH
def test_mistakes(run: Callable[..., Process], policies: Path, by: tuple[str, ...]) -> None:
    """A start with mistakes tells each of them once, before anything listens, and the exit status is 1."""
    policies.write_text(TEN_MISTAKES)
    process = run("--listen", ANY_PORT, by=by)
    assert (process.ends(), len(process.err), process.out) == (1, 11, [])


def test_port_is_taken(run: Callable[..., Process]) -> None:
    """A port that is taken is told in one line, and no worker is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        description = f"tcp:{other.getsockname()[1]}:interface=127.0.0.1"
        process = run("--listen", description)
        assert process.ends() == 1
    assert process.err == [f"cors-service: cannot listen on {description}: Address already in use"]


# Endpoints.


@pytest.mark.parametrize(("ending", "mode"), [("", 0o660), (":mode=606", 0o606)], ids=["default", "mode="])
def test_unix_socket(run: Callable[..., Process], tmp_path: Path, ending: str, mode: int) -> None:
    """A socket in the file system keeps its permissions, survives its workers, and is gone at the end."""
    path = tmp_path / "cors.sock"
    process = run("--listen", f"unix:{path}{ending}")
    process.said("Listening on UNIXAddress", 3)
    pids = serving(path)
    assert (allows(path, "one", "https://one.example"), path.stat().st_mode & 0o777) == (True, mode)
    os.kill(pids[0], signal.SIGTERM)
    process.said(rf"Worker 1 \(process {pids[0]}\) ended")
    os.kill(pids[1], signal.SIGKILL)
    process.said(rf"Worker 2 \(process {pids[1]}\) ended")
    assert (allows(path, "one", "https://one.example"), path.stat().st_mode & 0o777) == (True, mode)
    assert process.stop() == -signal.SIGTERM
    assert not path.exists()
    assert no_traceback(process)


def test_tls(start: Start, tmp_path: Path) -> None:
    """Workers speak TLS at a socket that is theirs together."""
    authority, file = Authority("workers"), tmp_path / "key.pem"
    file.write_bytes(authority.sign("service").both)
    service = start(listen=f"ssl:0:privateKey={file}:interface=127.0.0.1", wait=False)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with (
        socket.create_connection(("127.0.0.1", service.port), DEADLINE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        assert closing_answer(connection, b"").startswith(b"HTTP/1.1 200 OK\r\n")
    assert service.stop() == -signal.SIGTERM
    assert no_traceback(service)


def test_proxy_protocol(start: Start) -> None:
    """Endpoints around endpoints do in workers what they do in one process."""
    service = start(listen=f"haproxy:{ANY_PORT}", wait=False)
    with socket.create_connection(("127.0.0.1", service.port), DEADLINE) as connection:
        answer = closing_answer(connection, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 80\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert service.stop() == -signal.SIGTERM
    assert no_traceback(service)


def closing_answer(connection: socket.socket, before: bytes) -> bytes:
    """Send something and a request over a connection that ends with the answer, and give that."""
    connection.sendall(before + request("GET", "/livez", b"", "Connection: close"))
    return b"".join(iter(lambda: connection.recv(2**16), b""))


def test_socket_of_systemd(run: Callable[..., Process]) -> None:
    """A socket that systemd listens on is served by all workers, and goes on listening behind their end."""
    by = (sys.executable, "-c", AS_SYSTEMD, *TWIST)
    process = run("--listen", "systemd:domain=INET:name=web", by=by)
    port = int(process.said(r"Listening on IPv4Address\(.*port=(\d+)\)")[1])
    pids = serving(port)
    os.kill(pids[0], signal.SIGKILL)
    process.said(r"\[worker 1\] Listening on", 2)
    assert allows(port, "one", "https://one.example")
    assert process.stop() == -signal.SIGTERM
    assert no_traceback(process)


@pytest.mark.parametrize("description", ["stdio:", "haproxy:systemd:domain=INET:index=0"])
def test_endpoint_that_cannot_be_shared(run: Callable[..., Process], description: str) -> None:
    """What can't be shared is told in a line."""
    process = run("--listen", description)
    assert process.ends() > 0
    assert any(f"--listen {description}" in line or repr(description) in line for line in process.out + process.err)
    assert no_traceback(process)


# Logs.


def test_json_log(run: Callable[..., Process], policies: Path) -> None:
    """The log as JSON has the events of all workers, whole and with their number, and each once."""
    quiet = tuple(word if word != "--log-format=text" else "--log-file=/dev/null" for word in TWIST)
    process = run("--listen", ANY_PORT, "--json-log", "-", by=quiet)
    process.said('"message": "Starting reactor')
    process.said(r'"message": "\[worker \d\] Listening on ', 2)
    policies.write_text(TEN_MISTAKES)
    process.said("10 mistakes in .* stays active", 2)
    process.stop()
    events = [json.loads(line) for line in process.out]
    assert all({"time", "level", "logger", "message"} <= event.keys() for event in events)
    for number in (1, 2):
        mine = [event for event in events if event.get("worker") == number]
        assert all(event["message"].startswith(f"[worker {number}] ") for event in mine)
        assert sum(event["level"] == "error" and "code" in event for event in mine) == 10
        assert sum("Revision " in event["message"] for event in mine) == 1
    assert process.err == []


@pytest.mark.parametrize("place", ["-", "access.log"])
def test_access_log(start: Start, tmp_path: Path, place: str) -> None:
    """All workers write whole lines into one access log, also longer ones than any buffer on the way."""
    service = start("--access-log", place)
    with ExitStack() as held:
        connections = [held.enter_context(service_connection(service)) for _ in range(6)]
        names = [f"{index}-" + "x" * 10_000 for index in range(60)]
        for index, name in enumerate(names):
            connections[index % 6].send(request("GET", f"/v1/decision?policy={name}&method=GET"))
        answers = Counter(connections[index % 6].receive().status for index in range(len(names)))
    assert answers == {404: len(names)}
    service.stop()
    lines = service.out if place == "-" else (tmp_path / place).read_text().splitlines()
    for name in names:
        assert sum(f'"GET /v1/decision?policy={name}&method=GET HTTP/1.1" 404' in line for line in lines) == 1


# Daemons.


def test_daemon(tmp_path: Path, policies: Path) -> None:
    """As a daemon the workers belong to the process of the pidfile, and end with it."""
    pid_file, log = tmp_path / "cors.pid", tmp_path / "cors.log"
    words = [TWISTD[0], f"--pidfile={pid_file}", f"--logfile={log}", "cors", "--policies", policies]
    starting = Process([str(word) for word in [*words, "--listen", f"unix:{tmp_path}/s", "--workers=2"]], tmp_path)
    try:
        assert (starting.ends(), starting.out, starting.err) == (0, [], [])
        first = int(wait_for(lambda: pid_file.read_text() if pid_file.exists() else None, "the pidfile"))
        try:
            pids = serving(tmp_path / "s")
            assert first not in pids
            write(policies, "one", "two")
            all_workers(tmp_path / "s", lambda worker: worker["generation"] == 2, "the change in all workers")
            known = log.read_text().count("is still at revision")
            os.kill(first, signal.SIGHUP)
            wait_for(lambda: log.read_text().count("is still at revision") >= known + 2, "the effect of SIGHUP")
            os.kill(first, signal.SIGTERM)
            wait_for(lambda: is_gone(first), "the end of the daemon")
        finally:
            with suppress(ProcessLookupError):
                os.kill(first, signal.SIGKILL)
        assert all(is_gone(pid) for pid in pids)
        assert (pid_file.exists(), "Traceback" in log.read_text()) == (False, False)
    finally:
        starting.kill()

"""Tests of `--store`: a service as a process whose policies come from a store in the operator's own module."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Process, Service, allows, ask

Run = Callable[..., Process]

# A database of one row for each origin, as far as the service is concerned; it is looked at when it is told to.
MODULE = """
import sqlite3

from twisted.internet.defer import execute
from zope.interface import implementer

from cors_service.policy import read_document
from cors_service.policy.change import Change
from cors_service.store import IPolicyStore, MemoryPolicyStore


@implementer(IPolicyStore)
class Database:
    name = "sqlite:origins.db"

    def __init__(self, reactor):
        self._reactor = reactor

    def read(self):
        with sqlite3.connect("file:origins.db?mode=rw", uri=True) as connection:
            policies = {}
            for policy, origin in connection.execute("SELECT policy, origin FROM origins"):
                policies.setdefault(policy, {"origins": []})["origins"].append(origin)
        return Change.whole(read_document({"version": 1, "policies": policies}))

    def load(self, base, *, everything=False):
        return execute(self.read)

    def watch(self, changed):
        return lambda: None


fixed = MemoryPolicyStore({"version": 1, "policies": {"one": {"origins": ["https://one.example"]}}})
number = 5


class Lacking:
    def __init__(self, reactor):
        pass


@implementer(IPolicyStore)
class Broken(Lacking):
    name = "broken"


def raising(reactor):
    raise RuntimeError("no\\nluck")


class Namespace:
    store = Database
    nothing = staticmethod(lambda reactor: None)

    @implementer(IPolicyStore)
    class Documents(Database):
        def read(self):
            return {"version": 1}
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give a directory with a module and a database."""
    (tmp_path / "our_store.py").write_text(MODULE)
    write(tmp_path, ("one", "https://one.example"))
    return tmp_path


def write(directory: Path, *rows: tuple[str, str]) -> None:
    """Put other rows into the database."""
    import sqlite3

    with sqlite3.connect(directory / "origins.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS origins (policy TEXT, origin TEXT)")
        connection.execute("DELETE FROM origins")
        connection.executemany("INSERT INTO origins VALUES (?, ?)", rows)
    connection.close()


@pytest.fixture
def run(directory: Path) -> Iterator[Run]:
    """Give a function that starts `twist cors` there, with a store; it is ended with the test."""
    processes: list[Process] = []

    def begin(store: str, *options: str, listens: int = 0) -> Process:
        arguments = [*TWIST, "--store", store, "--listen", ANY_PORT, *options]
        processes.append(Service(arguments, directory) if listens else Process(arguments, directory))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()


def serve(run: Run, store: str, *options: str) -> Service:
    """Start a service that listens."""
    service = run(store, *options, listens=1)
    assert isinstance(service, Service)
    return service


@pytest.mark.parametrize("store", ["our_store:Database", "our_store:Namespace.store"])
def test_serves(run: Run, directory: Path, store: str) -> None:
    """The policies of the store decide; SIGHUP has them loaded again, and bad ones change nothing."""
    service = serve(run, store)
    assert (
        allows(service.port, "one", "https://one.example"),
        allows(service.port, "one", "https://two.example"),
        ask(service.port, "/v1/status").json["source"],
    ) == (True, False, "sqlite:origins.db")
    write(directory, ("one", "https://two.example"), ("two", "https://two.example"))
    service.signal(signal.SIGHUP)
    service.said("Revision .* of sqlite:origins.db is active: 2 policies")
    assert allows(service.port, "one", "https://two.example")
    write(directory, ("one", "nonsense"))
    service.signal(signal.SIGHUP)
    service.said("1 mistake in sqlite:origins.db; .* stays active")
    assert allows(service.port, "one", "https://two.example")
    assert service.stop() == -signal.SIGTERM
    assert service.err == []


def test_a_store_that_is_there(run: Run) -> None:
    """The name may be that of a store itself."""
    assert allows(serve(run, "our_store:fixed").port, "one", "https://one.example")


def test_snapshot(run: Run, directory: Path) -> None:
    """A restart while the store can't be read serves what was good last, and says what is wrong."""
    snapshot = directory / "snapshot.json"
    service = serve(run, "our_store:Database", "--snapshot", str(snapshot))
    # The reactor runs when it answers, and so it stops in order.
    assert ask(service.port, "/livez").status == 200
    service.stop()
    assert "https://one.example" in str(json.loads(snapshot.read_text()))
    (directory / "origins.db").unlink()
    service = serve(run, "our_store:Database", "--snapshot", str(snapshot))
    status = ask(service.port, "/v1/status").json
    assert (allows(service.port, "one", "https://one.example"), status["stale"]) == (True, True)
    [mistake] = status["mistakes"]
    assert mistake["message"].startswith("The store can't be read: OperationalError: unable to open")


def test_check(run: Run, directory: Path) -> None:
    """--check reports what is in the policies of the store, or what is wrong with them."""
    process = run("our_store:Database", "--check")
    assert (process.ends(), process.out) == (0, ["one: 1 rule, 1 origin pattern", "1 policy, no mistakes."])
    write(directory, ("one", "nonsense"))
    process = run("our_store:Database", "--check")
    assert (process.ends(), len(process.err), process.out) == (1, 2, [])
    (directory / "origins.db").unlink()
    process = run("our_store:Database", "--check")
    assert process.ends() == 1
    assert process.err[0].startswith("sqlite:origins.db: The store can't be read: OperationalError: ")


FAULTS = {
    "our_store": "--store 'our_store' is not of the form MODULE:NAME.",
    ":Database": "--store ':Database' is not of the form MODULE:NAME.",
    "our_store:": "--store 'our_store:' is not of the form MODULE:NAME.",
    "absent:Database": "--store: can't import 'absent': ModuleNotFoundError: No module named 'absent'.",
    "our_store:absent": "--store: there is no 'absent' in 'our_store'.",
    "our_store:Namespace.absent": "--store: there is no 'Namespace.absent' in 'our_store'.",
    "our_store:number": "--store 'our_store:number' neither provides IPolicyStore nor is a callable that gives one.",
    "our_store:raising": "--store 'our_store:raising', called with the reactor, fails: RuntimeError: no luck.",
    "our_store:Lacking": "--store 'our_store:Lacking' does not give a store: ",
    "our_store:Broken": "--store 'our_store:Broken' does not give a store: ",
    "our_store:Namespace.nothing": "--store 'our_store:Namespace.nothing' does not give a store: ",
    "our_store:Namespace.Documents": "--store: read() of 'sqlite:origins.db' does not give a Change",
}


@pytest.mark.parametrize("store", FAULTS)
def test_fault(run: Run, store: str) -> None:
    """Whatever is wrong with the store is one line, which says what it is; it is not a traceback."""
    process = run(store)
    assert process.ends() > 0
    said = process.out + process.err
    assert [line for line in said if FAULTS[store] in line and line.endswith(".")], said
    assert not any("Traceback" in line for line in said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "--store can't be used with several workers: leave out --workers."),
        (["--policies", "policies.toml"], "--policies and --store exclude each other: leave out one of them."),
    ],
)
def test_excluded(run: Run, options: list[str], message: str) -> None:
    """What does not go together with a store is refused."""
    process = run("our_store:Database", *options)
    assert process.ends() > 0
    assert any(message in line for line in process.out + process.err)

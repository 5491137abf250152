"""Tests of the process that follows a store, as a service that decides by it sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from msgspec import structs
from twisted.internet import reactor

from cors_service.follow.store import StoreToFollow
from cors_service.policy import InvalidPolicies, revision
from cors_service.reader.snapshot import Snapshot
from cors_service.store import LivePolicies, ReaderPolicyStore, reader_client
from cors_service.store.following import StoreStatus
from cors_service.store.reader_client import in_memory
from cors_service.web import decision_resource
from tests.follow.histories import policies, set_of
from tests.follow.process import asked, url_of, write_store
from tests.store.test_reader_store import until
from tests.web.traversal import Caller

A = "https://a.example"
B = "https://b.example"
FIRST = policies(shop=A)
SECOND = policies(shop=B)
LOADED = """
import importlib, sys
from cors_service.daemon import serving, service, start
from cors_service import tap
print(*sys.modules)
"""


@pytest.fixture(autouse=True)
def _store_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process know the stores of these tests."""
    monkeypatch.setattr(reader_client, "FOLLOWS", "tests.follow.process")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give a store with one change."""
    path = tmp_path / "store.json"
    write_store(path, FIRST)
    return path


def store_at(path: Path, snapshot: Snapshot | None = None, **fields: Any) -> ReaderPolicyStore:
    """Make the store of a service."""
    followed = structs.replace(StoreToFollow(url=url_of(path), confirm_interval=0.2), **fields)
    return ReaderPolicyStore(followed, reactor, snapshot=snapshot)


class Service:
    """Policies that are followed, from the start of a service to its end."""

    def __init__(self, store: ReaderPolicyStore) -> None:
        clock: Any = reactor
        self.policies = LivePolicies(store, clock, view=store.view)
        self.policies.activate(store.read())
        self.policies.startService()

    @property
    def store(self) -> StoreStatus:
        """What there is to say of the store."""
        status = self.policies.status.store
        assert status is not None
        return status

    @property
    def problem(self) -> str | None:
        """The code of what is wrong with it."""
        return None if self.store.problem is None else self.store.problem.code

    def is_at(self, seq: int, state: Any) -> bool:
        """Whether it is confirmed that a change is active, and nothing is wrong."""
        store, active = self.store, self.policies.active
        is_active = active is not None and active.revision == revision(set_of(state))
        is_confirmed = store.confirmed_at is not None and store.behind_since is None
        return (store.seq, store.head_seq) == (seq, seq) and is_active and is_confirmed and self.problem is None


@pytest_twisted.async_yield_fixture
async def services() -> AsyncIterator[list[Service]]:
    """Keep services, and stop them in the end."""
    kept: list[Service] = []
    yield kept
    for service in kept:
        await service.policies.stopService()


def revision_in(snapshot: Snapshot) -> str | None:
    """The revision that a snapshot has; none while what it has is older than what was given."""
    try:
        return snapshot.load().revision
    except ValueError:
        return None


def kill_readers() -> None:
    """End the processes that follow a store for this one."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if b"tests.follow.process" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)


@pytest_twisted.ensureDeferred
async def test_follows(path: Path, services: list[Service], logged: list[tuple[str, str]]) -> None:
    """A change of the store decides, its number is told, and the store confirms it; what is lost is told, once."""
    service = Service(store_at(path))
    services.append(service)
    assert service.store.seq == 1
    await until(lambda: service.is_at(1, FIRST))
    write_store(path, FIRST, SECOND)
    await until(lambda: service.is_at(2, SECOND))
    clock: Any = reactor
    caller = Caller(decision_resource(service.policies, clock=clock))
    assert caller.get("/v1/status").json["store"]["seq"] == 2

    write_store(path, FIRST, SECOND, is_down=True)
    await until(lambda: service.problem == "store-unreachable")
    assert service.policies.status.stale
    confirmed_at = service.store.confirmed_at
    count = len(asked(path))
    await until(lambda: len(asked(path)) > count + 5)
    assert service.store.confirmed_at == confirmed_at
    write_store(path, FIRST, SECOND, FIRST)
    await until(lambda: service.is_at(3, FIRST))
    assert asked(path).count("everything") == 1
    lines = [text for level, text in logged if level == "error"]
    assert len(lines) == 2, lines
    assert "change 2 stays active" in lines[0]
    assert "is followed again" in lines[1]


@pytest_twisted.ensureDeferred
async def test_reader_is_killed(path: Path, services: list[Service]) -> None:
    """A process that takes the place of another one goes on from what is active, and reads what is new alone."""
    snapshot = in_memory()
    service = Service(store_at(path, snapshot))
    services.append(service)
    await until(lambda: service.is_at(1, FIRST))
    write_store(path, FIRST, SECOND)
    await until(lambda: service.is_at(2, SECOND))
    # Nobody waits until the process has written what it gave, and another one goes on from that.
    await until(lambda: revision_in(snapshot) == revision(set_of(SECOND)))
    kill_readers()
    write_store(path, FIRST, SECOND, FIRST)
    await until(lambda: service.is_at(3, FIRST))
    assert asked(path).count("everything") == 1


@pytest.mark.slow
@pytest_twisted.ensureDeferred
async def test_reader_ends_again_and_again(
    path: Path, services: list[Service], monkeypatch: pytest.MonkeyPatch, logged: list[tuple[str, str]]
) -> None:
    """A process that goes on from what is active, and then ends each time, is a problem until one runs for a while."""
    service = Service(store_at(path))
    services.append(service)
    await until(lambda: service.is_at(1, FIRST))
    write_store(path, FIRST, SECOND, is_deadly=True)
    await until(lambda: service.problem == "reader-failed")
    problem = service.store.problem
    assert problem is not None
    assert "The process that reads the policies has ended: exit status 7; it is started again in" in problem.message
    count = len(asked(path))
    # It does not go away meanwhile, although each process begins with saying what is active.
    await until(lambda: len(asked(path)) > count or service.problem != "reader-failed")
    assert (service.problem, service.policies.status.stale, service.store.seq) == ("reader-failed", True, 1)
    clock: Any = reactor
    answer = Caller(decision_resource(service.policies, clock=clock)).get("/v1/status").json
    assert (answer["stale"], answer["store"]["problem"]["code"]) == (True, "reader-failed")

    monkeypatch.setattr(reader_client, "_STEADY_SECONDS", 1.0)
    write_store(path, FIRST, SECOND)
    await until(lambda: service.is_at(2, SECOND))
    assert not service.policies.status.stale
    assert sum("[reader-failed] Until that is mended, change 1 stays active." in text for _, text in logged) == 1


@pytest_twisted.ensureDeferred
async def test_start_without_the_store(tmp_path: Path, path: Path, services: list[Service]) -> None:
    """A store that is down at a start: the snapshot decides, with its number; without one, there is one sentence."""
    snapshot = Snapshot(tmp_path / "snapshot.json")
    first = Service(store_at(path, snapshot))
    await until(lambda: first.is_at(1, FIRST))
    write_store(path, FIRST, SECOND)
    await until(lambda: first.is_at(2, SECOND))
    await first.policies.stopService()

    write_store(path, FIRST, SECOND, is_down=True)
    with pytest.raises(InvalidPolicies) as caught:
        store_at(path).read()
    [mistake] = caught.value.mistakes
    assert mistake.message.endswith("fake://store does not answer.")

    service = Service(store_at(path, snapshot))
    services.append(service)
    assert service.policies.status.stale
    assert service.policies.status.mistakes
    assert (service.store.seq, service.store.confirmed_at) == (2, None)
    await until(lambda: service.problem == "store-unreachable")
    write_store(path, FIRST, SECOND)
    await until(lambda: service.is_at(2, SECOND) and not service.policies.status.mistakes)


@pytest_twisted.ensureDeferred
async def test_rollback(tmp_path: Path, path: Path, services: list[Service]) -> None:
    """A store that went back while the service was down is followed at once only if a start accepts that."""
    snapshot = Snapshot(tmp_path / "snapshot.json")
    write_store(path, FIRST, SECOND)
    first = Service(store_at(path, snapshot))
    await until(lambda: first.is_at(2, SECOND))
    await first.policies.stopService()
    write_store(path, FIRST)
    service = Service(store_at(path, snapshot))
    await until(lambda: service.problem == "store-went-back")
    assert service.store.seq == 2
    await service.policies.stopService()
    accepting = Service(store_at(path, snapshot, accept_rollback=True))
    services.append(accepting)
    await until(lambda: accepting.is_at(1, FIRST))


@pytest_twisted.ensureDeferred
async def test_rollback_of_a_store_that_comes_later(tmp_path: Path, path: Path, services: list[Service]) -> None:
    """A start that accepts what went back does so once the store is there, and no later than that."""
    snapshot = Snapshot(tmp_path / "snapshot.json")
    write_store(path, FIRST, SECOND)
    first = Service(store_at(path, snapshot))
    await until(lambda: first.is_at(2, SECOND))
    await first.policies.stopService()
    write_store(path, FIRST, is_down=True)
    service = Service(store_at(path, snapshot, accept_rollback=True))
    services.append(service)
    await until(lambda: service.problem == "store-unreachable")
    assert service.store.seq == 2
    write_store(path, FIRST)
    await until(lambda: service.is_at(1, FIRST))
    write_store(path, FIRST, SECOND)
    await until(lambda: service.is_at(2, SECOND))
    kill_readers()
    write_store(path, FIRST)
    await until(lambda: service.problem == "store-went-back")
    assert service.store.seq == 2


def test_damaged_snapshot(tmp_path: Path, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The log says once that a start has found a snapshot that it can't read."""
    snapshot = Snapshot(tmp_path / "snapshot.json")
    store_at(path, snapshot).read()
    assert capfd.readouterr().err == ""
    snapshot.path.write_bytes(snapshot.path.read_bytes()[:-20])
    store_at(path, snapshot).read()
    assert capfd.readouterr().err.startswith(f"Can't read the snapshot {snapshot.path}: ")
    store_at(path, snapshot).read()
    assert capfd.readouterr().err == ""


def test_what_decides_speaks_to_no_store() -> None:
    """The processes that decide import nothing that speaks to PostgreSQL, to etcd or to a bundle."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "cors_service.follow.store" in loaded
    clients = {"psycopg", "psycopg_binary", "psycopg_c", "urllib3", "requests", "httpx"}
    assert loaded.isdisjoint(clients | {f"cors_service.{package}" for package in ("postgresql", "etcd", "bundle")})

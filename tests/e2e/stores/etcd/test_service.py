"""The service on a store in etcd: what it decides by, and what it says, while members do what members do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows, ask, wait_for
from tests.e2e.stores.etcd.changes import FIRST, SHOP, WIDER, changed, numbered
from tests.e2e.stores.etcd.members import Cluster, started

if sys.platform != "linux":
    pytest.skip("looks at processes as Linux shows them", allow_module_level=True)

NEW = "https://new.example.com"
INTERVAL = ("--confirm-interval", "0.5")


def service(url: str, directory: Path, *options: str) -> Service:
    """Start a service on a store."""
    return Service([*TWIST, "--policies", url, "--listen", ANY_PORT, *INTERVAL, *options], directory)


@pytest.fixture(scope="module")
def cluster(three: Cluster) -> Cluster:
    """Give three members to all tests."""
    return three


@pytest.fixture
def single(tmp_path: Path) -> Iterator[Cluster]:
    """Give a cluster of one member, whose data a test may do anything to."""
    yield from started(Cluster(tmp_path / "single"))


def store(running: Service) -> dict[str, Any]:
    """What a replica says of its store."""
    said: dict[str, Any] = ask(running.port, "/v1/status").json["store"]
    return said


def has_problem(running: Service, code: str | None) -> Callable[[], bool]:
    """Whether a replica says that there is this problem; None for none."""
    return lambda: (store(running)["problem"] or {}).get("code") == code


def is_at(running: Service, seq: int) -> Callable[[], bool]:
    """Whether a replica decides by a change, and knows that there is no newer one."""
    return lambda: (found := store(running))["seq"] == found["head_seq"] == seq and found["behind_since"] is None


def test_follows(url: str, cluster: Cluster, tmp_path: Path) -> None:
    """A service decides by each change, small or large, as soon as it is made, and says which one that is."""
    running = service(url, tmp_path)
    try:
        assert not allows(running.port, "shop", NEW)
        changed(url, ("policy", "shop", WIDER))
        wait_for(lambda: allows(running.port, "shop", NEW), "the change")
        changed(url, *numbered(200))
        cluster.compact(cluster.revision())
        wait_for(is_at(running, 3), "the large change")
        assert allows(running.port, "p000199", "https://p199.example.com")
        assert store(running)["name"] == url
        assert store(running)["problem"] is None
    finally:
        running.kill()


def test_members_come_and_go(cluster: Cluster, url: str, prefix: str, tmp_path: Path) -> None:
    """A service bears a member that is stopped, says when most of them are, and goes on when they do."""
    running = service(url, tmp_path)
    first, *others = cluster.members
    try:
        first.pause()
        changed(cluster.url(prefix, *others), ("policy", "shop", WIDER))
        wait_for(lambda: allows(running.port, "shop", NEW), "the change by another member")
        # Another one is left alone: it is alive, and knows nothing for certain.
        others[0].pause()
        wait_for(has_problem(running, "store-unreachable"), "the problem")
        assert "does not answer: " in store(running)["problem"]["message"]
        assert allows(running.port, "shop", NEW)
        running.said("does not answer")
        for member in cluster.members:
            member.go_on()
        cluster.wait()
        changed(url, ("policy", "shop", SHOP))
        wait_for(lambda: not allows(running.port, "shop", NEW), "the next change")
        wait_for(has_problem(running, None), "the end of the problem")
    finally:
        for member in cluster.members:
            member.go_on()
        running.kill()
        cluster.wait()


def test_restored(single: Cluster, tmp_path: Path) -> None:
    """A service does not follow a backup that was restored, until somebody makes a newer change."""
    url = single.url("/cors")
    changed(url, *FIRST)
    backup = tmp_path / "backup"
    single.control("snapshot", "save", str(backup))
    changed(url, ("policy", "shop", WIDER))
    running = service(url, tmp_path)
    try:
        single.stop()
        wait_for(has_problem(running, "store-unreachable"), "the problem")
        single.restore(backup)
        single.start()
        wait_for(has_problem(running, "store-went-back"), "the alarm")
        assert allows(running.port, "shop", NEW)
        for body in (SHOP, WIDER):
            changed(url, ("policy", "old", body))
        wait_for(is_at(running, 3), "what is newer")
        assert not allows(running.port, "shop", NEW)
    finally:
        running.kill()


def test_start_without_etcd(single: Cluster, tmp_path: Path) -> None:
    """While etcd is down, a service starts with its snapshot, and says so; without one it ends with a sentence."""
    url = single.url("/cors")
    changed(url, *FIRST)
    snapshot = ("--snapshot", str(tmp_path / "snapshot"))
    running = service(url, tmp_path, *snapshot)
    wait_for((tmp_path / "snapshot").exists, "the snapshot")
    running.kill()
    single.stop()
    running = service(url, tmp_path, *snapshot)
    try:
        assert allows(running.port, "shop", SHOP["origins"][0])
        wait_for(has_problem(running, "store-unreachable"), "the problem")
        assert store(running)["seq"] == 1
        single.start()
        wait_for(is_at(running, 1), "etcd")
        wait_for(has_problem(running, None), "the end of the problem")
    finally:
        running.kill()
    single.stop()
    done = subprocess.run(
        [*TWIST, "--policies", url, "--listen", ANY_PORT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{url} does not answer: connection refused." in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr

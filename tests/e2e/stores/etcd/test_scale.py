"""Many policies in etcd: `make soak` measures how long a service takes to its first answer, and to follow a change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cors_service.etcd import EtcdStore
from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows
from tests.e2e.load.figures import tell
from tests.e2e.stores.etcd.changes import numbered
from tests.e2e.stores.etcd.members import Cluster
from tests.ledger.stores import about, edits

POLICIES = 100_000
CHANGES = 200
FIRST_ANSWER = 30.0
IN_FORCE = 0.5

soak = pytest.mark.skipif(os.environ.get("CORS_SOAK") != "1", reason="takes minutes: needs CORS_SOAK=1")


@pytest.fixture(scope="module")
def cluster(three: Cluster) -> Cluster:
    """Give three members to all tests."""
    return three


@soak
@pytest.mark.timeout(1800)
def test_many_policies(cluster: Cluster, prefix: str, tmp_path: Path) -> None:
    """100,000 policies are in force within 30 seconds of a start, and a change of one of them within half a second."""
    url = cluster.url(prefix)
    store = EtcdStore(url)
    began = time.monotonic()
    store.commit(store.plan(store.read(), edits(*numbered(POLICIES))), about())
    tell(f"{POLICIES} policies: written in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT], tmp_path)
    try:
        assert allows(service.port, f"p{POLICIES - 1:06}", f"https://p{POLICIES - 1}.example.com")
        first = time.monotonic() - began
        tell(f"{POLICIES} policies: the first answer of a service after {first:.1f} s")
        # What follows reads everything for itself, while the service answers already.
        in_force(store, service, POLICIES - 1)
        taken = sorted(in_force(store, service, number) for number in range(CHANGES))
        p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
        tell(f"a change of one of them: written to in force in {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
        assert first < FIRST_ANSWER
        assert p99 < IN_FORCE
    finally:
        service.kill()


def in_force(store: EtcdStore, service: Service, number: int) -> float:
    """Change a policy, and give the seconds from the moment at which that is written to the one at which it decides."""
    name, origin = f"p{number:06}", f"https://changed-{number}.example.com"
    plan = store.plan(store.read(), edits(("policy", name, {"origins": [origin]})))
    store.commit(plan, about())
    written = time.monotonic()
    while not allows(service.port, name, origin):
        assert time.monotonic() < written + FIRST_ANSWER
    return time.monotonic() - written

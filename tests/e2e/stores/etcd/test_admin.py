"""The admin process on a store in etcd: changes by HTTP, and what it says when etcd does not take them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Service, ask, wait_for
from tests.e2e.stores.etcd.changes import FIRST, SHOP, WIDER, changed
from tests.e2e.stores.etcd.members import Cluster, fill, started
from tests.e2e.test_admin import send


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Cluster]:
    """Run a member with little space."""
    yield from started(Cluster(tmp_path / "small", arguments=["--quota-backend-bytes", str(4 << 20)]))


def test_changes(small: Cluster, tmp_path: Path) -> None:
    """A change by HTTP is in force where replicas follow; one that etcd has no space for is a 503, and all goes on."""
    url = small.url("/cors")
    changed(url, *FIRST)
    admin = Service([*TWIST[:-1], "cors-admin", "--store", url, "--data", "data", "--listen", ANY_PORT], tmp_path)
    reporting = ["--report-to", f"http://127.0.0.1:{admin.port}", "--report-spool", "spool"]
    replica = Service([*TWIST, "--policies", url, "--listen", ANY_PORT, *reporting], tmp_path)
    try:
        wait_for(lambda: send(admin.port, "GET", "fleet").json["replicas"], "a report")
        told = send(admin.port, "PUT", "policies/shop", WIDER, If_Match="*", Prefer="wait=30").json
        assert (told["entry"]["seq"], told["fleet"]["confirmed"], told["fleet"]["waiting"]) == (2, 1, [])
        assert ask(replica.port, "/v1/status").json["store"]["seq"] == 2
        wait_for(lambda: "error" in fill(small), "the end of the space")
        answer = send(admin.port, "PUT", "policies/shop", SHOP, If_Match="*")
        assert (answer.status, answer.json["type"]) == (503, "urn:cors-service:problem:store-unavailable")
        assert "has no space left" in answer.json["detail"]
        assert send(admin.port, "GET", "policies/shop").json == WIDER
        assert ask(replica.port, "/v1/status").json["store"]["problem"] is None
        small.free()
        told = send(admin.port, "POST", "rollback", {"to": 1, "reason": "back"}, If_Match='"2"', Prefer="wait=30").json
        assert (told["entry"]["seq"], told["fleet"]["confirmed"]) == (3, 1)
        changed(url, ("policy", "old", None))
        answer = send(admin.port, "PUT", "policies/pay", SHOP, If_Match='"3"')
        assert answer.status == 412
    finally:
        replica.kill()
        admin.kill()

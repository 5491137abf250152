"""Many policies in a store: how long a service takes to its first answer, and to follow a change."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from cors_service.ledger.interfaces import IChangeStore
from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows
from tests.e2e.load.figures import tell
from tests.ledger.stores import about, edits

POLICIES = 100_000
CHANGES = 200
LONGEST = 60.0
IN_FORCE = 0.5

soak = pytest.mark.skipif(os.environ.get("CORS_SOAK") != "1", reason="takes minutes: needs CORS_SOAK=1")


def measure(store: IChangeStore, url: str, directory: Path, first_answer: float) -> None:
    """Write policies, start a service that reads them, and change some of them, one after the other.

    Args:
        store: Who writes.
        url: What the service is given.
        directory: Where it runs.
        first_answer: The seconds within which it has to answer.
    """
    many = edits(*(("policy", f"p{i:06}", {"origins": [f"https://p{i}.example.com"]}) for i in range(POLICIES)))
    began = time.monotonic()
    store.commit(store.plan(store.read(), many), about())
    tell(f"{POLICIES} policies: written in {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT], directory)
    try:
        assert allows(service.port, f"p{POLICIES - 1:06}", f"https://p{POLICIES - 1}.example.com")
        first = time.monotonic() - began
        tell(f"{POLICIES} policies: the first answer of a service after {first:.1f} s")
        # What follows reads everything for itself, while the service answers already.
        in_force(store, service, POLICIES - 1)
        taken = sorted(in_force(store, service, number) for number in range(CHANGES))
        p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
        tell(f"a change of one of them: written to in force in {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
        assert first < first_answer
        assert p99 < IN_FORCE
    finally:
        service.kill()


def in_force(store: IChangeStore, service: Service, number: int) -> float:
    """Change a policy, and give the seconds from the moment at which that is written to the one at which it decides."""
    name, origin = f"p{number:06}", f"https://changed-{number}.example.com"
    store.commit(store.plan(store.read(), edits(("policy", name, {"origins": [origin]}))), about())
    written = time.monotonic()
    while not allows(service.port, name, origin):
        assert time.monotonic() < written + LONGEST
    return time.monotonic() - written

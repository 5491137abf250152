"""Many policies in a store: how long a service takes to its first answer, and to follow a change."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.open_loop import percentile
from cors_service.ledger.interfaces import IChangeStore
from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows
from tests.e2e.load.figures import tell
from tests.ledger.stores import about, edits

POLICIES = 100_000
CHANGES = 200
LONGEST = 60.0
IN_FORCE = 0.5

soak = pytest.mark.skipif(os.environ.get("CORS_SOAK") != "1", reason="takes minutes: needs CORS_SOAK=1")


class Scale(NamedTuple):
    """What was measured.

    Attributes:
        policies: How many policies there are.
        written: Seconds that it took to write them.
        start: Seconds from the start of a service without a snapshot to its first answer.
        first: Seconds until it decided by the first change: what follows the store reads everything before that.
        in_force: Seconds until it decided by each change behind that.
    """

    policies: int
    written: float
    start: float
    first: float
    in_force: Sequence[float]


def measure(store: IChangeStore, url: str, directory: Path, first_answer: float) -> None:
    """Measure many policies, and hold the figures against what is wanted.

    Args:
        store: Who writes.
        url: What the service is given.
        directory: Where it runs.
        first_answer: The seconds within which it has to answer.
    """
    scale = measured(store, url, directory)
    p50, p99 = (percentile(scale.in_force, part) for part in (0.5, 0.99))
    tell(f"{scale.policies} policies: written in {scale.written:.1f} s")
    tell(f"{scale.policies} policies: the first answer of a service after {scale.start:.1f} s")
    tell(f"a change of one of them: written to in force in {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    assert scale.start < first_answer
    assert p99 < IN_FORCE


def measured(
    store: IChangeStore, url: str, directory: Path, *, policies: int = POLICIES, changes: int = CHANGES
) -> Scale:
    """Write policies, start a service that reads them, and change some of them, one after the other.

    Args:
        store: Who writes.
        url: What the service is given.
        directory: Where it runs.
        policies: How many policies.
        changes: How many changes.
    """
    many = edits(*(("policy", f"p{i:06}", {"origins": [f"https://p{i}.example.com"]}) for i in range(policies)))
    began = time.monotonic()
    store.commit(store.plan(store.read(), many), about())
    written = time.monotonic() - began
    began = time.monotonic()
    service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT], directory)
    try:
        assert allows(service.port, f"p{policies - 1:06}", f"https://p{policies - 1}.example.com")
        start = time.monotonic() - began
        first = in_force(store, service, policies - 1)
        taken = [in_force(store, service, number) for number in range(changes)]
    finally:
        service.kill()
    return Scale(policies, written, start, first, taken)


def in_force(store: IChangeStore, service: Service, number: int) -> float:
    """Change a policy, and give the seconds from the moment at which that is written to the one at which it decides."""
    name, origin = f"p{number:06}", f"https://changed-{number}.example.com"
    store.commit(store.plan(store.read(), edits(("policy", name, {"origins": [origin]}))), about())
    written = time.monotonic()
    while not allows(service.port, name, origin):
        assert time.monotonic() < written + LONGEST
    return time.monotonic() - written

"""A small fleet on each store, as `make fleet` has a large one: nothing is lost, mixed or wider, whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.run import Plan, run
from tests.fleet.servers import STORES

SMALL = Plan(seed=1, calm=4, changes=10, rate=10, every=3, replicas=2, clients=2)


@pytest.mark.parametrize("store", STORES)
def test_a_small_fleet(tmp_path: Path, store: str) -> None:
    """Two replicas follow a writer through faults: each answer is that of its revision, and all agree in the end."""
    with STORES[store]() as servers:
        outcome = run(servers, SMALL, tmp_path, lambda _: None)
    assert outcome.examples == []
    assert outcome.changes == SMALL.calm + SMALL.changes + 1
    assert len(outcome.calm.enforced) == SMALL.calm
    assert outcome.faults.total() >= 1
    assert outcome.answers > SMALL.changes

"""Many policies in etcd: measured by `make soak`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cors_service.etcd import EtcdStore
from tests.e2e.stores.etcd.members import Cluster
from tests.e2e.stores.scale import measure, soak

FIRST_ANSWER = 30.0


@pytest.fixture(scope="module")
def cluster(three: Cluster) -> Cluster:
    """Give three members to all tests."""
    return three


@soak
def test_many_policies(cluster: Cluster, prefix: str, tmp_path: Path) -> None:
    """100,000 policies are in force within 30 seconds of a start, and a change of one of them within half a second."""
    url = cluster.url(prefix)
    with closing(EtcdStore(url)) as store:
        measure(store, url, tmp_path, FIRST_ANSWER)

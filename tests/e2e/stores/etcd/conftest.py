"""Clusters of etcd that several tests share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.e2e.stores.etcd.changes import FIRST, changed
from tests.e2e.stores.etcd.members import Cluster, started

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a member that is a cluster by itself: it has a leader however busy the machine is."""
    yield from started(Cluster(tmp_path_factory.mktemp("etcd") / "one"))


@pytest.fixture(scope="package")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run three members of one cluster."""
    yield from started(Cluster(tmp_path_factory.mktemp("etcd") / "three", 3))


@pytest.fixture
def prefix() -> str:
    """Give the prefix of a store that no other test has."""
    return f"/cors-{next(_NUMBERS)}"


@pytest.fixture
def url(cluster: Cluster, prefix: str) -> str:
    """Give the URL of a store that has something."""
    found = cluster.url(prefix)
    changed(found, *FIRST)
    return found

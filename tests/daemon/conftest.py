"""Documents and snapshots for the tests of the service as a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.policy import PolicySet, read_document
from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import Snapshot
from tests.daemon.options import GOOD


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    """Give a document without mistakes."""
    path = tmp_path / "policies.toml"
    path.write_text(GOOD)
    return path


@pytest.fixture
def kept() -> PolicySet:
    """Give policies that are in no document."""
    return read_document({"version": 1, "policies": {"kept": {"origins": ["*"]}}})


@pytest.fixture
def snapshot(tmp_path: Path, kept: PolicySet) -> Path:
    """Give a snapshot of those policies."""
    path = tmp_path / "snapshot.json"
    Snapshot(path).save(GoodSet.of(kept, 1700000000.0))
    return path

"""A writer of documents with many changes, checked against a model that is a dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.ledger.directory import DirectoryStore
from cors_service.policy import revision
from cors_service.reader.sources import read_policies
from tests.ledger.model import CHANGES, Model
from tests.ledger.stores import written


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_model(tmp_path: Path, seed: int) -> None:
    """Behind each change, the documents say what the model has, and so does the ledger of each change before."""
    path = written(tmp_path / "policies")
    model = Model(seed, DirectoryStore(path))
    for _ in range(CHANGES):
        model.change()
        assert revision(read_policies(path)) == revision(model.policy_set)
    model.check_ledger()

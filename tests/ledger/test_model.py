"""A writer with many changes, held against a model that is a dictionary."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from cors_service.ledger.chain import verify
from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.edits import Edit, as_document
from cors_service.ledger.entry import Key
from cors_service.policy import InvalidPolicies, read_document, revision
from cors_service.reader.sources import read_policies
from tests.ledger.stores import about, written

NAMES = ["shop", "pay", "old", "new", "team.a", "x.test"]
SETS = ["partners", "team"]
CHANGES = 40


def body(chance: random.Random, key: Key) -> Any:
    """Some definition; of a set that there may not be, too."""
    origins = [f"https://{chance.choice('abcdef')}.example.com" for _ in range(chance.randint(1, 3))]
    if key.kind == "origin-set":
        return origins
    if chance.random() < 0.4:
        origins.append(f"@{chance.choice(SETS)}")
    rules = [{"origins": [origin], "max_age": chance.randint(0, 9)} for origin in origins]
    return chance.choice(
        [{"origins": origins}, {"rules": rules}, {"rules": rules, "guard": {"hosts": ["a.example.com"]}}]
    )


def edits_for(chance: random.Random) -> list[Edit]:
    """Some edits, each of another definition."""
    keys = [*(Key("policy", name) for name in NAMES), *(Key("origin-set", name) for name in SETS)]
    chosen = chance.sample(keys, chance.randint(1, 4))
    return [Edit(key, None if chance.random() < 0.25 else body(chance, key)) for key in chosen]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_model(tmp_path: Path, seed: int) -> None:
    """Behind each change, the documents say what the model has, and so does the ledger of each change before."""
    chance = random.Random(seed)
    path = written(tmp_path / "policies")
    store = DirectoryStore(path)
    kept = store.read()
    model = store.bodies_at(1)
    models = [model]
    for _ in range(CHANGES):
        wanted = edits_for(chance)
        changed = {
            key: one for key, one in {**model, **{edit.key: edit.body for edit in wanted}}.items() if one is not None
        }
        try:
            expected = read_document(as_document(changed))
        except InvalidPolicies:
            with pytest.raises(InvalidPolicies):
                store.plan(kept, wanted)
            continue
        plan = store.plan(kept, wanted)
        assert plan.revision == revision(expected)
        if plan.changes:
            store.commit(plan, about())
            model = changed
            models.append(model)
        kept = store.read()
        assert kept.head.revision == revision(expected) == revision(read_policies(path))
        assert kept.head.seq == len(models)
    assert len(models) > CHANGES // 4
    assert list(verify(store.entries(0, 1000), kept.head)) == []
    for seq in chance.sample(range(1, len(models) + 1), 5):
        expected = read_document(as_document(models[seq - 1]))
        assert revision(read_document(as_document(store.bodies_at(seq)))) == revision(expected)
        assert store.entries(seq - 1, 1)[0].entry.revision == revision(expected)

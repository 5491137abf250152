"""Many changes by chance, checked against a model that is a dictionary."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from cors_service.ledger.chain import verify
from cors_service.ledger.definitions import EMPTY
from cors_service.ledger.edits import Body, Edit, as_document
from cors_service.ledger.entry import Key
from cors_service.ledger.interfaces import IChangeStore
from cors_service.policy import InvalidPolicies, PolicySet, read_document, revision
from tests.ledger.stores import about

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


def edited(bodies: dict[Key, Body], edits: Sequence[Edit]) -> dict[Key, Body]:
    """What definitions are behind edits."""
    after = {**bodies, **{edit.key: edit.body for edit in edits}}
    return {key: one for key, one in after.items() if one is not None}


class Model:
    """What a store has to have, whoever of its writers changes it.

    Attributes:
        policy_set: The policies behind the last change.
    """

    def __init__(self, seed: int, *writers: IChangeStore) -> None:
        """Begin with what is there."""
        self._chance = random.Random(seed)
        self._writers = writers
        # What there was behind each change.
        self._states = [dict(writers[0].bodies_at(seq + 1)) for seq in range(writers[0].read().head.seq)]
        self.policy_set = _made_of(self._states[-1])

    def change(self) -> None:
        """Have one of the writers try a change: the store refuses what the model can't be, and has the rest."""
        writer = self._chance.choice(self._writers)
        kept = writer.read()
        wanted = edits_for(self._chance)
        after = edited(self._states[-1], wanted)
        try:
            expected = read_document(as_document(after))
        except InvalidPolicies:
            with pytest.raises(InvalidPolicies):
                writer.plan(kept, wanted)
            return
        plan = writer.plan(kept, wanted)
        assert plan.revision == revision(expected)
        if plan.changes:
            writer.commit(plan, about())
            self._states.append(after)
            self.policy_set = expected
        head = writer.read().head
        assert (head.revision, head.seq) == (revision(expected), len(self._states))

    def check_ledger(self) -> None:
        """The ledger is whole, and has what the model was behind each change."""
        assert len(self._states) > CHANGES // 4
        store = self._writers[0]
        assert list(verify(store.entries(0, 1000), store.read().head)) == []
        for seq in self._chance.sample(range(1, len(self._states) + 1), 5):
            expected = revision(_made_of(self._states[seq - 1]))
            assert revision(_made_of(store.bodies_at(seq))) == expected
            assert store.entries(seq - 1, 1)[0].entry.revision == expected


def _made_of(bodies: dict[Key, Body]) -> PolicySet:
    return read_document(as_document(bodies)) if bodies else EMPTY

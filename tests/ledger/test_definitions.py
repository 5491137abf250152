"""Tests of definitions that change a few at a time: it is as if all were read afresh."""

from __future__ import annotations

import random

import pytest

from cors_service.ledger.chain import verify
from cors_service.ledger.definitions import EMPTY, NOTHING, Definitions, begun, draft_of
from cors_service.ledger.edits import as_document, digests_of
from cors_service.ledger.entry import Key
from cors_service.policy import InvalidPolicies, read_document, revision
from cors_service.policy import merge as _merge
from tests.ledger.model import edited, edits_for

CHANGES = 60


@pytest.mark.parametrize("seed", range(4))
def test_model(seed: int) -> None:
    """Whatever changes, what comes of it is what a document with all definitions is, with the same mistakes."""
    chance = random.Random(seed)
    definitions, bodies = NOTHING, dict[Key, object]()
    good = 0
    for _ in range(CHANGES):
        wanted = edits_for(chance)
        after = edited(bodies, wanted)
        before = definitions.policy_set, dict(definitions.digests)
        try:
            expected = read_document(as_document(after))
        except InvalidPolicies as invalid:
            mistakes = codes(invalid)
            with pytest.raises(InvalidPolicies) as found:
                definitions.changed({edit.key: edit.body for edit in wanted})
            assert mistakes == codes(found.value)
            assert (definitions.policy_set, definitions.digests) == before
            continue
        new = definitions.changed({edit.key: edit.body for edit in wanted})
        assert (new.policy_set, new.digests, new.revision) == (expected, digests_of(expected), revision(expected))
        assert (definitions.policy_set, definitions.digests) == before
        assert Definitions.of(after).revision == new.revision
        definitions, bodies, good = new, after, good + 1
    assert good > CHANGES // 6


def codes(invalid: InvalidPolicies) -> list[tuple[str, object]]:
    """What is wrong, and where."""
    return sorted((mistake.code, str(mistake.path)) for mistake in invalid.mistakes)


def test_costs_what_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies that did not change are not read again, and are the same objects."""
    one, other = Key("policy", "one"), Key("policy", "other")
    before = Definitions.of({one: {"origins": ["*"]}, other: {"origins": ["*"]}})
    monkeypatch.setattr(_merge, "_merge", None)
    after = before.changed({other: {"origins": ["https://a.example"]}})
    assert after.policy_set.policies["one"] is before.policy_set.policies["one"]
    assert after.drafts[one] is before.drafts[one]
    assert after.policy_set.policies["other"] != before.policy_set.policies["other"]


BAD: dict[str, tuple[Key, object, str]] = {
    "not a table": (Key("policy", "shop"), 1, "policies.shop"),
    "an origin": (Key("policy", "shop"), {"origins": ["nonsense"]}, "policies.shop.origins[0]"),
    "a set": (Key("origin-set", "partners"), [1], "origin_sets.partners[0]"),
    "a name": (Key("policy", " "), {"origins": ["*"]}, "policies"),
}


@pytest.mark.parametrize(("key", "body", "place"), BAD.values(), ids=BAD)
def test_mistakes(key: Key, body: object, place: str) -> None:
    """A mistake says in which definition it is, and where in that."""
    assert draft_of(key, body).mistakes
    with pytest.raises(InvalidPolicies) as found:
        Definitions.of({Key("policy", "good"): {"origins": ["*"]}, key: body})
    assert place in found.value.report()


def test_begun() -> None:
    """A ledger that begins with nothing is whole."""
    signed = begun(0)
    assert list(verify([signed], signed.head)) == []
    assert signed.head.revision == revision(EMPTY)
    assert signed.entry.at == "1970-01-01T00:00:00.000Z"

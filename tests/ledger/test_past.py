"""The policies of another moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.edits import Edit, as_document
from cors_service.ledger.entry import Key
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About
from cors_service.ledger.past import set_behind
from cors_service.policy import PolicySet, read_document, revision

A, B, SET, HEADERS = Key("policy", "a"), Key("policy", "b"), Key("origin-set", "them"), Key("header-set", "names")
CHANGES = (
    {B: {"origins": ["https://b.example"]}},
    {A: {"origins": ["@them"], "request_headers": ["@names"]}, SET: ["https://x.example"], HEADERS: ["x-a"]},
    {SET: ["https://y.example"], HEADERS: ["x-b"]},
    {A: None, SET: None, HEADERS: None},
    {B: {"origins": ["https://bb.example"]}},
    {B: {"origins": ["https://b.example"]}},
)


@pytest.fixture
def store(tmp_path: Path) -> IChangeStore:
    """A store in which each of the changes was made."""
    (tmp_path / "a.toml").write_text('version = 1\n\n[policies.a]\norigins = ["https://a.example"]\n', encoding="utf-8")
    store: IChangeStore = DirectoryStore(tmp_path)
    for change in CHANGES:
        kept = store.read()
        plan = store.plan(kept, [Edit(key, body) for key, body in change.items()])
        store.commit(plan, About(author="me", reason="", request_id="1", wider=False, narrower=False))
    return store


def test_every_moment(store: IChangeStore) -> None:
    """The policies behind each change are those that its entry names, whatever has come and gone since."""
    kept = store.read()
    entries = store.entries(0, 100)
    assert len(entries) == 1 + len(CHANGES)
    for signed in entries:
        found = set_behind(store, kept, signed.entry.seq)
        assert revision(found) == signed.entry.revision
        assert found == read_document(as_document(store.bodies_at(signed.entry.seq)))


def test_what_stays(store: IChangeStore) -> None:
    """What is the same today is not read again."""
    kept = store.read()
    assert set_behind(store, kept, kept.head.seq) is kept.policy_set
    # Behind it, somebody put it back.
    before = set_behind(store, kept, kept.head.seq - 2)
    assert before is kept.policy_set
    other = set_behind(store, kept, kept.head.seq - 1)
    assert isinstance(other, PolicySet)
    assert other != kept.policy_set


def test_no_such_moment(store: IChangeStore) -> None:
    """There is nothing behind a change that was not made, or that the ledger does not have."""
    kept = store.read()
    for seq in (0, kept.head.seq + 1):
        with pytest.raises(LookupError):
            set_behind(store, kept, seq)

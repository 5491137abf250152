"""Tests of what a store may hold, and of what is put back, by the entries of its ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from cors_service.ledger.directory import DirectoryStore
from cors_service.ledger.entry import Head, Key, Signed, canonical
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.written import other_bodies, repair
from tests.ledger.stores import change, written

SHOP, PAY, MORE = (Key("policy", name) for name in ("shop", "pay", "more"))
NEW = {"origins": ["https://new.example.com"]}
EVERYBODY = b'{"origins": ["*"]}'
BROKEN = "Entry 2: What is kept of the policy shop is not what it wrote."


class Ledger:
    """A ledger of two changes.

    Attributes:
        head: The newest.
        entries: Its entries.
        texts: All definitions after them.
    """

    def __init__(self, directory: Path) -> None:
        self.store = DirectoryStore(written(directory / "store"))
        change(self.store, ("policy", "shop", NEW))
        kept = self.store.read()
        self.head: Head = kept.head
        self.entries: list[Signed] = self.store.entries(0, 10)
        self.texts = {key: canonical(body) for key, body in self.store.bodies(kept.digests).items()}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Give one."""
    return Ledger(tmp_path)


def test_put_back(ledger: Ledger) -> None:
    """What somebody changed, removed and added is put back as the ledger has it."""
    there = {**ledger.texts, SHOP: EVERYBODY, MORE: b"no JSON"}
    del there[PAY]
    found = repair("store", ledger.head, ledger.entries, ledger.texts, there)
    assert found.texts == {SHOP: ledger.texts[SHOP], PAY: ledger.texts[PAY], MORE: None}
    assert found.sentences == ["Restored what was changed by hand: policy more, policy pay, policy shop."]


def test_what_is_right_stays(ledger: Ledger) -> None:
    """A definition that is right does not become what somebody has made of the ledger; others are put back."""
    kept = {**ledger.texts, SHOP: EVERYBODY}
    found = repair("store", ledger.head, ledger.entries, kept, {**ledger.texts, PAY: EVERYBODY})
    assert found.texts == {PAY: ledger.texts[PAY]}
    assert found.sentences == [
        "Restored what was changed by hand: policy pay.",
        f"The policies are right, but their ledger was changed by hand. {BROKEN}",
    ]


def test_nothing_to_put_back(ledger: Ledger) -> None:
    """Where all is as it was written, nothing is done and nothing said."""
    found = repair("store", ledger.head, ledger.entries, ledger.texts, ledger.texts)
    assert (found.texts, found.sentences) == ({}, [])


@pytest.mark.parametrize("there", [EVERYBODY, b'{"origins": ["https://other.example.com"]}', b"no JSON"])
def test_lost(ledger: Ledger, there: bytes) -> None:
    """If neither the store nor its ledger has a definition any more, a sentence names the entry that wrote it."""
    with pytest.raises(
        StoreUnavailable, match=r"^Nothing was restored: store does not hold what change 2 wrote"
    ) as said:
        repair("store", ledger.head, ledger.entries, {**ledger.texts, SHOP: EVERYBODY}, {**ledger.texts, SHOP: there})
    assert f" {BROKEN} Restore a backup, or push the policies into another store." in str(said.value)


def test_other_bodies(ledger: Ledger) -> None:
    """What a ledger keeps of a change is what that wrote, and nothing else; what is not is found with its entry."""
    kept = list(ledger.store.bodies_of_changes(2))
    assert list(other_bodies(ledger.entries, kept)) == []
    [first, (_, second)] = kept
    others = {**second, SHOP: {"origins": ["*"]}, MORE: NEW}
    found = [(one.seq, one.sentence) for one in other_bodies(ledger.entries, [first, (2, others), (3, second)])]
    assert found == [
        (2, "What is kept of the policy shop is not what it wrote."),
        (2, "There is the policy more, which it did not write."),
        (3, "There is what a change wrote, and no entry of it."),
    ]
    assert [one.seq for one in other_bodies(ledger.entries, [first])] == [2]

"""What a service starts with, where its policies come from a store."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Event

import pytest
from msgspec import structs

from cors_service.follow.starting import read_at_start
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.entry import Head, Key
from cors_service.reader.snapshot import Snapshot
from tests.follow.followers import Replica, Store
from tests.follow.histories import History, history, policies

STATES = [policies(shop=f"https://{name}.example") for name in "abc"]


@pytest.fixture
def changes() -> History:
    """Give three changes."""
    return history(*STATES)


@pytest.fixture
def snapshot(tmp_path: Path, changes: History) -> Snapshot:
    """Give a snapshot of the second change, an hour old."""
    good = Replica(Store(changes.copy(2))).rounds().followed.good
    assert good is not None
    snapshot = Snapshot(tmp_path / "snapshot")
    snapshot.save(structs.replace(good, loaded_at=time.time() - 3600))
    return snapshot


def test_without_a_snapshot(changes: History) -> None:
    """Everything is read, once."""
    store = Store(changes)
    followed = read_at_start(store, None)
    assert (followed.told.seq, followed.mistakes, store.asked) == (3, None, ["everything"])


def test_from_a_snapshot(changes: History, snapshot: Snapshot) -> None:
    """Behind a snapshot, only what is newer is read, however old it is."""
    store = Store(changes)
    snapshot.max_age = 60
    followed = read_at_start(store, snapshot)
    assert (followed.told.seq, followed.mistakes, store.asked) == (3, None, ["since"])


def test_nothing_newer(changes: History, snapshot: Snapshot) -> None:
    """What the snapshot has may be the newest."""
    assert read_at_start(Store(changes.copy(2)), snapshot).told.seq == 2


def test_store_is_down(changes: History, snapshot: Snapshot) -> None:
    """While the store is down the snapshot decides, unless that is too old; then both are said."""
    store = Store(changes)
    store.is_down = True
    with pytest.raises(InvalidPolicies) as caught:
        read_at_start(store, None)
    assert [str(mistake.message) for mistake in caught.value.mistakes] == ["fake://store does not answer."]
    followed = read_at_start(store, snapshot)
    change = followed.change(None)
    assert change.seq == 2
    assert change.loaded_at == pytest.approx(time.time() - 3600, abs=60)
    assert change.mistakes is not None
    snapshot.max_age = 60
    with pytest.raises(InvalidPolicies) as caught:
        read_at_start(store, snapshot)
    first, second = caught.value.mistakes
    assert "does not answer" in first.message
    assert "--max-snapshot-age is 60" in second.message


def test_store_is_slow(changes: History, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that takes long to read does not keep a service with a snapshot from its start."""
    store, is_over = Store(changes), Event()

    def since(head: Head) -> None:
        is_over.wait()

    monkeypatch.setattr(store, "since", since)
    followed = read_at_start(store, snapshot, patience=0.1)
    is_over.set()
    assert (followed.told.seq, followed.told.problem) == (2, "store-unreachable")
    assert followed.mistakes is not None
    assert "fake://store takes longer than 0.1 seconds to read." in followed.mistakes.report()


def test_store_went_back(changes: History, snapshot: Snapshot) -> None:
    """What a store lost is kept from the snapshot, unless the start accepts that."""
    followed = read_at_start(Store(changes.copy(1)), snapshot)
    assert (followed.told.seq, followed.told.problem) == (2, "store-went-back")
    followed = read_at_start(Store(changes.copy(1)), snapshot, accept_rollback=True)
    assert (followed.told.seq, followed.told.problem) == (1, None)


@pytest.mark.parametrize("accepts", [False, True])
def test_only_a_standby_is_left(changes: History, snapshot: Snapshot, *, accepts: bool) -> None:
    """What a standby lacks is kept from the snapshot, also at a start that accepts what a primary has lost."""
    store = Store(changes)
    store.lags, store.has_primary, store.is_compacted = 2, False, True
    followed = read_at_start(store, snapshot, accept_rollback=accepts)
    assert (followed.told.seq, followed.told.problem) == (2, None)


def test_damaged_snapshot(changes: History, snapshot: Snapshot) -> None:
    """A snapshot that can't be read is told, since nobody knows then whether the store went back."""
    said: list[str] = []
    assert read_at_start(Store(changes), Snapshot(snapshot.path.parent / "none"), complain=said.append).told.seq == 3
    assert read_at_start(Store(changes), snapshot, complain=said.append).told.seq == 3
    assert said == []
    snapshot.path.write_bytes(snapshot.path.read_bytes()[:-20])
    followed = read_at_start(Store(changes.copy(1)), snapshot, complain=said.append)
    assert (followed.told.seq, followed.told.problem) == (1, None)
    [sentence] = said
    assert sentence == (
        f"Can't read the snapshot {snapshot.path}: it is not a snapshot of policies, or is damaged. "
        "What the store holds decides, even if the store has lost changes."
    )
    store = Store(changes)
    store.is_down = True
    with pytest.raises(InvalidPolicies) as caught:
        read_at_start(store, snapshot, complain=said.append)
    assert "The snapshot can't be used either: it is not" in caught.value.mistakes[-1].message
    assert len(said) == 1


def test_does_not_load(changes: History, snapshot: Snapshot) -> None:
    """Of a set with mistakes, the last good one takes the place; without any, all of the mistakes are said."""
    changes.write_bad(Key("policy", "shop"), {"origins": ["https://NO.example"]})
    changes.states[-1] = {Key("policy", "shop"): {"origins": ["https://NO.example"]}}
    with pytest.raises(InvalidPolicies) as caught:
        read_at_start(Store(changes), None)
    assert [mistake.code for mistake in caught.value.mistakes] == ["origin-uppercase"]
    change = read_at_start(Store(changes), snapshot).change(None)
    assert change.seq == 2
    assert change.mistakes is not None


def test_another_revision(changes: History, snapshot: Snapshot) -> None:
    """What is not what the store names is no start; what was served before is."""
    changes.change(policies(shop="https://a.example", pay="https://b.example"))
    store = Store(changes)
    store.spoils = True
    with pytest.raises(InvalidPolicies) as caught:
        read_at_start(store, None)
    assert "does not have the revision that change 4 names" in caught.value.report()
    assert "`cors-service store init URL` restores" in caught.value.report()
    followed = read_at_start(store, snapshot)
    assert (followed.told.seq, followed.told.problem) == (2, "store-revision-differs")

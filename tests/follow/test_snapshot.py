"""Tests of the snapshot of a store: a line for all definitions, and one for each change since."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cors_service.reader.good import GoodSet
from cors_service.reader.snapshot import Snapshot
from tests.follow.followers import Replica, Store
from tests.follow.histories import history, policies, set_of

STATES = st.lists(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz").map("https://{}.example".format), min_size=1),
    min_size=2,
    max_size=12,
)


def kept(path: Path, states: list[dict[str, str]]) -> list[bytes]:
    """Follow a store whose changes lead to some states, and give what the file holds behind each."""
    snapshot = Snapshot(path)
    store = Store(history(policies(**states[0])))
    one = Replica(store).rounds()
    held = []
    for state in [None, *states[1:]]:
        if state is not None:
            store.history.change(policies(**state))
            one.rounds()
        assert one.followed.good is not None
        assert snapshot.keep(one.followed.good) is None
        held.append(path.read_bytes())
    return held


def loaded(path: Path) -> tuple[object, int | None]:
    """What a snapshot holds, and the number of its change."""
    good: GoodSet = Snapshot(path).load()
    return good.policy_set, None if good.seen is None else good.seen.seq


# Each example waits for the disk some times.
@settings(max_examples=40)
@given(states=STATES, data=st.data())
def test_changes(states: list[dict[str, str]], data: st.DataObject) -> None:
    """A start finds the last change that was written to its end, also where the disk has a part of another one."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "snapshot")
        held = kept(path, states)
        assert loaded(path) == (set_of(policies(**states[-1])), len(states))
        before, after = held[-2], held[-1]
        if after.startswith(before):
            cut = data.draw(st.integers(len(before), len(after) - 1))
            path.write_bytes(after[:cut])
            assert loaded(path) == (set_of(policies(**states[-2])), len(states) - 1)
        assert [entry.name for entry in path.parent.iterdir()] == ["snapshot"]


def test_grows_and_shrinks(tmp_path: Path) -> None:
    """The file grows by what changes, to twice its size, and is then written anew."""
    states = [dict.fromkeys(map(str, range(20)), "https://x.example")]
    states += [{**states[0], "3": f"https://y{number}.example"} for number in range(60)]
    held = kept(tmp_path / "snapshot", states)
    sizes = [len(one) for one in held]
    assert max(sizes) < 3 * sizes[0]
    assert any(after < before for before, after in pairwise(sizes))
    assert all(after.startswith(before) for before, after in pairwise(held) if len(after) > len(before))


def test_another_change_with_the_same_policies(tmp_path: Path) -> None:
    """A change that led to policies that were there before is another one."""
    path = tmp_path / "snapshot"
    [first, other] = policies(a="https://x.example"), policies(a="https://y.example")
    before, after = (
        Replica(Store(history(*states))).rounds().followed.good for states in ([first], [first, other, first])
    )
    assert before is not None
    assert after is not None
    assert before.revision == after.revision
    snapshot = Snapshot(path)
    snapshot.save(before)
    assert snapshot.holds(before)
    assert not snapshot.holds(after)
    assert snapshot.keep_at_start(after) is None
    assert loaded(path) == (set_of(first), 3)


def test_replaced_by_another_process(tmp_path: Path) -> None:
    """What another process has put into its place is not added to."""
    path = tmp_path / "snapshot"
    store = Store(history(policies(a="https://x.example")))
    one = Replica(store).rounds()
    snapshot = Snapshot(path)
    assert one.followed.good is not None
    snapshot.save(one.followed.good)
    path.write_bytes(b'{"another": "file"}')
    store.history.change(policies(a="https://y.example"))
    one.rounds()
    snapshot.save(one.followed.good)
    assert loaded(path) == (set_of(policies(a="https://y.example")), 2)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond a size: what is written there is cut off, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("is_added", [True, False])
def test_full_disk(tmp_path: Path, *, is_added: bool) -> None:
    """Where a change can't be written to its end, nothing older stays; with room, the newest is there again."""
    path = tmp_path / "snapshot"
    store = Store(history(policies(a="https://x.example")))
    one = Replica(store).rounds()
    assert one.followed.good is not None
    snapshot = Snapshot(path)
    assert snapshot.keep(one.followed.good) is None
    size = path.stat().st_size
    store.history.change(policies(a="https://y.example"))
    one.rounds()
    if not is_added:
        snapshot = Snapshot(path)
    with room_for(size + 10 if is_added else size - 10):
        told = snapshot.keep(one.followed.good)
    assert told is not None
    assert "There is none now" in told
    assert list(tmp_path.iterdir()) == []
    assert snapshot.keep(one.followed.good) is None
    assert loaded(path) == (set_of(policies(a="https://y.example")), 2)
    assert path.read_bytes().count(b"\n") == 1


def test_number_that_is_too_large(tmp_path: Path) -> None:
    """A snapshot with a number that no process can pass on is none: whoever began with it would end again and again."""
    path = tmp_path / "snapshot"
    held = kept(path, [{"shop": "https://shop.example"}])[0]
    for seq, is_read in (("9007199254740991", True), ("9007199254740992", False), ("20261130050312123456789", False)):
        path.write_bytes(held.replace(b'"seq":1', f'"seq":{seq}'.encode()))
        if is_read:
            assert loaded(path)[1] == int(seq)
        else:
            with pytest.raises(ValueError, match="is not a snapshot of policies, or is damaged"):
                loaded(path)

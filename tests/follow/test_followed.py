"""Tests of what is served of a store, whatever that does."""

from __future__ import annotations

import pytest
from msgspec import structs
from zope.interface.verify import verifyObject

from cors_service.follow.followed import Followed
from cors_service.follow.follower import Follower
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.entry import Key
from cors_service.ledger.source import IStoreSource
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from tests.follow.followers import Replica, Store
from tests.follow.histories import History, history, policies, set_of

A = "https://a.example"
B = "https://b.example"
C = "https://c.example"
FIRST = policies(shop=A, pay=A)
SECOND = policies(shop=B, pay=A)
THIRD = policies(shop=B, pay=A, new=C)


def three() -> History:
    """Make a history of three changes."""
    return history(FIRST, SECOND, THIRD)


def replica(store: Store) -> Replica:
    """Make one that has followed a store for a round."""
    return Replica(store).rounds()


def mistakes_of(one: Replica) -> str:
    """What is wrong with what a replica has read."""
    with pytest.raises(InvalidPolicies) as caught:
        one.followed.read()
    return caught.value.report()


def test_fake() -> None:
    """The store of these tests provides what a store does."""
    assert verifyObject(IStoreSource, Store(three()))


def test_everything_is_read_once() -> None:
    """A replica reads all of a store once, and after that what is new."""
    store = Store(three().copy(1))
    one = replica(store)
    assert (1, store.history.revisions[1]) == one.served
    store.history = three()
    one.rounds(2)
    assert (3, store.history.revisions[3]) == one.served
    assert store.asked.count("everything") == 1
    assert one.followed.good is not None
    assert one.followed.good.policy_set == set_of(THIRD)


def test_confirmed() -> None:
    """What is confirmed was so at the moment before the newest change was asked for."""
    one = replica(Store(three()))
    told = one.followed.told
    assert (told.seq, one.now) == (told.confirmed, told.confirmed_at)
    assert told.behind_since is None
    assert told.problem is None


def test_not_confirmed_while_behind() -> None:
    """As long as there is a newer change, nothing is confirmed, and the replica is behind."""
    store = Store(three().copy(2))
    one = replica(store)
    confirmed_at = one.now
    store.history, store.lags = three(), 1
    one.rounds(2)
    told = one.followed.told
    assert (2, 3, confirmed_at, confirmed_at + 1) == (told.seq, told.head_seq, told.confirmed_at, told.behind_since)
    store.lags = 0
    one.rounds()
    told = one.followed.told
    assert (3, 3, one.now, None) == (told.seq, told.head_seq, told.confirmed_at, told.behind_since)


def test_confirmed_while_there_is_always_a_newer_change() -> None:
    """A moment at which a change was the newest counts as soon as that is served, also if there is a newer one."""
    store = Store(three().copy(1))
    one = replica(store)
    for number in range(10):
        # What is read is always one behind what is asked for then.
        store.history.change(policies(shop=f"https://{number}.example"))
        store.lags = 1
        one.rounds()
    told = one.followed.told
    assert (told.seq, told.head_seq, told.behind_since is None) == (10, 11, False)
    assert (told.confirmed, told.confirmed_at) == (10, one.now - 1)


def test_change() -> None:
    """A service gets what leads from its revision to what is served, with the number of the change."""
    store = Store(three().copy(1))
    one = replica(store)
    base = one.served[1]
    store.history = three()
    one.rounds()
    assert one.followed.look()
    change = one.followed.change(base)
    assert tuple(sorted((policy.name for policy in change.policies), reverse=True)) == ("shop", "new")
    assert (base, 3) == (change.base, change.seq)
    assert one.followed.change("sha256:other").base is None
    assert one.followed.read() == set_of(THIRD)
    assert not one.followed.look()


def test_change_behind_what_was_not_served() -> None:
    """What was read in between, and not served, is left out of no change that leads to what is."""
    store = Store(three().copy(1))
    one = replica(store)
    base = one.served[1]
    store.history = three().copy(2)
    one.rounds()
    store.history.change(policies(shop=B, pay=C, zoo=C))
    store.spoils = True
    one.rounds(2)
    assert one.state() == (2, "store-revision-differs")
    store.spoils = False
    one.now += 100
    one.rounds(2)
    change = one.followed.change(base)
    assert (change.base, change.revision) == (base, store.history.revisions[3])
    assert {policy.name for policy in change.policies} == {"shop", "pay", "zoo"}


def test_looks_again() -> None:
    """Who learns of a change that can't be read yet looks again at once, and then waits."""
    store = Store(three())
    follower = Follower(store, lambda _: None, None, 60)
    follower.round()
    assert store.asked == ["everything", "head", "wait"]
    store.history.change(FIRST)
    store.lags = 1
    store.asked.clear()
    follower.round()
    follower.round()
    assert store.asked == ["since", "head", "since", "head", "wait"]


@pytest.mark.parametrize("switch", ["is_compacted", "loses", "spoils"])
def test_steps_that_are_of_no_use(switch: str) -> None:
    """Where changes can't be had, or don't lead to the revision that they name, everything is read."""
    store = Store(three().copy(1))
    one = replica(store)
    store.history = three()
    setattr(store, switch, True)
    one.rounds()
    assert one.served[0] in {1, 3}
    store.spoils = False
    one.rounds(2)
    assert (3, store.history.revisions[3]) == one.served
    assert store.asked.count("everything") == 2
    assert one.state() == (3, None)


def test_another_revision_is_never_served() -> None:
    """What does not have the revision that the head names is counted, and not served."""
    store = Store(three().copy(1))
    one = replica(store)
    store.history, store.spoils = three(), True
    one.rounds(3)
    told = one.followed.told
    assert (told.seq, told.head_seq, told.problem) == (1, 3, "store-revision-differs")
    assert told.problems == {"store-revision-differs": 1}
    assert store.asked.count("everything") == 2
    store.spoils = False
    one.now += 60
    one.rounds(2)
    assert one.state() == (3, None)


def test_does_not_load() -> None:
    """A set with mistakes leaves the last good one, and says what is wrong, once; the next good one is served."""
    store = Store(history(FIRST, SECOND))
    one = replica(store)
    one.followed.read()
    store.history.write_bad(Key("policy", "shop"), {"origins": ["https://SHOP.example"]})
    one.rounds()
    assert one.followed.look()
    assert "origin-uppercase" in mistakes_of(one)
    told = one.followed.told
    assert (told.seq, told.head_seq, told.problem) == (2, 3, "store-does-not-load")
    one.rounds(3)
    assert not one.followed.look()
    mended = {**SECOND, Key("policy", "shop"): {"origins": [C]}}
    store.history.change(mended)
    one.rounds()
    assert one.state() == (4, None)
    assert one.followed.read() == set_of(mended)
    assert store.asked.count("everything") == 1


def test_newer_format() -> None:
    """A set that needs a newer format of documents is not served, whatever it holds."""
    store = Store(three().copy(1))
    one = replica(store)
    store.history.change(SECOND, format=2)
    one.rounds()
    told = one.followed.told
    assert (told.seq, told.problem) == (1, "store-does-not-load")
    assert "upgrade" in (told.message or "")


def test_went_back() -> None:
    """A store that has lost changes, or has others in their place, is not followed before it has a newer one."""
    store = Store(three())
    one = replica(store)
    other = three().copy(1)
    other.change(policies(shop=C, pay=C))
    store.history, store.origin = other, "two"
    one.rounds(3)
    told = one.followed.told
    assert (told.seq, told.head_seq, told.problem) == (3, 2, "store-went-back")
    assert "it has another history" in (told.message or "")
    other.change(policies(shop=C, pay=A))
    one.rounds(2)
    assert one.state() == (3, "store-went-back")
    assert store.asked.count("everything") == 2
    other.change(policies(shop=B, pay=B))
    one.rounds(2)
    assert (4, other.revisions[4], None) == (*one.served, one.followed.told.problem)


@pytest.mark.parametrize(("bodies", "author"), [(policies(shop=C, pay=C), "somebody"), (THIRD, "somebody else")])
def test_another_change_of_the_same_number(bodies: dict[Key, object], author: str) -> None:
    """Another change in the place of the one that is served is not followed, not even with the same policies."""
    store = Store(three())
    one = replica(store)
    served = one.served
    store.history = three().copy(2)
    store.history.change(bodies, author=author)
    one.rounds(3)
    assert one.state() == (3, "store-went-back")
    assert "not the one of that number that is served" in (one.followed.told.message or "")
    assert one.served == served
    store.history.change(FIRST)
    one.rounds(2)
    assert one.state() == (4, None)


def test_a_standby_that_lags() -> None:
    """What a standby lacks is not lost: nothing goes back, and all is read again once there is something newer."""
    store = Store(three())
    one = replica(store)
    store.lags, store.has_primary = 2, False
    one.followed.read(everything=True)
    one.rounds(3)
    assert one.state() == (3, "store-unreachable")
    store.lags = 1
    one.rounds(3)
    assert (one.state(), store.asked.count("everything")) == ((3, "store-unreachable"), 2)
    store.lags, store.has_primary = 0, True
    store.history.change(FIRST)
    one.rounds(3)
    assert (one.state(), store.asked.count("everything")) == ((4, None), 3)
    assert one.followed.told.problems == {"store-unreachable": 2}


def test_a_standby_is_promoted_without_the_last_changes() -> None:
    """Once a primary says that it has less than is served, that is lost."""
    store = Store(three())
    one = replica(store)
    store.lags, store.has_primary = 1, False
    one.followed.read(everything=True)
    one.rounds(2)
    store.history, store.lags, store.has_primary = three().copy(2), 0, True
    one.rounds(3)
    assert one.state() == (3, "store-went-back")
    assert store.asked.count("everything") == 3


def test_a_primary_has_lost_changes_behind_a_standby() -> None:
    """What a primary has lost is lost, also where a standby is read that has even less."""
    store = Store(three())
    one = replica(store)
    store.history, store.lags = three().copy(2), 1
    one.rounds(3)
    assert one.state() == (3, "store-went-back")


def test_a_standby_is_ahead_of_its_primary() -> None:
    """A change that a synchronous standby shows before its primary does is not lost."""
    store = Store(three())
    one = replica(store)
    behind = Store(three().copy(2)).head
    store.head = behind  # type: ignore[method-assign]
    one.rounds(2)
    assert one.state() == (3, None)


def test_comes_back() -> None:
    """A store that holds again what it held before is followed as if nothing had been."""
    store = Store(three())
    one = replica(store)
    store.history = three().copy(2)
    one.rounds(2)
    assert one.state() == (3, "store-went-back")
    store.history = three()
    one.rounds(3)
    assert one.state() == (3, None)


def test_promotion() -> None:
    """Another history that has all that was served is followed without a word."""
    store = Store(three())
    one = replica(store)
    store.origin = "two"
    store.history = three()
    store.history.change(FIRST)
    one.rounds()
    assert one.state() == (4, None)


def test_ledger_broken() -> None:
    """An entry that was changed by hand is named, until everything is read again at somebody's wish."""
    store = Store(three().copy(1))
    one = replica(store)
    store.history = three()
    entry = store.history.steps[1].signed.entry
    tampered = structs.replace(store.history.steps[1].signed, entry=structs.replace(entry, author="nobody"))
    store.history.steps[1] = structs.replace(store.history.steps[1], signed=tampered)
    one.rounds(2)
    told = one.followed.told
    assert (told.seq, told.problem) == (3, "store-ledger-broken")
    assert "entry 2" in (told.message or "")
    assert store.asked.count("everything") == 2
    one.followed.read(everything=True)
    one.rounds()
    assert one.state() == (3, None)


def test_unreachable() -> None:
    """A store that can't be reached leaves everything as it is, and what is confirmed becomes older."""
    store = Store(three())
    one = replica(store)
    one.followed.read()
    confirmed_at = one.now
    store.is_down = True
    one.rounds(3)
    told = one.followed.told
    assert (3, "store-unreachable", confirmed_at) == (told.seq, told.problem, told.confirmed_at)
    assert told.problems == {"store-unreachable": 1}
    assert one.followed.mistakes is None
    store.is_down = False
    one.rounds()
    assert (None, one.now) == (one.followed.told.problem, one.followed.told.confirmed_at)


def test_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody thought of is a store that can't be read; the log has it once without passwords, the status never."""
    store = Store(three())
    one = replica(store)
    store.has_fault = True
    one.rounds(3)
    told = one.followed.told
    assert told.problem == "store-unreachable"
    assert "secret" not in (told.message or "")
    log = capsys.readouterr().err
    assert log.count("KeyError") == 2  # raised, and at the end of the traceback
    assert "db/cors" in log
    assert "secret" not in log


def test_nothing_yet() -> None:
    """Before anything was read, there is nothing to answer; that it can't be read is an answer."""
    store = Store(three())
    one = Replica(store)
    assert not one.followed.is_decided
    store.is_down = True
    one.rounds()
    assert one.followed.is_decided
    assert "does not answer" in mistakes_of(one)
    store.is_down = False
    one.rounds()
    assert one.followed.change(None).mistakes is None
    assert one.followed.read() == set_of(THIRD)


def test_rollback_accepted_once() -> None:
    """A start may take what went back, and from then on a store goes back no more."""
    before = replica(Store(three())).followed.good
    assert before is not None
    store = Store(three().copy(2))
    followed = Followed(store.name, accept_rollback=True)
    followed.begin_with(before)
    one = Replica(store, followed).rounds()
    assert one.state() == (2, None)
    store.history = three().copy(1)
    one.rounds()
    assert one.state() == (2, "store-went-back")


def test_rollback_accepted_until_the_store_was_read() -> None:
    """What a start accepts, it accepts until the store says for the first time what its newest change is."""
    before = replica(Store(three())).followed.good
    assert before is not None
    store = Store(three())
    store.is_down = True
    followed = Followed(store.name, accept_rollback=True)
    followed.begin_with(before)
    one = Replica(store, followed).rounds(2)
    assert one.state() == (3, "store-unreachable")
    store.is_down = False
    one.rounds()
    store.history = three().copy(2)
    one.rounds(2)
    assert one.state() == (3, "store-went-back")


def test_snapshot_of_documents() -> None:
    """What was kept of documents stays until the store was read, whatever number that has."""
    store = Store(three())
    followed = Followed(store.name)
    good = replica(Store(history(THIRD))).followed.good
    assert good is not None
    followed.begin_with(structs.replace(good, seen=None, documents={}))
    assert (None, good.revision) == (followed.told.seq, followed.told.revision)
    one = Replica(store, followed).rounds()
    assert (3, store.history.revisions[3]) == one.served


def test_snapshot_of_another_version() -> None:
    """A snapshot that has another revision here stays as it is: nothing is gone on from, and none of it is renamed."""
    other = f"sha256:{'1' * 64}"
    store = Store(History())
    head = store.history.change(FIRST, revision=other).signed.head
    good = replica(Store(history(FIRST))).followed.good
    assert good is not None
    assert good.seen is not None
    followed = Followed(store.name)
    followed.begin_with(structs.replace(good, revision=other, seen=structs.replace(good.seen, entry=head.entry)))
    assert (followed.head, followed.told.revision) == (None, other)
    one = Replica(store, followed).rounds()
    assert one.state() == (1, "store-revision-differs")
    assert one.served == (1, other)


def test_sets() -> None:
    """Origin sets and header sets are followed as policies are."""
    sets = {
        Key("policy", "pay"): {"origins": ["@partners"], "request_headers": ["@usual"]},
        Key("origin-set", "partners"): [A],
        Key("header-set", "usual"): ["x-one"],
    }
    more = {**sets, Key("origin-set", "partners"): [A, B], Key("policy", "shop"): {"origins": [A]}}
    store = Store(history(sets))
    one = replica(store)
    store.history = history(sets, more)
    one.rounds()
    assert one.followed.read() == set_of(more)
    assert isinstance(one.followed.change(None), Change)
    assert isinstance(one.followed.read(), PolicySet)

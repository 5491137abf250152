"""A replica against a naive model, on a store that does all that a store should not."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cors_service.follow.followed import Followed
from cors_service.ledger.entry import Key
from tests.follow.followers import Replica, Store
from tests.follow.histories import history, policies

STATES = st.dictionaries(
    st.sampled_from("abcde"), st.sampled_from("xyz").map("https://{}.example".format), min_size=1
).map(lambda origins: policies(**origins))
SWITCHES = ("is_down", "has_fault", "is_compacted", "loses", "spoils")


class Following(RuleBasedStateMachine):
    """What the store ever held, by the numbers of its changes, is all that may be served."""

    @initialize(state=STATES)
    def begin(self, state: dict[Key, object]) -> None:
        """The store has a change."""
        self.store = Store(history(state))
        self.held: set[tuple[int, str]] = set()
        self.note()
        self.replica = Replica(self.store)
        self.seq = 0
        self.has_lost = False
        # What the store held at each moment at which it may have been asked.
        self.heads: dict[float | None, str] = {}

    def note(self) -> None:
        """Take note of what the store holds."""
        revisions = self.store.history.revisions
        self.held |= {(seq, revision) for seq, revision in revisions.items() if not revision.endswith("0" * 64)}

    @rule(state=STATES)
    def change(self, state: dict[Key, object]) -> None:
        """Somebody makes a change."""
        if state != self.store.history.states[-1]:
            self.store.history.change(state)
            self.note()

    @rule()
    def write_bad(self) -> None:
        """Somebody writes what does not load, by hand."""
        states = self.store.history.states
        self.store.history.write_bad(max(states[-1]), {"origins": ["https://NO.example"]})

    @precondition(lambda self: self.store.history.steps[-1].signed.entry.revision.endswith("0" * 64))
    @rule(state=STATES)
    def mend(self, state: dict[Key, object]) -> None:
        """Somebody corrects it."""
        self.store.history.change(state)
        self.note()

    @rule(switch=st.none() | st.sampled_from(SWITCHES), lags=st.integers(0, 2), has_primary=st.booleans())
    def fail(self, switch: str | None, lags: int, *, has_primary: bool) -> None:
        """Something else goes wrong, or nothing; what is read comes from a standby, or not."""
        for one in SWITCHES:
            setattr(self.store, one, one == switch)
        self.store.lags, self.store.has_primary = lags, has_primary

    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        """The store loses changes."""
        steps = self.store.history.steps
        self.store.history = self.store.history.copy(data.draw(st.integers(1, len(steps))))
        self.store.origin = f"{self.store.origin}'"
        self.has_lost = True

    @rule(count=st.integers(1, 3))
    def follow(self, count: int) -> None:
        """The replica follows."""
        for _ in range(count):
            self.heads[self.replica.now + 1] = self.store.history.steps[-1].signed.entry.revision
            self.replica.rounds()

    @rule()
    def reread(self) -> None:
        """Somebody has everything read again."""
        if self.replica.followed.good is not None and self.replica.followed.mistakes is None:
            self.replica.followed.read(everything=True)

    @precondition(lambda self: self.replica.followed.good is not None)
    @rule()
    def restart(self) -> None:
        """Another process goes on from what the last one served."""
        good = self.replica.followed.good
        assert good is not None
        followed = Followed(self.store.name)
        followed.begin_with(good)
        now = self.replica.now
        self.replica = Replica(self.store, followed)
        self.replica.now = now

    @invariant()
    def serves_what_was_there(self) -> None:
        """What is served is what the store held behind the change of that number, and never an earlier change."""
        if not hasattr(self, "replica"):
            return
        seq, revision = self.replica.served
        if seq is None or revision is None:
            return
        assert (seq, revision) in self.held
        assert seq >= self.seq
        self.seq = seq

    @invariant()
    def confirms_the_truth(self) -> None:
        """What is confirmed is what the store held at that moment."""
        if hasattr(self, "replica"):
            told = self.replica.followed.told
            if told.confirmed is not None:
                assert (told.confirmed, self.heads[told.confirmed_at]) in self.held
                assert told.confirmed <= (told.seq or 0)

    @invariant()
    def raises_no_false_alarm(self) -> None:
        """A store that has lost nothing is not said to have done so, however far its standbys lag."""
        if hasattr(self, "replica") and not self.has_lost:
            assert "store-went-back" not in self.replica.followed.told.problems

    def teardown(self) -> None:
        """When all is well again, the newest change is served, confirmed, and nothing is wrong."""
        store = self.store
        self.fail(None, 0, has_primary=True)
        while len(store.history.steps) <= self.seq:
            store.history.change(policies(**{f"n{len(store.history.steps)}": "https://w.example"}))
        store.history.change(policies(last="https://last.example"))
        self.replica.now += 100
        self.replica.rounds(4)
        told = self.replica.followed.told
        head = store.history.steps[-1].signed.head
        assert (told.seq, told.revision, told.confirmed) == (head.seq, head.revision, head.seq)
        assert (told.confirmed_at, told.behind_since) == (self.replica.now, None)
        assert told.problem in {None, "store-ledger-broken"}
        assert self.replica.followed.mistakes is None


Following.TestCase.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
TestFollowing = Following.TestCase

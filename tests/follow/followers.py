"""A store that does not do what it should, and what follows it, without a thread."""

from __future__ import annotations

from msgspec import structs
from zope.interface import implementer

from cors_service.follow.events import Event
from cors_service.follow.followed import Followed
from cors_service.follow.follower import Follower
from cors_service.ledger.entry import Head
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource, Step
from tests.follow.histories import History


@implementer(IStoreSource)
class Store:
    """A store in memory, with switches for what can be wrong with one.

    Attributes:
        name: What people call it.
        history: What it holds.
        origin: Which history that is.
        asked: The methods that were called.
        is_down: Whether it can't be reached.
        has_fault: Whether what speaks to it fails in a way that nobody thought of.
        is_compacted: Whether it has forgotten its changes.
        loses: Whether it leaves out a change.
        lags: How many changes what is read is behind the newest one: it comes from a standby.
        has_primary: Whether somebody knows which change is the newest.
        spoils: Whether a definition is missing in what is read.
    """

    name = "fake://store"

    def __init__(self, history: History) -> None:
        self.history = history
        self.origin: str | None = "one"
        self.asked: list[str] = []
        self.is_down = self.has_fault = self.is_compacted = self.loses = self.spoils = False
        self.lags = 0
        self.has_primary = True

    def everything(self) -> Everything:
        """Read all."""
        self._ask("everything")
        seq = self._seq()
        bodies = dict(self.history.states[seq - 1])
        if self.spoils:
            del bodies[max(bodies)]
        return Everything(self.history.steps[seq - 1].signed.head, bodies, self.origin, may_lag=self.lags > 0)

    def since(self, head: Head) -> list[Step] | None:
        """Read changes."""
        self._ask("since")
        steps = self.history.steps
        if (
            (self.is_compacted and head.seq < len(steps))
            or head.seq > len(steps)
            or steps[head.seq - 1].signed.head != head
        ):
            return None
        found = steps[head.seq : max(self._seq(), head.seq)]
        if self.loses and len(found) > 1:
            del found[0]
        if self.spoils and found:
            last = found[-1]
            found[-1] = structs.replace(last, bodies=dict(list(last.bodies.items())[1:]))
        return found

    def head(self) -> Head:
        """Read the newest change."""
        self._ask("head")
        if not self.has_primary:
            raise StoreUnavailable(f"{self.name} is a standby.")
        return self.history.steps[-1].signed.head

    def wait(self, seconds: float) -> bool:
        """Wait for nothing."""
        self._ask("wait")
        return True

    def wake(self) -> None:
        """There is nothing to wake."""

    def close(self) -> None:
        """There is nothing to close."""

    def _seq(self) -> int:
        return max(len(self.history.steps) - self.lags, 1)

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.is_down:
            raise StoreUnavailable(f"{self.name} does not answer.")
        if self.has_fault:
            raise KeyError("postgresql://cors:secret@db/cors")


class Replica:
    """Follows a store, in one thread.

    Attributes:
        now: The time.
        followed: What is served.
    """

    def __init__(self, store: Store, followed: Followed | None = None, *, accept_rollback: bool = False) -> None:
        self.now = 1000.0
        self.store = store
        self.events: list[Event] = []
        self.followed = followed or Followed(store.name, accept_rollback=accept_rollback, clock=self._clock)
        self.follower = Follower(store, self.events.append, self.followed.head, 0, clock=self._clock)
        self.followed.again = self.follower.again

    def rounds(self, count: int = 1) -> Replica:
        """Follow for some rounds."""
        for _ in range(count):
            self.now += 1
            self.follower.round()
            self.apply()
        return self

    def apply(self) -> None:
        """Take what was found."""
        events = self.events[:]
        self.events.clear()
        for event in events:
            self.followed.take(event)

    @property
    def served(self) -> tuple[int | None, str | None]:
        """The number and the revision of what is served."""
        told = self.followed.told
        return told.seq, told.revision

    def state(self) -> tuple[int | None, str | None]:
        """The number of what is served, and what is wrong."""
        told = self.followed.told
        return told.seq, told.problem

    def _clock(self) -> float:
        return self.now

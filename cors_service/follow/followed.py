"""The policies of a followed store: a set is served only if its revision is the one that the store names."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct, structs

from cors_service.follow.events import LEDGER_BROKEN, Confirmed, Event, Steps, Unreachable, Whole
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.ledger.chain import does_not_follow
from cors_service.ledger.definitions import draft_of
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key
from cors_service.ledger.source import Everything, Step
from cors_service.policy import PolicySet, Source
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft
from cors_service.policy.revision import VERSION
from cors_service.reader.good import GoodSet, Seen
from cors_service.reader.messages import Following
from cors_service.reader.policies import Policies
from cors_service.reader.snapshot import UNREADABLE

UNREACHABLE: Final = "store-unreachable"
WENT_BACK: Final = "store-went-back"
DOES_NOT_LOAD: Final = "store-does-not-load"
REVISION_DIFFERS: Final = "store-revision-differs"

RETRY_SECONDS: Final = 30.0
"""How long to leave a store alone that does not hold what it says, unless there is something newer."""
_MOST_AWAITED: Final = 100
_SIGN: Final = 100
"""How many definitions are read between two signs of life."""


class _Problem(Struct, frozen=True):
    """What is wrong.

    Attributes:
        code: What `/v1/status` calls it.
        message: What it is, for people.
    """

    code: str
    message: str


class Followed(Policies):
    """The policies of a store, as far as they were found out.

    What is read goes into an assembly, whatever it is worth. The last good set stays beside it until the assembly has a
    whole set without mistakes, with the revision that the head names.

    Attributes:
        is_decided: Whether it is known what there is to serve, or that there is nothing.
        again: Has everything read once more; whoever follows the store sets it.
    """

    def __init__(
        self,
        name: str,
        *,
        accept_rollback: bool = False,
        clock: Callable[[], float] = time.time,
        working: Callable[[], object] = lambda: None,
    ) -> None:
        """Make one of a store, of which nothing is known.

        Args:
            name: What people call the store.
            accept_rollback: Whether a set is taken that is older than the last good one, if that is what the store has
                when it is read for the first time.
            clock: Gives seconds since 1970.
            working: Is called now and then while much is read.
        """
        super().__init__()
        self.is_decided = False
        self._name = name
        self._source = Source(name, "json", "")
        self.again: Callable[[], object] = lambda: None
        self._accept_rollback = accept_rollback
        self._clock = clock
        self._working = working
        self._assembly = Assembly()
        self._names: set[str] = set()
        # What the assembly has all of; None if that is nothing whole.
        self._head: Head | None = None
        self._origin: str | None = None
        # The newest change that is known.
        self._newest: Head | None = None
        # The change that was the newest at a moment, and was served later at the latest; those that are not served yet.
        self._confirmed: tuple[int, float] | None = None
        self._awaited: deque[tuple[Head, float]] = deque(maxlen=_MOST_AWAITED)
        self._behind_since: float | None = None
        # What is wrong with what the store holds; why it can't be asked; where its ledger was changed.
        self._problem: _Problem | None = None
        self._unreachable: _Problem | None = None
        self._broken: _Problem | None = None
        self._counts: Counter[str] = Counter()
        self._retry_at = 0.0
        self._is_new = False
        # Whether everything is being read once more, and whether anything was read by this process.
        self._is_asked = False
        self._was_reached = False

    # What a reader answers from.

    def look(self, names: Collection[str] | None = None) -> bool:
        """Say whether there is something new to give."""
        return self._is_new

    def read(self, *, everything: bool = False) -> PolicySet:
        """Give the last good set.

        Args:
            everything: Have everything read once more; what comes of it is found later.

        Raises:
            InvalidPolicies: With every mistake of what was read last.
        """
        self._is_new = False
        if everything:
            self._broken = None
            self._read_again()
        return self.give()

    def renew(self) -> None:
        """Take note when the store last confirmed the last good set."""
        good, confirmed = self.good, self._confirmed
        if good is not None and good.seen is not None and confirmed is not None and confirmed[0] == good.seen.seq:
            self.good = structs.replace(good, loaded_at=max(good.loaded_at, confirmed[1]))

    def begin_with(self, kept: GoodSet) -> None:
        """Go on from the policies of a snapshot."""
        seen = kept.seen
        self.good, self._is_new, self.is_decided = kept, True, True
        if seen is None:
            return  # it was made of documents
        for name, draft in kept.documents.items():
            draft.source = self._source
            self._put(name, draft)
        change = self._assembly.read()
        if change.mistakes is not None or change.revision != kept.revision:
            return  # this version reads them otherwise
        assert self._assembly.policy_set is not None
        self.good = structs.replace(
            kept, policy_set=self._assembly.policy_set, revision=change.revision, documents=self._assembly.documents
        )
        self._head = self._newest = _head_of(self.good)
        self._origin = seen.origin

    @property
    def head(self) -> Head | None:
        """The change that everything was read of; None if that is none."""
        return self._head

    @property
    def told(self) -> Following:
        """What there is to say of it."""
        good, problem = self.good, self._problem or self._unreachable or self._broken
        confirmed, moment = self._confirmed or (None, None)
        return Following(
            revision=None if good is None else good.revision,
            seq=None if good is None or good.seen is None else good.seen.seq,
            head_seq=None if self._newest is None else self._newest.seq,
            confirmed=confirmed,
            confirmed_at=moment,
            behind_since=self._behind_since,
            problem=None if problem is None else problem.code,
            message=None if problem is None else problem.message,
            problems=dict(self._counts),
        )

    # What is found out.

    def take(self, event: Event) -> None:
        """Take what was found out about the store."""
        if isinstance(event, Unreachable):
            self._cannot_reach(event)
        else:
            self._can_reach()
            match event:
                case Whole():
                    self._take_whole(event.everything)
                case Steps():
                    self._take_steps(event.steps)
                case Confirmed():
                    self._take_head(event)
        self.is_decided = self.is_decided or self.good is not None or self.mistakes is not None

    def _take_whole(self, everything: Everything) -> None:
        head, self._is_asked = everything.head, False
        self._note(head)
        if self._lags(everything):
            self._head = None
            return
        if self._is_older(head) and not self._accept_rollback:
            self._head = None
            self._refuse(WENT_BACK, self._how_it_went_back(everything))
            return
        names = {_name(key) for key in everything.bodies}
        for name in self._names - names:
            self._put(name, None)
        self._put_all(everything.bodies)
        self._origin = everything.origin
        if not self._settle(head):
            self._head = None
            self._retry_at = self._clock() + RETRY_SECONDS
            self._refuse(
                REVISION_DIFFERS,
                f"What the store holds does not have the revision that change {head.seq} names: somebody has edited it "
                "by hand. `cors-service store init URL` restores what the ledger has.",
            )
        elif self._problem is None:
            self._confirm([head])

    def _take_steps(self, steps: tuple[Step, ...]) -> None:
        newest = steps[-1].signed.head
        self._note(newest)
        if self._head is None:
            # What went back, or lags, is of no use before it is newer.
            if self._is_newer(newest) or self._accept_rollback:
                self._read_again()
        elif not self._follows(self._head, steps):
            self._read_again()
        else:
            for step in steps:
                self._put_step(step)
            if not self._settle(newest):
                self._counts[REVISION_DIFFERS] += 1
                self._read_again()
            elif self._problem is None:
                self._confirm(step.signed.head for step in steps)

    def _take_head(self, confirmed: Confirmed) -> None:
        head, good = confirmed.head, self.good
        self._note(head, is_certain=True)
        self._accept_rollback = self._accept_rollback and self._is_older(head)
        if good is not None and _head_of(good) == head:
            self._confirmed = (head.seq, confirmed.moment)
            self._awaited.clear()
            if self._head is None and self._problem is not None:
                # It holds again what it held before; only reading all of it tells whether that is so.
                self._read_again()
            return
        # By the time it is served there may be a newer one, so the moment counts then, too.
        self._awaited.append((head, confirmed.moment))
        if self._problem is not None and self._problem.code == REVISION_DIFFERS and self._clock() > self._retry_at:
            self._read_again()
        elif self._problem is None and self._head is None and self._is_older(head):
            # What was read last came from a standby that lagged, and was promoted without the last changes.
            self._read_again()

    def _confirm(self, heads: Iterable[Head]) -> None:
        """Take note of what is served now that changes were applied: whichever of them was the newest once."""
        applied = set(heads)
        while any(head in applied for head, _ in self._awaited):
            head, moment = self._awaited.popleft()
            if head in applied:
                self._confirmed = (head.seq, moment)

    def _read_again(self) -> None:
        """Have everything read once more; what was read before is not gone on from."""
        self._head = None
        if not self._is_asked:
            self._is_asked = True
            self.again()

    def _follows(self, head: Head, steps: tuple[Step, ...]) -> bool:
        """Whether changes follow what was read before, and are whole."""
        if steps[0].signed.entry.seq != head.seq + 1:
            return False
        broken = does_not_follow(head, (step.signed for step in steps))
        if broken is not None:
            self._has_broken(f"The ledger is broken at entry {broken.seq}: {broken.sentence}")
        return broken is None and all(map(_is_whole, steps))

    def _settle(self, head: Head) -> bool:
        """Make what was read the last good set, if it loads; say whether it is what the head names."""
        self._head = head
        if head.format > VERSION:
            message = f"Change {head.seq} needs version {head.format} of the document format; upgrade this replica."
            self._does_not_load(unreadable(self._name, message), head)
            return True
        try:
            change = self._assembly.read()
        except InvalidPolicies as invalid:
            self._does_not_load(invalid, head)
            return True
        if change.mistakes is not None:
            self._does_not_load(change.mistakes, head)
            return True
        if change.revision != head.revision:
            return False
        self._become(change, head)
        return True

    def _become(self, change: Change, head: Head) -> None:
        before, assembly = self.good, self._assembly
        assert assembly.policy_set is not None
        seen = Seen(seq=head.seq, entry=head.entry, format=head.format, at=head.at, origin=self._origin)
        self.good = GoodSet(assembly.policy_set, head.revision, self._clock(), assembly.documents, seen=seen)
        if before is not None and before.revision != head.revision:
            if change.base != before.revision:
                change = Change.between(before.revision, before.policy_set, head.revision, assembly.policy_set)
            self.history.add(before.policy_set, change)
        self._accept_rollback = False
        self._is_new = self._is_new or before is None or before.seen != seen or self.mistakes is not None
        self.mistakes = self._problem = None
        self._note(head)

    def _does_not_load(self, invalid: InvalidPolicies, head: Head) -> None:
        count = len(invalid.mistakes) + invalid.more
        first = invalid.mistakes[0].message
        message = f"The policies of change {head.seq} have mistakes ({count}): {first}"
        if self.mistakes is None or self.mistakes.report() != invalid.report():
            self._is_new = True
        self._has(_Problem(DOES_NOT_LOAD, message))
        self.mistakes = invalid

    def _refuse(self, code: str, message: str) -> None:
        """Leave the last good set for a reason that is none of its documents'."""
        self._has(_Problem(code, message))
        self._is_new = self._is_new or self.mistakes is not None or self.good is None
        self.mistakes = None
        self._without_good(message)

    def _has(self, problem: _Problem) -> None:
        if self._problem is None or self._problem.code != problem.code or problem.code == REVISION_DIFFERS:
            self._counts[problem.code] += 1
        self._problem = problem

    def _has_broken(self, message: str) -> None:
        if self._broken is None:
            self._counts[LEDGER_BROKEN] += 1
        self._broken = _Problem(LEDGER_BROKEN, message)

    def _cannot_reach(self, event: Unreachable) -> None:
        if event.code == LEDGER_BROKEN:
            self._has_broken(event.sentence)
            return
        if self._unreachable is None or self._unreachable.code != event.code:
            self._counts[event.code] += 1
        self._unreachable = _Problem(event.code, event.sentence)
        self._without_good(event.sentence)

    def _without_good(self, message: str) -> None:
        """As long as nothing was read, that is a mistake: it says why there is nothing, or a snapshot instead."""
        if self.mistakes is None and (self.good is None or not self._was_reached):
            self.mistakes = unreadable(self._name, message)
            self._is_new = True

    def _can_reach(self) -> None:
        self._unreachable = None
        if not self._was_reached:
            self._was_reached = True
            if self.mistakes is not None and self.good is not None:
                self.mistakes, self._is_new = None, True

    def _note(self, head: Head, *, is_certain: bool = False) -> None:
        """Take note of the newest change; what is not read linearizably may be older than what is known."""
        if is_certain or self._newest is None or head.seq > self._newest.seq:
            self._newest = head
        if self.good is not None and _head_of(self.good) == self._newest:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock()

    def _lags(self, everything: Everything) -> bool:
        """Whether a standby holds less than is served, and no primary has said that it has lost that."""
        if not everything.may_lag or not self._is_older(everything.head):
            return False
        return self._newest is None or not self._is_older(self._newest)

    def _is_older(self, head: Head) -> bool:
        """Whether a change is before the one that is served, or another one in its place."""
        before = None if self.good is None else _head_of(self.good)
        if before is None:
            return False
        is_same = (head.seq, head.entry, head.revision) == (before.seq, before.entry, before.revision)
        return head.seq <= before.seq and not is_same

    def _how_it_went_back(self, everything: Everything) -> str:
        assert self.good is not None
        assert self.good.seen is not None
        before, head = self.good.seen, everything.head
        what = f"The store is at change {head.seq}"
        if head.seq == before.seq:
            what += ", but not the one of that number that is served"
        else:
            what += f", and change {before.seq} is served: it has lost changes"
        if everything.origin != before.origin:
            what += ", and it has another history"
        return f"{what}. It is followed again at a change above {before.seq}, or after a start with --accept-rollback."

    def _is_newer(self, head: Head) -> bool:
        return self.good is None or self.good.seen is None or head.seq > self.good.seen.seq

    def _put_step(self, step: Step) -> None:
        for touched in step.signed.entry.changes:
            if touched.after is None:
                self._put(_name(touched.key), None)
        self._put_all(step.bodies)

    def _put_all(self, bodies: Mapping[Key, Body]) -> None:
        for number, (key, body) in enumerate(bodies.items()):
            if number % _SIGN == 0:
                self._working()
            draft = draft_of(key, body)
            draft.source = self._source
            self._put(_name(key), draft)

    def _put(self, name: str, draft: Draft | None) -> None:
        self._assembly.put(name, draft)
        if draft is None:
            self._names.discard(name)
        else:
            self._names.add(name)


def unreadable(name: str, sentence: str) -> InvalidPolicies:
    """Make the mistake that a store can't be read.

    Args:
        name: What people call the store.
        sentence: Why.
    """
    # Most sentences begin with the name, and nobody has to read it twice.
    message = sentence if sentence.startswith(name) else f"{name}: {sentence}"
    return InvalidPolicies([PolicyError(UNREADABLE, message)])


def _name(key: Key) -> str:
    """Name the document of a definition in an assembly, and in a snapshot."""
    return f"{key.kind}/{key.name}"


def _head_of(good: GoodSet) -> Head | None:
    seen = good.seen
    if seen is None:
        return None
    return Head(seq=seen.seq, revision=good.revision, entry=seen.entry, format=seen.format, at=seen.at)


def _is_whole(step: Step) -> bool:
    """Whether a change has all that its entry says that it wrote."""
    return step.bodies.keys() == {one.key for one in step.signed.entry.changes if one.after is not None}

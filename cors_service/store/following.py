"""How closely this process follows the store that its policies come from."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from msgspec import Struct, structs
from twisted.logger import Logger

from cors_service.reader.messages import Following

BROKEN: Final = "store-ledger-broken"
"""The code of what is wrong with a store, and not with what it holds."""
_MOST_AWAITED: Final = 100


class StoreProblem(Struct, frozen=True):
    """What is wrong with a store, or with what it holds.

    Attributes:
        code: Which kind of problem it is; one of those in the documents.
        message: What it is, for people.
    """

    code: str
    message: str


class StoreStatus(Struct, frozen=True, kw_only=True):
    """What there is to say of a store that is followed. Times are in seconds since 1970.

    Attributes:
        name: What people call it.
        seq: The number of the change that made the active policies; None if nobody knows.
        head_seq: The number of the newest change that is known; None before the store was read.
        confirmed_at: The last moment at which the store is known to have held nothing newer than the active policies;
            None if it never was.
        confirmed_age_seconds: How long ago that was.
        behind_since: Since when it is known that the store holds something else; None if it is not.
        problem: What is wrong; None if nothing is.
    """

    name: str
    seq: int | None
    head_seq: int | None
    confirmed_at: float | None
    confirmed_age_seconds: float | None
    behind_since: float | None
    problem: StoreProblem | None

    @property
    def is_stale(self) -> bool:
        """Whether there may be something newer that can't be had, or can't be served."""
        return self.problem is not None and self.problem.code != BROKEN


class StoreView:
    """What a process that decides knows of the store.

    The reader says which change the store has confirmed. That counts for this process as soon as its policies are those
    of that change, or of a newer one: so it is never ahead of what decides.

    Attributes:
        told: What the reader said last.
    """

    def __init__(self, name: str) -> None:
        """Know nothing yet.

        Args:
            name: What people call the store.
        """
        self._name = name
        self.told = Following()
        self._revision: str | None = None
        self._seq: int | None = None
        self._confirmed_at: float | None = None
        # What counts once the policies are as new.
        self._awaited: deque[tuple[int, float]] = deque(maxlen=_MOST_AWAITED)
        # Since when other policies are active than those of the reader.
        self._apart_since: float | None = None

    def tell(self, told: Following, now: float) -> None:
        """Take what the reader says."""
        if told.confirmed is not None and told.confirmed_at is not None and told.confirmed_at != self.told.confirmed_at:
            self._awaited.append((told.confirmed, told.confirmed_at))
        self.told = told
        self._compare(now)

    def become(self, revision: str, seq: int | None, now: float) -> None:
        """Take note of the active policies."""
        self._revision, self._seq = revision, seq
        self._compare(now)

    def status(self, now: float) -> StoreStatus:
        """Say how it is."""
        told, at = self.told, self._confirmed_at
        problem = None
        if told.problem is not None:
            problem = StoreProblem(told.problem, told.message or "")
        return StoreStatus(
            name=self._name,
            seq=self._seq,
            head_seq=told.head_seq,
            confirmed_at=at,
            confirmed_age_seconds=None if at is None else round(max(now - at, 0.0), 3),
            behind_since=told.behind_since or self._apart_since,
            problem=problem,
        )

    def _compare(self, now: float) -> None:
        told = self.told
        while self._awaited and self._seq is not None and self._awaited[0][0] <= self._seq:
            _, self._confirmed_at = self._awaited.popleft()
        is_apart = told.revision is not None and (self._revision, self._seq) != (told.revision, told.seq)
        self._apart_since = (self._apart_since or now) if is_apart else None


class FollowingLog:
    """Writes a line at each change of what is wrong with a store."""

    _log: Final = Logger()

    def __init__(self, name: str) -> None:
        """Begin with nothing wrong.

        Args:
            name: What people call the store.
        """
        self._name = name
        self._code: str | None = None

    def take(self, told: Following) -> None:
        """Take what the reader says."""
        before, self._code = self._code, told.problem
        if told.problem == before:
            return
        if told.problem is None:
            # As loud as the beginning: whoever was woken by that must see the end.
            self._log.error("{store} is followed again, at change {seq}", store=self._name, seq=told.seq)
            return
        message = (told.message or "").removeprefix(f"{self._name}: ")
        if not message.startswith(self._name):
            message = f"{self._name}: {message}"
        stays = ""
        if told.problem != BROKEN:
            what = "there are no policies" if told.seq is None else f"change {told.seq} stays active"
            stays = f" Until that is mended, {what}."
        self._log.error("{message} [{code}]{stays}", message=message, code=told.problem, stays=stays)


class FollowingReports:
    """Reports what the reader of a store says, and that it fails: one that ends again and again says nothing of that.

    Each report has a line in the log if what is wrong is something else than before.
    """

    def __init__(self, name: str, tell: Callable[[Following], object]) -> None:
        """Report nothing yet.

        Args:
            name: What people call the store.
            tell: Takes each report.
        """
        self._log = FollowingLog(name)
        self._tell = tell
        self._said = Following()
        # What is wrong with the reader, as code and message; and how often that began, by code.
        self._failure: tuple[str, str] | None = None
        self._counts: Counter[str] = Counter()

    def take(self, said: Following) -> None:
        """Take what the reader says."""
        self._said = said
        self._report()

    def has_failed(self, code: str, message: str) -> None:
        """Take note that the reader fails, whatever it says, until it works."""
        if self._failure is None:
            self._counts[code] += 1
        self._failure = code, message
        self._report()

    def works(self) -> None:
        """Take note that the reader does not fail any more."""
        if self._failure is not None:
            self._failure = None
            self._report()

    def _report(self) -> None:
        told = structs.replace(self._said, problems={**self._said.problems, **self._counts})
        if self._failure is not None:
            code, message = self._failure
            told = structs.replace(told, problem=code, message=message)
        self._log.take(told)
        self._tell(told)

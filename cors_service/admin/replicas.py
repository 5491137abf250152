"""What replicas report of themselves, and which of them have the newest change."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, structs, to_builtins
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from cors_service.ledger.appending import rfc3339
from cors_service.ledger.entry import Head
from cors_service.observe.words import LONGEST_NAME

ALIVE_SECONDS: Final = 30.0
"""For how long a replica is alive after a report: it sends one every ten seconds."""
FORGOTTEN_SECONDS: Final = 7 * 86400.0
"""After which one that reports no more is not listed any longer."""
MOST_REPLICAS: Final = 10_000
WENT_BACK: Final = "store-went-back"
"""What replicas say of a store that has less than they have."""
SAVE_SECONDS: Final = 5.0

_Count = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
_Text = Annotated[str, Meta(min_length=1, max_length=LONGEST_NAME)]


class ReplicaProblem(Struct, frozen=True):
    """What is wrong with the store, as a replica says.

    Attributes:
        code: Which kind of problem it is.
        message: What it is, for people.
    """

    code: _Text
    message: Annotated[str, Meta(max_length=10_000)]


class Replica(Struct, frozen=True, kw_only=True):
    """What a replica says of itself.

    Attributes:
        instance: Its name; no other has the same.
        version: That of the program.
        revision: That of the policies that decide there; None before there are any.
        seq: The number of the change that made them; None where its source does not say.
        loaded_at: When they were loaded there.
        workers: How many processes decide there.
        problem: What is wrong with its store, or why it refused what that holds; None if nothing is.
    """

    instance: _Text
    version: _Text
    revision: _Text | None = None
    seq: _Count | None = None
    loaded_at: _Text | float | None = None
    workers: _Count | None = None
    problem: ReplicaProblem | None = None


class Reported(Struct, frozen=True, kw_only=True):
    """A replica as it is known.

    Attributes:
        replica: What it said last.
        at: When it said that, in seconds since 1970.
        behind_since: Since when it has something else than the newest change; None if it has that.
        current_since: Since when it has the newest change, as far as it has reported; None if it has not.
    """

    replica: Replica
    at: float
    behind_since: float | None = None
    current_since: float | None = None


class Replicas(Service):
    """Keeps what replicas report, in memory and in a file."""

    _log: Final = Logger()

    def __init__(self, path: Path, clock: IReactorTime, head: Callable[[], Head]) -> None:
        """Make one, with what the file has.

        Args:
            path: The file.
            clock: The reactor.
            head: Gives the newest change.
        """
        self._path = path
        self._clock = clock
        self._head = head
        # The largest number that a change had: a store that lost changes goes back behind it.
        self._largest = head().seq
        self._known: dict[str, Reported] = {}
        self._is_saved = True
        self._waiting: list[Deferred[None]] = []
        self._saving = LoopingCall(self.save)
        self._saving.clock = clock
        with suppress(OSError, ValueError):
            for one in msgspec.json.decode(path.read_bytes(), type=list[Reported]):
                self._known[one.replica.instance] = one

    def startService(self) -> None:
        """Begin to save now and then what is new."""
        super().startService()
        self._saving.start(SAVE_SECONDS, now=False)

    def stopService(self) -> None:
        """Save what is new."""
        super().stopService()
        if self._saving.running:
            self._saving.stop()
        self.save()

    def take(self, replica: Replica) -> None:
        """Take note of a report."""
        now = self._clock.seconds()
        before = self._known.pop(replica.instance, None)
        if before is None and len(self._known) >= MOST_REPLICAS:
            del self._known[next(iter(self._known))]
        behind, current = (None, None) if before is None else (before.behind_since, before.current_since)
        is_newest = self._has_newest(replica)
        # The one that reported last stands last.
        self._known[replica.instance] = Reported(
            replica=replica,
            at=now,
            behind_since=None if is_newest else behind or now,
            current_since=(current or now) if is_newest else None,
        )
        self._is_saved = False
        self._tell()

    def head_changed(self) -> None:
        """Take note that there is a newer change: those that do not have it are behind from now on."""
        now = self._clock.seconds()
        self._largest = max(self._largest, self._head().seq)
        for name, one in self._known.items():
            is_newest = self._has_newest(one.replica)
            behind, current = (None, now) if is_newest else (one.behind_since or now, None)
            self._known[name] = structs.replace(one, behind_since=behind, current_since=current)
        self._is_saved = False
        self._tell()

    @property
    def waiting(self) -> list[str]:
        """The names of the replicas that are alive, and do not have the newest change."""
        return sorted(one.replica.instance for one in self._alive() if one.behind_since is not None)

    @property
    def confirmed(self) -> int:
        """How many replicas are alive and have the newest change."""
        return sum(one.behind_since is None for one in self._alive())

    @property
    def everywhere_since(self) -> float | None:
        """Since when all replicas that are alive have the newest change, in seconds since 1970.

        None if one has not, or if none reports.
        """
        since = [one.current_since for one in self._alive()]
        known = [one for one in since if one is not None]
        return max(known) if known and len(known) == len(since) else None

    def changed(self) -> Deferred[None]:
        """Wait for the next report."""
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def as_list(self) -> list[dict[str, Any]]:
        """Each replica as JSON types, by name."""
        now = self._clock.seconds()
        self._forget(now)
        return [
            {
                **to_builtins(one.replica),
                "reported_at": rfc3339(one.at),
                "age_seconds": round(max(now - one.at, 0), 3),
                "alive": self._is_alive(one, now),
                "current": one.behind_since is None,
                "behind_since": None if one.behind_since is None else rfc3339(one.behind_since),
            }
            for _, one in sorted(self._known.items())
        ]

    def save(self) -> None:
        """Write the file anew if there is something new."""
        if self._is_saved:
            return
        new = self._path.with_name(f".{self._path.name}.new")
        try:
            new.write_bytes(msgspec.json.encode(list(self._known.values())))
            new.replace(self._path)
        except OSError as error:
            self._log.error("Can't save what replicas report: {error}", error=error)
            return
        self._is_saved = True

    def _alive(self) -> list[Reported]:
        now = self._clock.seconds()
        return [one for one in self._known.values() if self._is_alive(one, now)]

    def _is_alive(self, one: Reported, now: float) -> bool:
        return now - one.at <= ALIVE_SECONDS

    def _has_newest(self, replica: Replica) -> bool:
        """Whether a replica has the newest change: the revision is the proof, and a rollback has an earlier one.

        One with a larger number has a change that this process does not know yet, unless the store has lost it.
        """
        head = self._head()
        if replica.seq is None:
            return replica.revision == head.revision
        is_lost = replica.problem is not None and replica.problem.code == WENT_BACK
        is_ahead = replica.seq > self._largest and not is_lost
        return is_ahead or (replica.seq, replica.revision) == (head.seq, head.revision)

    def _forget(self, now: float) -> None:
        for name in [name for name, one in self._known.items() if now - one.at > FORGOTTEN_SECONDS]:
            del self._known[name]

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

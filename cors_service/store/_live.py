"""The one place that holds the active policies, and swaps them in one assignment."""

from __future__ import annotations

import hashlib
import traceback
from asyncio import CancelledError
from collections.abc import Callable, Generator
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.decision import ActivePolicies
from cors_service.decision.steps import at_once
from cors_service.grammar.mistakes import InvalidPolicies, PolicyError, plural, shown, without_userinfo
from cors_service.policy import PolicySet
from cors_service.policy.change import Behind, Change
from cors_service.reader.good import GoodSet
from cors_service.reader.keeping import RENEWALS
from cors_service.reader.snapshot import Snapshot
from cors_service.store._interfaces import IPolicies, IPolicyStore
from cors_service.store._kept import complain
from cors_service.store._slices import in_slices
from cors_service.store._status import Status
from cors_service.store.following import StoreView

_NAME: Final = 8
"""Characters of the name of a fault."""
_Reported = tuple[dict[str, object], ...]
_LOGGED: Final = 100
"""Mistakes that are put into the log, which others have to read; the status has more of them."""


@implementer(IPolicies)
class LivePolicies(Service):
    """Keeps the policies of a store active: loads, watches, and never gives up a good set for a bad one.

    Attributes:
        active: The compiled policies that decide now, or None before any could be loaded. Read it once for
            each request: it changes between two reads.
        when_swapped: Is called when other policies have become active.
        when_loaded: Is called after each load, with what came of it (`changed`, `unchanged` or `failed`) and the
            seconds that it took.
    """

    _log: Final = Logger()

    def __init__(
        self,
        store: IPolicyStore,
        clock: IReactorTime,
        *,
        snapshot: Snapshot | None = None,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
        view: StoreView | None = None,
    ) -> None:
        """Make a holder, without policies.

        Args:
            store: Where policies come from.
            clock: The reactor.
            snapshot: Keeps each good set, before it becomes active, for a start while the store is down; None where the
                store does that.
            in_thread: Runs a function with its arguments where it may block; gives a Deferred of the result.
            view: What is known of the store, where one is followed.
        """
        self.active: ActivePolicies | None = None
        self.when_swapped: Callable[[], object] = lambda: None
        self.when_loaded: Callable[[str, float], object] = lambda *_: None
        self._store = store
        # A store of somebody's own may be called by a URL.
        self._source = without_userinfo(store.name)
        self._clock = clock
        self._snapshot = snapshot
        self._in_thread = in_thread
        self._view = view
        self._generation = 0
        self._loaded_at: float | None = None
        self._last_attempt: float | None = None
        self._mistakes: InvalidPolicies | None = None
        self._behind: tuple[Behind, ...] = ()
        # Both as the status has them: made once, since there may be a thousand mistakes, and anybody may ask.
        self._reported: tuple[_Reported, _Reported] | None = None
        # The date of the snapshot, which only loads can renew; and why it could not be written.
        self._kept_at: float | None = None
        self._snapshot_problem: str | None = None
        self._renewing = LoopingCall(self._load_soon)
        self._renewing.clock = clock
        self._loading = False
        self._again = False
        self._everything = False
        # What the last swap has left over.
        self._left_over: list[object] = []
        self._waiting: list[Deferred[None]] = []
        self._unwatch: Callable[[], object] | None = None

    def activate(self, first: Change | PolicySet) -> None:
        """Make policies active at once, as at the start of a program; before that, they are in the snapshot.

        Args:
            first: What is to decide: a policy set, or the change that leads to it from nothing.
        """
        change = first if isinstance(first, Change) else Change.whole(first)
        self._last_attempt = self._clock.seconds()
        active = at_once(ActivePolicies.changed(None, change))
        if self._snapshot is not None:
            good = self._good(active, change)
            if not self._snapshot.holds(good):
                self._has_kept(self._keep(self._snapshot, good))
        self._become(active, change)

    def reload(self) -> Deferred[None]:
        """Load what the store holds now, all of it, and make it active if it is good.

        Returns:
            A Deferred that fires when that is done, well or badly: what was bad is in the log and the status.
            Calls while a load is under way are served by one more load after it.
        """
        self._everything = True
        return self._load_soon()

    def _load_soon(self) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        if self._loading:
            self._again = True
        else:
            self._loading = True
            Deferred.fromCoroutine(self._reload())
        return waiting

    def startService(self) -> None:
        """Begin to watch the store; load it if nothing is active yet."""
        super().startService()
        if self.active is None:
            self.reload()
        self._unwatch = self._store.watch(self._load_soon)
        if self._snapshot is not None and self._snapshot.max_age is not None:
            self._renewing.start(self._snapshot.max_age / RENEWALS, now=False)

    def stopService(self) -> Deferred[Any]:
        """Watch no longer; wait for what is under way."""
        super().stopService()
        if self._renewing.running:
            self._renewing.stop()
        unwatch, self._unwatch = self._unwatch, None
        unwatched = maybeDeferred(unwatch) if unwatch is not None else succeed(None)
        loading: Deferred[None] = Deferred()
        if self._loading:
            self._waiting.append(loading)
        else:
            loading.callback(None)
        return loading.addCallback(lambda _: unwatched)

    @property
    def mistakes(self) -> InvalidPolicies | None:
        """What is wrong with newer policies than those that are active; None if there are none."""
        return self._mistakes

    @property
    def behind(self) -> tuple[Behind, ...]:
        """The documents with newer versions that are not active."""
        return self._behind

    @property
    def status(self) -> Status:
        """What there is to say now."""
        if self._reported is None:
            self._reported = _reported(self._mistakes, self._behind)
        mistakes, behind = self._reported
        store = None if self._view is None else self._view.status(self._clock.seconds())
        return Status(
            source=self._source,
            revision=self.active.revision if self.active else None,
            policies=len(self.active.policy_set.policies) if self.active else 0,
            generation=self._generation,
            loaded_at=self._loaded_at,
            last_attempt=self._last_attempt,
            mistakes=mistakes,
            behind=behind,
            more_mistakes=self._mistakes.more if self._mistakes else 0,
            snapshot_problem=self._snapshot_problem,
            stale=self._mistakes is not None or (store is not None and store.is_stale),
            store=store,
        )

    async def _reload(self) -> None:
        again = True
        while again:
            self._again = False
            await self._load()
            await in_slices(_let_go(self._left_over), self._clock)
            again = self._again
        self._loading = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    async def _load(self) -> None:
        """Load once. Nothing here lives on after that: it would keep what was active from being freed in slices."""
        everything, self._everything = self._everything, False
        began = self._last_attempt = self._clock.seconds()
        before = self.active
        try:
            change = await self._store.load(before.revision if before else None, everything=everything)
            active = await self._compiled(before, change)
            if self._snapshot is not None and self._is_to_be_kept(self._snapshot, active, change):
                self._has_kept(await self._in_thread(self._keep, self._snapshot, self._good(active, change)))
            self._become(active, change)
        except InvalidPolicies as invalid:
            self._failed(invalid)
        except (Exception, CancelledError) as error:  # noqa: BLE001 - whatever a store does, the last good set stays
            self._failed(self._mistake_of(error))
        result = "changed" if self.active is not before else "unchanged"
        self.when_loaded("failed" if self._mistakes else result, self._clock.seconds() - began)

    async def _compiled(self, before: ActivePolicies | None, change: Change) -> ActivePolicies:
        if before is not None and before.revision == change.revision:
            return before
        active = await in_slices(ActivePolicies.changed(before, change), self._clock)
        if before is not None:
            self._left_over = before.parts(change)
        return active

    def _become(self, active: ActivePolicies, change: Change) -> None:
        """Make policies active, and tell what is wrong with newer ones."""
        if change.mistakes is None and self._mistakes is not None:
            self._log.info("The policies of {source} are good again", source=self._source)
            self._mistakes = None
        self._behind = change.behind
        self._reported = None
        if self._snapshot is None:
            self._snapshot_problem = change.snapshot_problem
        self._swap(active, self._loaded(change))
        if self._view is not None:
            self._view.become(active.revision, change.seq, self._clock.seconds())
        if change.mistakes is not None:
            self._failed(change.mistakes)

    def _loaded(self, change: Change) -> float:
        return change.loaded_at or self._last_attempt or self._clock.seconds()

    def _is_to_be_kept(self, snapshot: Snapshot, active: ActivePolicies, change: Change) -> bool:
        """Whether policies are new or could not be written, or the date of those in the snapshot becomes old."""
        if active is not self.active or self._snapshot_problem is not None:
            return True
        newer = self._loaded(change) - (self._kept_at or 0)
        return snapshot.max_age is not None and newer > snapshot.max_age / RENEWALS / 2

    def _good(self, active: ActivePolicies, change: Change) -> GoodSet:
        return GoodSet(active.policy_set, active.revision, self._loaded(change))

    def _keep(self, snapshot: Snapshot, good: GoodSet) -> str | None:
        """Write what is about to become active into the snapshot; give what went wrong."""
        self._kept_at = good.loaded_at
        return snapshot.keep(good)

    def _has_kept(self, problem: str | None) -> None:
        self._snapshot_problem = problem
        complain(problem)

    def _swap(self, active: ActivePolicies, loaded_at: float) -> None:
        self._loaded_at = loaded_at
        if self.active is not None and self.active.revision == active.revision:
            self._log.info("{source} is still at revision {revision}", source=self._source, revision=active.revision)
            return
        self.active = active
        self._generation += 1
        self.when_swapped()
        count = len(active.policy_set.policies)
        self._log.info(
            f"Revision {{revision}} of {{source}} is active: {{count}} {plural(count, 'policy', 'policies')}",
            revision=active.revision,
            source=self._source,
            count=count,
        )

    def _mistake_of(self, error: BaseException) -> InvalidPolicies:
        """Log what a store raised, and give a mistake that says where: only the log may have more."""
        # As one line: no store can forge lines of the log.
        found = ascii(without_userinfo("".join(traceback.format_exception(error))))
        # The same fault has the same name, so that it is reported once.
        name = hashlib.sha256(ascii((type(error), str(error))).encode("ascii")).hexdigest()[:_NAME]
        self._log.error("Can't load {source} (fault {fault}): {found}", source=self._source, fault=name, found=found)
        message = f"The store can't be read; the log of the service says why, at fault {name}."
        return InvalidPolicies([PolicyError("document-unreadable", message, file=self._source)])

    def _failed(self, invalid: InvalidPolicies) -> None:
        known = self._mistakes is not None and self._mistakes.report() == invalid.report()
        self._mistakes = invalid
        self._reported = None
        if known:
            self._log.error("{source} still has the same mistakes", source=self._source)
        else:
            self._tell(invalid)

    def _tell(self, invalid: InvalidPolicies) -> None:
        for mistake in invalid.mistakes[:_LOGGED]:
            self._log.error("{mistake}", mistake=str(mistake), code=mistake.code)
        for one in self._behind:
            stays = "its last good version stays active" if one.is_kept else "it was never good, and is left out"
            self._log.error("{document} is behind: {stays}", document=shown(one.document, 300), stays=stays)
        count = len(invalid.mistakes) + invalid.more
        if count > _LOGGED:
            rest = count - _LOGGED
            are = plural(rest, "mistake is", "mistakes are")
            self._log.error(f"{{count}} more {are} not in the log", count=rest)
        age = None if self._loaded_at is None else round(self._clock.seconds() - self._loaded_at)
        kept = self.active and self.active.revision
        stay = "stays" if kept else "stay"
        self._log.error(
            f"{{count}} {plural(count, 'mistake')} in {{source}}; {{kept}} {stay} active{{since}}",
            count=count,
            source=self._source,
            kept=kept or "no policies",
            since="" if age is None else f", last read without mistakes {age} {plural(age, 'second')} ago",
            age=age,
        )


def _reported(invalid: InvalidPolicies | None, behind: tuple[Behind, ...]) -> tuple[_Reported, _Reported]:
    """Write mistakes, and the documents that are behind, each with its own."""
    mistakes = tuple(mistake.as_dict() for mistake in invalid.mistakes) if invalid else ()
    of: dict[object, list[dict[str, object]]] = {}
    for mistake in mistakes:
        of.setdefault(mistake["file"], []).append(mistake)
    return mistakes, tuple(
        {"document": one.document, "since": one.since, "kept": one.is_kept, "mistakes": of.get(one.document, [])}
        for one in behind
    )


def _let_go(parts: list[object]) -> Generator[None, None, None]:
    """Drop what is not needed any more piece by piece, from the end."""
    while parts:
        parts.pop()
        yield None

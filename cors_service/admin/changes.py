"""Reads and changes a store, in another thread, one after the other; and follows what others change in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import Kept, StoreUnavailable

FOLLOW_SECONDS: Final = 1.0
"""The least time between two looks at what others change."""
_SHARE: Final = 20
"""How many times as long as a look takes the next one waits: many documents take long to look at."""

MOST_ASIDE: Final = 4
"""Threads that do what takes long and does not use the store: there are ten."""

_Result = TypeVar("_Result")


class Changes(Service):
    """The one who uses a store.

    Attributes:
        store: The store.
        kept: What it held when it was read last.
        read_at: When that was, in seconds since 1970.
        problem: Why it can't be read now, for people; None if it can.
    """

    _log: Final = Logger()

    def __init__(
        self,
        store: IChangeStore,
        clock: IReactorTime,
        *,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Read the store, in this thread.

        Args:
            store: The store.
            clock: The reactor.
            in_thread: Runs a function where it may block; gives a Deferred of the result.

        Raises:
            InvalidPolicies: What is there has mistakes.
            StoreUnavailable: It can't be read.
        """
        self.store = store
        self.kept: Kept = store.read()
        self.read_at = clock.seconds()
        self.problem: str | None = None
        self._clock = clock
        self._in_thread = in_thread
        self._one = DeferredLock()
        # At most one who asks waits for the store, so that who writes waits for no more than one.
        self._asking = DeferredLock()
        self._aside = DeferredSemaphore(MOST_ASIDE)
        self._following = LoopingCall(self.follow)
        self._following.clock = clock
        self._head_changed: list[Callable[[], object]] = []

    def when_head_changes(self, call: Callable[[], object]) -> None:
        """Have something called after each change, in the reactor's thread."""
        self._head_changed.append(call)

    def startService(self) -> None:
        """Begin to follow what others change."""
        super().startService()
        self._following.start(FOLLOW_SECONDS, now=False)

    def stopService(self) -> Deferred[None]:
        """Follow no longer; wait for what is under way, and let go of the store."""
        super().stopService()
        if self._following.running:
            self._following.stop()
        return self._asking.run(self._one.run, self._in_thread, self.store.close)

    def follow(self) -> Deferred[None]:
        """Read the store again."""
        begun = self._clock.seconds()
        return self.work(lambda _: None).addErrback(self._failed).addCallback(self._pace, begun)

    def ask(self, ask: Callable[[Kept], _Result]) -> Deferred[_Result]:
        """Ask the store for something that it has read, when nobody else uses it.

        Args:
            ask: Is called in another thread with what the store held last, and may block.
        """
        return self._asking.run(self._one.run, lambda: self._in_thread(ask, self.kept))

    def aside(self, call: Callable[[], _Result]) -> Deferred[_Result]:
        """Do something that takes long and does not use the store, in another thread.

        Args:
            call: Does it.
        """
        return self._aside.run(self._in_thread, call)

    def work(self, work: Callable[[Kept], _Result]) -> Deferred[_Result]:
        """Do something with the store, when nobody else does.

        Args:
            work: Is called in another thread with what the store holds then, and may block.
        """

        def read_and_work() -> tuple[Kept, _Result | Failure]:
            kept = self.store.read()
            try:
                result: _Result | Failure = work(kept)
            except Exception:  # noqa: BLE001 - it is raised where it is waited for
                result = Failure()
            return self.store.kept or kept, result

        return self._one.run(self._in_thread, read_and_work).addCallback(self._take)

    def _take(self, done: tuple[Kept, Any]) -> Any:
        kept, result = done
        before, self.kept = self.kept, kept
        self.read_at, self.problem = self._clock.seconds(), None
        if _report(kept) != _report(before):
            for mistake in kept.mistakes.mistakes if kept.mistakes else ():
                self._log.error("{mistake}", mistake=str(mistake), code=mistake.code)
        if kept.head != before.head:
            self._log.info("{store} is at {seq}", store=self.store.name, seq=kept.head.seq, revision=kept.head.revision)
            for call in self._head_changed:
                call()
        return result

    def _pace(self, _: None, begun: float) -> None:
        self._following.interval = max(FOLLOW_SECONDS, _SHARE * (self._clock.seconds() - begun))

    def _failed(self, failure: Failure) -> None:
        if failure.check(StoreUnavailable, InvalidPolicies) is None:
            self._log.failure("Can't follow {store}", failure=failure, store=self.store.name)
        problem = str(failure.value)
        if problem != self.problem:
            self._log.error("{store}: {problem}", store=self.store.name, problem=problem)
        self.problem = problem


def _report(kept: Kept) -> str:
    return "" if kept.mistakes is None else kept.mistakes.report()

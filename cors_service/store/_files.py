"""Policies in a file, or in all files of a directory, looked at and read in a thread of this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.policy.change import Change
from cors_service.reader.keeping import Keeping
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.looking import POLL_SECONDS
from cors_service.reader.reading import Documents, begin
from cors_service.reader.snapshot import Snapshot
from cors_service.reader.sources import shown_path
from cors_service.store._interfaces import IPolicyStore
from cors_service.store._kept import complain


@implementer(IPolicyStore)
class FilePolicyStore:
    """A file or a directory, looked at twice a second.

    A change is announced when two looks agree about it: a document that is being written may be a good one as far as it
    goes, and lack what restricts it. What is compared is the state of the files that the names lead to, so it does
    not matter whether a file is written to, replaced by another, or reached by a symbolic link that now leads
    elsewhere, which is how Kubernetes updates the files of a ConfigMap.
    """

    _log: Final = Logger()

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        snapshot: Snapshot | None = None,
        limits: ReaderLimits = DEFAULT_LIMITS,
        interval: float = POLL_SECONDS,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Make a store.

        Args:
            path: The file or directory.
            clock: The reactor.
            snapshot: Keeps each good set, for a start while the documents can't be read or have mistakes.
            limits: What reading may take; of its memory, only the sizes of documents that follow from it.
            interval: Seconds between two looks.
            in_thread: Runs a function with its arguments where it may block; gives a Deferred of the result.
        """
        self.name = shown_path(path)
        self._documents = Documents(path, limits)
        self._clock = clock
        self._snapshot = snapshot
        self._keeping = Keeping(self._documents, snapshot, complain)
        self._interval = interval
        self._in_thread = in_thread
        # The documents are looked at and read by one thread at a time.
        self._one = DeferredLock()
        self._is_announced = False

    def read(self) -> Change:
        """Read the documents that are there now, in this thread.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        begin(self._documents, self._snapshot, is_start=True)
        good = self._documents.good
        problem = None
        if self._snapshot is not None and good is not None:
            problem = self._snapshot.keep_at_start(good)
            complain(problem)
        return structs.replace(self._documents.change(None), snapshot_problem=problem)

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Read what changed, or everything."""
        self._is_announced = False
        return self._one.run(self._in_thread, self._read, base, everything=everything)

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Look at the documents now and then."""

        def compare(is_due: bool) -> None:
            # A look may still be under way when the watch ends.
            if is_due and looking.running and not self._is_announced:
                self._is_announced = True
                changed()

        def look() -> Deferred[None]:
            return self._one.run(self._in_thread, self._look).addCallback(compare).addErrback(report)

        def report(failure: Any) -> None:
            self._log.failure("Can't look at {path}", failure=failure, path=self.name)

        looking = LoopingCall(look)
        looking.clock = self._clock
        looking.start(self._interval, now=False)
        return looking.stop

    def _read(self, base: str | None, *, everything: bool) -> Change:
        begin(self._documents, self._snapshot, is_start=False, everything=everything)
        self._keeping.before_giving()
        return structs.replace(self._documents.change(base), snapshot_problem=self._keeping.complaint)

    def _look(self) -> bool:
        is_due = self._documents.look()
        before = self._keeping.complaint
        if self._documents.good is not None:
            self._keeping.now_and_then()
        return is_due or self._keeping.complaint != before

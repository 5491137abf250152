"""Policies in a file, or in all files of a directory, looked at and read in a thread of this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.policy import PolicySet
from cors_service.reader.sources import PATIENCE, POLL_SECONDS, States, read_policies, shown_path, state_of
from cors_service.store._interfaces import IPolicyStore

_log: Final = Logger()


@implementer(IPolicyStore)
class FilePolicyStore:
    """A file or a directory, looked at twice a second.

    A change is told when two looks agree about it: a document that is being written may be a good one as far as it
    goes, and lack what restricts it. What is compared is the state of the files that the names lead to, so it does
    not matter whether a file is written to, replaced by another, or reached by a symbolic link that now leads
    elsewhere, which is how Kubernetes updates the files of a ConfigMap.
    """

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        interval: float = POLL_SECONDS,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Make a store.

        Args:
            path: The file or directory.
            clock: The reactor.
            interval: Seconds between two looks.
            in_thread: Runs a function with its arguments where it may block; gives a Deferred of the result.
        """
        self.name = shown_path(path)
        self._path = path
        self._clock = clock
        self._interval = interval
        self._in_thread = in_thread
        self._seen: States | None = None

    def read(self) -> PolicySet:
        """Read the documents that are there now, in this thread.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        # The state is taken first: what changes while we read is found by the next look.
        self._seen = state_of(self._path)
        return read_policies(self._path)

    def load(self) -> Deferred[PolicySet]:
        """Read the documents that are there now."""
        return self._in_thread(self.read)

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Look at the documents now and then."""
        last, restless = self._seen, 0

        def compare(state: States) -> None:
            nonlocal last, restless
            at_rest = state == last or last is None
            last, restless = state, 0 if at_rest else restless + 1
            # A look may still be under way when the watch ends.
            if state != self._seen and looking.running and (at_rest or restless >= PATIENCE):
                self._seen, restless = state, 0
                changed()

        def look() -> Deferred[None]:
            return self._in_thread(state_of, self._path).addCallback(compare).addErrback(report)

        def report(failure: Any) -> None:
            _log.failure("Can't look at {path}", failure=failure, path=self.name)

        looking = LoopingCall(look)
        looking.clock = self._clock
        looking.start(self._interval, now=self._seen is None)
        return looking.stop

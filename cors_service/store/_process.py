"""Policies in files that another process looks at and reads, so that reading them never keeps a decision waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from cors_service.policy.change import Change
from cors_service.reader.frames import decoded
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.messages import Following, Load
from cors_service.reader.parts import IncomingChange
from cors_service.reader.reading import read_at_start
from cors_service.reader.responder import Known
from cors_service.reader.snapshot import Snapshot
from cors_service.store._interfaces import IPolicyStore
from cors_service.store._kept import complain
from cors_service.store.following import StoreView
from cors_service.store.reader_client import PolicySource, ReaderClient, read_in_process


@implementer(IPolicyStore)
class ReaderPolicyStore:
    """A file, a directory or a store that is looked at, read and checked by a process of its own.

    The process runs while the store is watched, or asked; it is started again if it dies, and ends with this process
    however that ends.

    Attributes:
        view: What is known of a store; None for documents.
    """

    def __init__(
        self,
        source: PolicySource,
        reactor: Any,
        *,
        snapshot: Snapshot | None = None,
        limits: ReaderLimits = DEFAULT_LIMITS,
    ) -> None:
        """Make a store.

        Args:
            source: Where policies come from: the path of a file or directory, or a store that is followed.
            reactor: Provides `IReactorProcess` and `IReactorTime`.
            snapshot: Keeps each good set, for a start while the documents can't be read.
            limits: What reading may take.
        """
        self._source = source
        self._reactor = reactor
        self._snapshot = snapshot
        self._limits = limits
        self._client = ReaderClient(
            source, reactor, self._may_have_changed, snapshot=snapshot, limits=limits, told=self._take
        )
        self.name = self._client.name
        self.view = None if isinstance(source, Path) else StoreView(self.name)
        self._known: Known | None = None
        self._changed: Callable[[], object] | None = None
        self._loading = 0

    def read(self) -> Change:
        """Read the policies that are there now, as at the start of a program: documents in this thread of this process.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        if not isinstance(self._source, Path):
            change = read_in_process(self._source, self._client.snapshot, self._limits)
            if change.mistakes is None and change.loaded_at is not None:
                self._known = Known(change.revision, change.loaded_at)
            return change
        good, change = read_at_start(self._source, self._snapshot, self._limits)
        problem = self._client.snapshot.keep_at_start(good)
        complain(problem)
        if change.mistakes is None and change.loaded_at is not None:
            self._known = Known(change.revision, change.loaded_at)
        return structs.replace(change, snapshot_problem=problem)

    def load(self, base: str | None, *, everything: bool = False) -> Deferred[Change]:
        """Ask the process for what changed."""
        loading = _Loading()
        self._loading += 1
        self._client.ask(Load(base, everything), loading.take)
        return loading.done.addBoth(self._loaded)

    def watch(self, changed: Callable[[], object]) -> Callable[[], Deferred[None]]:
        """Start the process, which looks at the documents now and then."""
        self._changed = changed
        self._client.start(self._known)
        # A later process does not know what this one has announced.
        self._known = None
        return self._unwatch

    def _unwatch(self) -> Deferred[None]:
        self._changed = None
        return self._client.stop()

    def _loaded(self, result: Any) -> Any:
        self._loading -= 1
        if self._changed is None:
            self._client.stop()
        return result

    def _take(self, told: Following) -> None:
        if self.view is not None:
            self.view.tell(told, self._reactor.seconds())

    def _may_have_changed(self) -> None:
        # An answer that is still to come has the change.
        if self._changed is not None and not self._loading:
            self._changed()


class _Loading:
    """An answer that is on its way.

    Attributes:
        done: Fires with the change, or fails.
    """

    def __init__(self) -> None:
        self.done: Deferred[Change] = Deferred()
        self._incoming = IncomingChange()

    def take(self, data: bytes) -> None:
        """Take a message of the answer."""
        try:
            change = self._incoming.take(decoded(data))
        except Exception:  # noqa: BLE001 - it is the answer
            self.done.errback()
        else:
            if change is not None:
                self.done.callback(change)

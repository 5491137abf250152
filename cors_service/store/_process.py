"""Policies in files that another process looks at and reads, so that reading them never keeps a decision waiting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs
from twisted.internet.defer import Deferred
from zope.interface import implementer

from cors_service.policy.change import Change
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.messages import IncomingChange, Load, decoded
from cors_service.reader.reading import read_at_start
from cors_service.reader.responder import Known
from cors_service.reader.snapshot import Snapshot
from cors_service.store._interfaces import IPolicyStore
from cors_service.store._kept import complain
from cors_service.store.reader_client import ReaderClient


@implementer(IPolicyStore)
class ReaderPolicyStore:
    """A file or a directory that is looked at, read and checked by a process of its own.

    The process runs while the store is watched, or asked; it is started again if it dies, and ends with this process
    however that ends.
    """

    def __init__(
        self, path: Path, reactor: Any, *, snapshot: Snapshot | None = None, limits: ReaderLimits = DEFAULT_LIMITS
    ) -> None:
        """Make a store.

        Args:
            path: The file or directory.
            reactor: Provides `IReactorProcess` and `IReactorTime`.
            snapshot: Keeps each good set, for a start while the documents can't be read.
            limits: What reading may take.
        """
        self._path = path
        self._snapshot = snapshot
        self._limits = limits
        self._client = ReaderClient(path, reactor, self._may_have_changed, snapshot=snapshot, limits=limits)
        self.name = self._client.name
        self._known: Known | None = None
        self._changed: Callable[[], object] | None = None
        self._loading = 0

    def read(self) -> Change:
        """Read the documents that are there now, in this thread of this process, as at the start of a program.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        good, change = read_at_start(self._path, self._snapshot, self._limits)
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

"""A store in memory, as replicas read it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

from zope.interface import implementer

from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource, Step


@implementer(IStoreSource)
class MemorySource:
    """Changes in memory.

    Attributes:
        name: What people call it.
        origin: Which history it is.
    """

    def __init__(self, steps: Sequence[Step] = (), *, name: str = "memory", origin: str | None = None) -> None:
        """Make a source of changes, from the first on."""
        self.name = name
        self.origin = origin
        self._steps = list(steps)
        self._news = Event()

    def append(self, step: Step) -> None:
        """Make a change."""
        self._steps.append(step)
        self._news.set()

    def everything(self) -> Everything:
        """Read all of one moment; see `IStoreSource`."""
        bodies: dict[Key, Body] = {}
        for step in self._steps:
            put_bodies(bodies, step)
        return Everything(self.head(), bodies, self.origin)

    def since(self, head: Head) -> list[Step] | None:
        """Read the changes after one; see `IStoreSource`."""
        steps = self._steps
        if not 0 < head.seq <= len(steps) or steps[head.seq - 1].signed.head != head:
            return None
        return steps[head.seq :]

    def head(self) -> Head:
        """Read the newest change; see `IStoreSource`."""
        if not self._steps:
            raise StoreUnavailable("The store is empty.")
        return self._steps[-1].signed.head

    def wait(self, seconds: float) -> bool:
        """Wait for a change; see `IStoreSource`."""
        is_news = self._news.wait(seconds)
        self._news.clear()
        return is_news

    def wake(self) -> None:
        """Let `wait` return; see `IStoreSource`."""
        self._news.set()

    def close(self) -> None:
        """Let go; see `IStoreSource`."""


def put_bodies(bodies: dict[Key, Body], step: Step) -> None:
    """Follow a change: what it wrote takes the place of what was there."""
    for touched in step.signed.entry.changes:
        if touched.after is None:
            bodies.pop(touched.key, None)
        else:
            bodies[touched.key] = step.bodies[touched.key]

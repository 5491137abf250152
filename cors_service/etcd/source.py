"""Etcd as replicas read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from zope.interface import implementer

from cors_service.etcd.address import read_address
from cors_service.etcd.gateway import Gateway
from cors_service.etcd.keys import Keys
from cors_service.etcd.reading import At, Reading, read_bodies
from cors_service.etcd.watch import HeadWatch
from cors_service.ledger.entry import Head
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource, Step

_T = TypeVar("_T")


@implementer(IStoreSource)
class EtcdSource:
    """A store in etcd.

    Attributes:
        name: Its URL without options.
    """

    def __init__(self, url: str) -> None:
        """Make it; nothing is asked yet.

        Args:
            url: Where it is.

        Raises:
            NoSuchStore: The URL names no store in etcd.
        """
        address = read_address(url)
        self.name = address.name
        self._gateway = Gateway(address)
        keys = Keys(address.prefix)
        self._reading = Reading(self._gateway, keys)
        self._watch = HeadWatch(self._gateway, keys.head)
        self._read: At | None = None

    def everything(self) -> Everything:
        """Read all of one moment; see `IStoreSource`."""
        at, written = self._asked(self._reading.definitions)
        head = self._head_of(at)
        bodies = read_bodies(self.name, written)
        self._took(at)
        return Everything(head, bodies, at.cluster)

    def since(self, head: Head) -> list[Step] | None:
        """Read the changes after one; see `IStoreSource`."""
        at, steps = self._asked(lambda: self._reading.since(head))
        if self._read is not None and self._read.cluster != at.cluster:
            return None
        if steps is not None:
            self._took(at)
        return steps

    def head(self) -> Head:
        """Read the newest change of a quorum; see `IStoreSource`."""
        at = self._asked(self._reading.at)
        head = self._head_of(at)
        if self._read is not None and self._read.head == head and self._read.cluster == at.cluster:
            # Etcd forgets old revisions, from which nobody can watch then.
            self._took(at)
        return head

    def wait(self, seconds: float) -> bool:
        """Wait for the watch of the head; see `IStoreSource`."""
        is_news = self._watch.news.wait(seconds)
        if is_news:
            self._watch.news.clear()
        return is_news

    def wake(self) -> None:
        """Let `wait` return; see `IStoreSource`."""
        self._watch.news.set()

    def close(self) -> None:
        """End the watch, and close the connections; see `IStoreSource`."""
        self._watch.close()
        self._gateway.close()

    def _asked(self, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        finally:
            # A member that does not answer says nothing of news either.
            self._watch.leave()

    def _took(self, at: At) -> None:
        self._read = at
        self._watch.follow(at)

    def _head_of(self, at: At) -> Head:
        if at.head is None:
            how = "write policies with `cors-service push`, or correct the prefix"
            raise StoreUnavailable(f"{self.name} has no policies: {how}.")
        return at.head

"""The replaceable part: a store of policies as replicas read it, whole changes at a time."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from zope.interface import Attribute, Interface

from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Signed


class Step(Struct, frozen=True):
    """One whole change.

    Attributes:
        signed: Its entry and hash.
        bodies: The definitions that it wrote: those with a digest after it.
    """

    signed: Signed
    bodies: Mapping[Key, Body]


class Everything(Struct, frozen=True):
    """All of one moment, read consistently.

    Attributes:
        head: The newest change.
        bodies: All definitions.
        origin: Which history it belongs to: `system_identifier/timeline` of PostgreSQL, `cluster_id` of etcd; None if
            the store does not say.
        may_lag: Whether it was read from a standby, which may lack changes that the store has.
    """

    head: Head
    bodies: Mapping[Key, Body]
    origin: str | None
    may_lag: bool = False


class IStoreSource(Interface):
    """A store as replicas read it.

    It is used in the process that follows the store, and its methods may block, but each for a few seconds at most:
    every one raises `StoreUnavailable` with a sentence when the store does not answer. One thread calls all of them but
    `wake` and `close`.
    """

    name: str = Attribute("What people call it, without anything secret.")

    def everything() -> Everything:
        """Read all of one moment.

        Raises:
            StoreUnavailable: It can't be read.
        """

    def since(head: Head) -> list[Step] | None:
        """Read the changes after one, whole and in order, up to what is there now.

        Args:
            head: The change before the first.

        Returns:
            The changes; none where a standby has not got that far; None where they can't be had: compaction, a gap,
            another history.

        Raises:
            StoreUnavailable: It can't be read.
        """

    def head() -> Head:
        """Read the newest change linearizably: of PostgreSQL from a primary, of etcd with a quorum. The barrier.

        Raises:
            StoreUnavailable: It can't be read so.
        """

    def wait(seconds: float) -> bool:
        """Block until there may be something newer, or a time has passed.

        It is a hint only. Whatever arrives between `everything` or `since` and this call counts: nothing is missed.

        Args:
            seconds: How long at most.

        Returns:
            Whether there may be something newer.

        Raises:
            StoreUnavailable: The store can't be waited for.
        """

    def wake() -> None:
        """Let `wait` return. Any thread may call it."""

    def close() -> None:
        """Let go of the store. Any thread may call it."""

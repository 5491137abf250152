"""What a service says about its policies."""

from __future__ import annotations

from msgspec import Struct

from cors_service.store.following import StoreStatus


class Status(Struct, frozen=True, kw_only=True):
    """What a service says about its policies. Times are in seconds since 1970.

    Attributes:
        source: The name of the store.
        revision: Of the active policies; None before there are any.
        policies: Their number.
        generation: How often other policies became active since the start.
        loaded_at: When the active policies were read from the store.
        last_attempt: When the store was read last, with or without success.
        mistakes: What kept the last attempt, or a part of it, from becoming active; empty if nothing did.
        behind: The documents with newer versions that are not active, each with the keys `document`, `since` (seconds
            since 1970), `kept` (whether an earlier version is active) and `mistakes`.
        more_mistakes: The number of further ones, which are not listed.
        snapshot_problem: Why the active policies could not be written into the snapshot; None if they were, or if there
            is none.
        stale: Whether the active policies are not those of the last attempt, or the store can't be read.
        store: How closely a store is followed; None for documents, and for stores of somebody's own.
    """

    source: str
    revision: str | None
    policies: int
    generation: int
    loaded_at: float | None
    last_attempt: float | None
    mistakes: tuple[dict[str, object], ...]
    behind: tuple[dict[str, object], ...] = ()
    more_mistakes: int = 0
    snapshot_problem: str | None = None
    stale: bool
    store: StoreStatus | None = None

    @property
    def seq(self) -> int | None:
        """The number of the change that made the active policies; None where changes have no numbers."""
        return None if self.store is None else self.store.seq

    @property
    def confirmed_at(self) -> float | None:
        """When the store was last known to hold nothing newer; None if it never was."""
        return None if self.store is None else self.store.confirmed_at

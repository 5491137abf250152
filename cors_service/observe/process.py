"""How a process is that serves, as metrics tell it."""

from __future__ import annotations

from typing import Protocol, Self

from msgspec import Struct


class Kept(Protocol):
    """What a process says of its policies."""

    @property
    def revision(self) -> str | None:
        """Of the active policies; None before there are any."""

    @property
    def policies(self) -> int:
        """Their number."""

    @property
    def loaded_at(self) -> float | None:
        """When they were read, in seconds since 1970; None before there are any."""

    @property
    def stale(self) -> bool:
        """Whether they are not those that were read last."""

    @property
    def seq(self) -> int | None:
        """The number of the change in its store that made them; None where changes have no numbers."""

    @property
    def confirmed_at(self) -> float | None:
        """When the store was last known to hold nothing newer; None if it never was."""


class Process(Struct, frozen=True):
    """How a process is that serves.

    Attributes:
        revision: Of its active policies; None before there are any.
        policies: Their number.
        loaded_at: When they were read, in seconds since 1970; None before there are any.
        stale: Whether they are not those that were read last.
        connections: How many are open; None where that is not known.
        seq: The number of the change in its store that made the policies; None where changes have no numbers.
        confirmed_at: When the store was last known to hold nothing newer; None if it never was.
    """

    revision: str | None
    policies: int
    loaded_at: float | None
    stale: bool
    connections: int | None = None
    seq: int | None = None
    confirmed_at: float | None = None

    @classmethod
    def of(cls, kept: Kept, connections: int | None = None) -> Self:
        """Make one of what a process says of its policies."""
        return cls(
            revision=kept.revision,
            policies=kept.policies,
            loaded_at=kept.loaded_at,
            stale=kept.stale,
            connections=connections,
            seq=kept.seq,
            confirmed_at=kept.confirmed_at,
        )

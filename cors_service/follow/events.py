"""What is found out about a store."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cors_service.ledger.entry import Head
from cors_service.ledger.source import Everything, Step

LEDGER_BROKEN: Final = "store-ledger-broken"
"""The code of what is wrong with the ledger of a store, and not with what the store holds."""


class Whole(Struct, frozen=True):
    """All of one moment was read."""

    everything: Everything


class Steps(Struct, frozen=True):
    """Changes were read, which follow what was read before."""

    steps: tuple[Step, ...]


class Confirmed(Struct, frozen=True):
    """The newest change was read linearizably.

    Attributes:
        head: That change.
        moment: The time before it was asked for, in seconds since 1970.
    """

    head: Head
    moment: float


class Unreachable(Struct, frozen=True):
    """The store can't be read.

    Attributes:
        code: What `/v1/status` calls it.
        sentence: Why, for people.
    """

    code: str
    sentence: str


Event = Whole | Steps | Confirmed | Unreachable

"""What a reader answers from: policies that come from somewhere, whatever that is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from cors_service.reader.good import GoodSet


class Policies(Protocol):
    """Policies that come from documents, or from a store.

    Attributes:
        good: The last good set; None before there is one.
        mistakes: What is wrong with what was read last; None if nothing is.
    """

    good: GoodSet | None
    mistakes: InvalidPolicies | None

    def look(self, names: Collection[str] | None = None) -> bool:
        """Look for something new; say whether there is something to read."""

    def read(self, *, everything: bool = False) -> PolicySet:
        """Read what is new.

        Raises:
            InvalidPolicies: With every mistake. The last good set is then what goes on beside them.
        """

    def change(self, base: str | None) -> Change:
        """Say how to get to the last good set from a revision.

        Raises:
            InvalidPolicies: There is no good set.
        """

    def renew(self) -> None:
        """Take note that the last good set is what is there at this moment, if it is."""

    def recognise(self, revision: str, loaded_at: float) -> bool:
        """Say whether the last good set is one that was read elsewhere; if so, it was read when that was."""

    def begin_with(self, kept: GoodSet) -> None:
        """Go on from the policies of a snapshot, as long as there was no good set."""

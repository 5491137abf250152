"""What a reader answers from: policies that come from somewhere, whatever that is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection

from msgspec import structs

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.policy import PolicySet
from cors_service.policy.change import Behind, Change
from cors_service.reader.good import GoodSet
from cors_service.reader.history import History


class Policies(ABC):
    """Policies that come from documents, or from a store.

    Attributes:
        good: The last good set; None before there is one.
        mistakes: What is wrong with what was read last; None if nothing is.
        behind: The documents with newer versions than those of the last good set.
        history: The changes that led to the last good set.
    """

    def __init__(self) -> None:
        self.good: GoodSet | None = None
        self.mistakes: InvalidPolicies | None = None
        self.behind: tuple[Behind, ...] = ()
        self.history = History()

    @abstractmethod
    def look(self, names: Collection[str] | None = None) -> bool:
        """Look for something new; say whether there is something to read."""

    @abstractmethod
    def read(self, *, everything: bool = False) -> PolicySet:
        """Read what is new.

        Raises:
            InvalidPolicies: With every mistake. The last good set is then what goes on beside them.
        """

    @abstractmethod
    def renew(self) -> None:
        """Take note that the last good set is what is there at this moment, if it is."""

    @abstractmethod
    def begin_with(self, kept: GoodSet) -> None:
        """Go on from the policies of a snapshot, as long as there was no good set."""

    def change(self, base: str | None) -> Change:
        """Say how to get to the last good set.

        Args:
            base: The revision to start from; None for nothing.

        Returns:
            The change that leads there: from the revision, if it is one of the last ones; from nothing, if not. If
            something newer has mistakes, the change has these.

        Raises:
            InvalidPolicies: There is no good set.
        """
        good = self.good
        if good is None:
            raise self._mistakes_to_raise()
        if base == good.revision:
            change: Change | None = Change(base=base, revision=good.revision)
        else:
            change = None if base is None else self.history.since(base, good.revision, good.policy_set)
        return structs.replace(
            change or Change.whole(good.policy_set, revision=good.revision),
            loaded_at=good.loaded_at,
            mistakes=self.mistakes,
            behind=self.behind,
            seq=None if good.seen is None else good.seen.seq,
        )

    def recognise(self, revision: str, loaded_at: float) -> bool:
        """Say whether the last good set is one that was read elsewhere; if so, it was read when that was."""
        if self.good is None or self.good.revision != revision:
            return False
        self.good = structs.replace(self.good, loaded_at=loaded_at)
        return True

    def give(self) -> PolicySet:
        """Give the last good set.

        Raises:
            InvalidPolicies: Something newer has mistakes.
        """
        if self.mistakes is not None:
            raise self._mistakes_to_raise()
        assert self.good is not None
        return self.good.policy_set

    def _mistakes_to_raise(self) -> InvalidPolicies:
        assert self.mistakes is not None
        # A traceback would grow with each raise, and keep alive whatever was at hand.
        return self.mistakes.with_traceback(None)

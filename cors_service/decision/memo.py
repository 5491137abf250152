"""A bounded memory of answers, which goes with the revision that gave them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from collections.abc import Set as AbstractSet
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

_SIZE: Final = 4096
_NEW: Final = 1024


class Memo(Generic[Key, Value]):
    """Remembers answers to recent questions that were asked at least twice: between SIZE and twice as many.

    There are two dictionaries, and the older is dropped when the younger is full: so a question that is asked again
    before SIZE others came is kept. A question is first kept when it comes again while it is among the last NEW that
    were asked once. So a stream of unique questions costs next to nothing, and drives out nothing. When other policies
    decide, nearly the same questions go on: those that were kept for the policies before are kept at once.

    Attributes:
        revision: The revision of the policies that gave the answers.
        young: The younger dictionary: whoever looks here first saves a call.
    """

    __slots__ = ("_before", "_is_worth", "_new", "_old", "_size", "revision", "young")

    def __init__(
        self,
        is_worth: Callable[[Key], bool],
        size: int = _SIZE,
        revision: str = "",
        before: AbstractSet[int] = frozenset(),
    ) -> None:
        """Make an empty memory.

        Args:
            is_worth: Says whether a question is worth keeping, because it is small.
            size: The number of answers.
            revision: See the attribute.
            before: The hashes of the questions that the memory of the policies before kept.
        """
        self.revision = revision
        self.young: dict[Key, Value] = {}
        self._is_worth = is_worth
        self._size = size
        self._old: dict[Key, Value] = {}
        # The hashes of questions asked once; few, so that they stay in the processor's cache.
        self._new: set[int] = set()
        self._before = before

    def of(self, revision: str) -> Memo[Key, Value]:
        """Give the memory of a revision: this one, or an empty one if this is another's.

        The caller keeps it in the place of this one. A thread that still has this one can't put an answer of the old
        policies among those of the new.
        """
        if revision == self.revision:
            return self
        # Copied first, in one step: another thread may still put an answer here.
        kept = (*self.young, *self._old)
        return Memo(self._is_worth, self._size, revision, set(map(hash, kept)))

    def get(self, key: Key) -> Value | None:
        """Look up the answer to a question, or None."""
        value = self.young.get(key)
        if value is None and self._old:
            value = self._old.get(key)
            if value is not None:
                self.keep(key, value)
        return value

    def wants(self, key: Key) -> bool:
        """Whether the answer to a question is to be kept: the question came before, and is worth it."""
        hashed = hash(key)
        if hashed in self._new or hashed in self._before:
            return self._is_worth(key)
        if len(self._new) >= _NEW:
            self._new.clear()
        self._new.add(hashed)
        return False

    def offer(self, key: Key, value: Value) -> None:
        """Remember an answer if it is wanted."""
        if self.wants(key):
            self.keep(key, value)

    def keep(self, key: Key, value: Value) -> None:
        """Remember an answer that is wanted."""
        if len(self.young) >= self._size:
            self._old = self.young
            self.young = {}
        self.young[key] = value

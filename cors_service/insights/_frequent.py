"""The most frequent of any number of keys, counted in bounded memory."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class FrequentKeys(Generic[Key]):
    """Counts keys; of more keys than it may keep, those that are counted most.

    Exact until there are more than it keeps. From then on a count may be too small, by `missing` at most, and a key
    that is counted less often than that may be absent (Misra and Gries, "Finding repeated elements", 1982, in batches).

    Attributes:
        missing: By how much a count may be too small; 0 as long as all are exact.
        distinct: How many keys there were; at least so many, if there were more than are kept.
    """

    def __init__(self, most: int) -> None:
        """Begin with nothing.

        Args:
            most: How many keys it keeps.
        """
        self._most = most
        self._counts: dict[Key, int] = {}
        self._last: dict[Key, str] = {}
        self.missing = 0
        self.distinct = 0

    def add(self, key: Key, count: int, seen: str) -> None:
        """Count a key.

        Args:
            key: The key.
            count: How often it was there.
            seen: When last, as a text that is in order as times are.
        """
        counts = self._counts
        counts[key] = counts.get(key, 0) + count
        self.distinct = max(self.distinct, len(counts))
        if seen >= self._last.get(key, ""):
            self._last[key] = seen
        if len(counts) >= 2 * self._most:
            self._prune()

    def _prune(self) -> None:
        """Make room: take the same from each count, so that half of them are nothing."""
        least = sorted(self._counts.values(), reverse=True)[self._most]
        self.missing += least
        self._counts = {key: count - least for key, count in self._counts.items() if count > least}
        self._last = {key: self._last[key] for key in self._counts}

    def __len__(self) -> int:
        return len(self._counts)

    def __iter__(self) -> Iterator[tuple[Key, int, str]]:
        """Give the keys with their counts and when they were seen last, the most frequent first, then by the key."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], str(item[0])))
        return ((key, count, self._last[key]) for key, count in ordered)

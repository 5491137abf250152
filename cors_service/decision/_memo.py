"""A bounded memory of answers."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

_SIZE: Final = 4096


class Memo(Generic[Key, Value]):
    """Remembers the answers that were asked for lately: between SIZE and twice as many.

    Two dictionaries, the older of which is dropped when the younger is full: a stream of unique questions costs
    each of them one insertion, and what is asked again before SIZE others came is kept.
    """

    __slots__ = ("_old", "_size", "_young")

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}

    def get(self, key: Key) -> Value | None:
        """Look up the answer to a question, or None."""
        value = self._young.get(key)
        if value is None:
            value = self._old.get(key)
            if value is not None:
                self.put(key, value)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember an answer."""
        if len(self._young) >= self._size:
            self._old = self._young
            self._young = {}
        self._young[key] = value

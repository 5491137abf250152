"""Remembered answers, so that the same question is not decided twice by the same policies."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from cors_service.decision.memo import Memo

# A longer question is not remembered: so many bytes as written, or characters of headers.
_LONGEST: Final = 1024
_SIZE: Final = 2048

_Question = TypeVar("_Question", bound=Hashable)
_Said = TypeVar("_Said")


class Remembered(Generic[_Question, _Said]):
    """Recent answers of the active policies.

    At most 4,096 questions of 1,024 bytes with their answers, which are a few times as long.
    """

    def __init__(self) -> None:
        self._memo: Memo[_Question, _Said] = Memo(_is_short, _SIZE)

    def of(self, revision: str) -> Memo[_Question, _Said]:
        """Give the answers of a revision; those of others are forgotten."""
        memo = self._memo = self._memo.of(revision)
        return memo


def _is_short(question: Hashable) -> bool:
    parts = question if isinstance(question, tuple) else (question,)
    return sum(len(part) for part in parts if isinstance(part, bytes)) <= _LONGEST

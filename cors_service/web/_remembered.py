"""Remembered answers, so that the same question is not decided twice by the same policies."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from cors_service.decision import ActivePolicies
from cors_service.decision.memo import Memo

# A longer question is not remembered: so many bytes as written, or characters of headers.
_LONGEST: Final = 1024
_SIZE: Final = 2048

_Question = TypeVar("_Question", bound=Hashable)
_Said = TypeVar("_Said")


class Remembered(Generic[_Question, _Said]):
    """What was answered lately, for as long as the policies stay that it was answered by.

    At most 4,096 questions of 1,024 bytes with their answers, which are a few times as long.
    """

    def __init__(self) -> None:
        self._active: ActivePolicies | None = None
        self._memo = self._empty()

    def by(self, active: ActivePolicies) -> Memo[_Question, _Said]:
        """What was answered by these policies."""
        if active is not self._active:
            self._active, self._memo = active, self._empty()
        return self._memo

    @staticmethod
    def _empty() -> Memo[_Question, _Said]:
        return Memo(_is_short, size=_SIZE)


def _is_short(question: Hashable) -> bool:
    parts = question if isinstance(question, tuple) else (question,)
    return sum(len(part) for part in parts if isinstance(part, bytes)) <= _LONGEST

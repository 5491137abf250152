"""Asks once for all who have the same question at the same time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

_Question = TypeVar("_Question", bound=Hashable)
_Answer = TypeVar("_Answer")


class Sharing(Generic[_Question, _Answer]):
    """Has those who ask an equal question wait for the answer to the one that is on its way."""

    def __init__(self, ask: Callable[[_Question], Deferred[_Answer]]) -> None:
        """Make one.

        Args:
            ask: Asks a question.
        """
        self._ask = ask
        self._asked: dict[_Question, _Asked[_Answer]] = {}

    def ask(self, question: _Question) -> Deferred[_Answer]:
        """Ask a question, or wait with those who have. It is cancelled when all who wait for it are."""
        asked = self._asked.get(question)
        if asked is None:
            asked = self._asked[question] = _Asked(lambda: self._forget(question))
            waiter = asked.wait()
            asked.begin(self._ask(question))
            return waiter
        return asked.wait()

    def _forget(self, question: _Question) -> None:
        del self._asked[question]


class _Asked(Generic[_Answer]):
    """A question that is on its way, and who waits for its answer."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._waiting: list[Deferred[_Answer]] = []
        self._asking: Deferred[None] | None = None

    def begin(self, asking: Deferred[_Answer]) -> None:
        self._asking = asking.addBoth(self._tell)

    def wait(self) -> Deferred[_Answer]:
        waiter: Deferred[_Answer] = Deferred(self._leave)
        self._waiting.append(waiter)
        return waiter

    def _tell(self, answer: _Answer | Failure) -> None:
        waiting, self._waiting = self._waiting, []
        # Otherwise all have left.
        if waiting:
            self._end()
        for waiter in waiting:
            waiter.callback(answer)

    def _leave(self, waiter: Deferred[_Answer]) -> None:
        self._waiting.remove(waiter)
        if not self._waiting and self._asking is not None:
            self._end()
            self._asking.cancel()

"""How long the client waits for an answer."""

from __future__ import annotations

from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

_SLICES: Final = 8

_Answer = TypeVar("_Answer")


def in_time(asking: Deferred[_Answer], seconds: float, reactor: IReactorTime) -> Deferred[_Answer]:
    """Cancel a question that takes too long; then it fails with TimeoutError.

    A reactor that was blocked calls what is due before it reads the sockets, where the answer may have been for long.
    So time is counted in slices: a block costs one of them, however long it is.

    Args:
        asking: The question.
        seconds: How long it may take.
        reactor: The reactor.
    """
    left = _SLICES
    timer: IDelayedCall

    def passed() -> None:
        nonlocal left, timer
        left -= 1
        if left:
            timer = reactor.callLater(seconds / _SLICES, passed)
        else:
            asking.cancel()

    def ended(result: _Answer | Failure) -> _Answer | Failure:
        if timer.active():
            timer.cancel()
        if not left:
            raise TimeoutError(f"it did not answer within {seconds:g} seconds")
        return result

    timer = reactor.callLater(seconds / _SLICES, passed)
    return asking.addBoth(ended)

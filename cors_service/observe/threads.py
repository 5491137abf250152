"""Runs what may block, without an end of the process that waits for it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Final, ParamSpec, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure

_NAME: Final = "decision-log"
_P = ParamSpec("_P")
_T = TypeVar("_T")


def in_own_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
    """Run a function in a thread of its own, and give a Deferred of the result.

    The threads of the reactor end before the process does, and one that waits for a disk that hangs never ends.

    Args:
        function: What is run.
        args: Its arguments.
        kwargs: Its arguments with names.
    """
    # Imported late, as an import installs it.
    from twisted.internet import reactor

    result: Deferred[_T] = Deferred()

    def run() -> None:
        try:
            outcome: _T | Failure = function(*args, **kwargs)
        except Exception:  # noqa: BLE001 - whatever it is, whoever waits for the result gets it
            outcome = Failure()
        cast(IReactorFromThreads, reactor).callFromThread(result.callback, outcome)

    Thread(target=run, name=_NAME, daemon=True).start()
    return result

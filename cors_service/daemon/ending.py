"""What a second SIGTERM or SIGINT does: nothing but a line in the log."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from twisted.logger import Logger

_Handler = Callable[[int, FrameType | None], object]


class Ending:
    """Lets the first signal end the reactor, and no other.

    One that comes again is no sign of impatience: a terminal and what passes signals on, such as `timeout`, send the
    same one twice, and no answer may be lost for that.
    """

    _log: Final = Logger()

    def __init__(self, reactor: Any, drain_timeout: float) -> None:
        """Install the handlers as soon as the reactor runs, which installs its own.

        Args:
            reactor: The reactor.
            drain_timeout: Seconds that requests in flight have to end.
        """
        self._reactor = reactor
        self._drain_timeout = drain_timeout
        self._has_begun = False
        reactor.callWhenRunning(self._install)
        reactor.addSystemEventTrigger("before", "shutdown", self._begin)

    def _install(self) -> None:
        for number, own in ((signal.SIGTERM, self._reactor.sigTerm), (signal.SIGINT, self._reactor.sigInt)):
            # Somebody else's stays, such as a debugger's.
            if signal.getsignal(number) == own:
                signal.signal(number, self._once(own))

    def _once(self, end: _Handler) -> _Handler:
        def handle(number: int, frame: FrameType | None) -> None:
            if self._has_begun:
                # A signal can come between any two instructions, of the log, too.
                self._reactor.callFromThread(self._tell)
                return
            self._begin()
            end(number, frame)

        return handle

    def _begin(self) -> None:
        self._has_begun = True

    def _tell(self) -> None:
        self._log.info(
            "Already ending: open connections are cut when {seconds:g} seconds are over (--drain-timeout)",
            seconds=self._drain_timeout,
        )

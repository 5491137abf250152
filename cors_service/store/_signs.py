"""Signs of life of a process: whoever waits for its answers has to notice that none will come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

_ASKS: Final = 4
"""How often a process is asked in vain. What is counted are turns of this process, which may have been held up, too."""


class SignsOfLife:
    """Asks a process for signs of life, and gives it up where none comes."""

    def __init__(
        self, clock: IReactorTime, timeout: float, ask: Callable[[], object], give_up: Callable[[], object]
    ) -> None:
        """Make signs that nobody waits for yet.

        Args:
            clock: The reactor.
            timeout: Seconds from the first question without an answer until the process is given up.
            ask: Asks for a sign.
            give_up: Is called once there was none for too long.
        """
        self._clock = clock
        self._pause = timeout / _ASKS
        self._ask = ask
        self._give_up = give_up
        self._asked = 0
        self._call: IDelayedCall | None = None

    def begin(self) -> None:
        """Wait for signs."""
        self.end()
        self._asked = 0
        self._call = self._clock.callLater(self._pause, self._ask_again)

    def end(self) -> None:
        """Wait for signs no longer."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def note(self) -> None:
        """Take note of a sign."""
        self._asked = 0

    def _ask_again(self) -> None:
        self._call = None
        if self._asked == _ASKS:
            self._give_up()
            return
        self._asked += 1
        self._call = self._clock.callLater(self._pause, self._ask_again)
        self._ask()

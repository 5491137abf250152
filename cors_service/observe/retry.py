"""When to try again: one policy for all faults."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from random import random
from typing import Final

FIRST_SECONDS: Final = 1.0
_LONGEST_SECONDS: Final = 60.0
_LONGEST_ASKED_SECONDS: Final = 600.0


class Retry:
    """Waits longer each time, up to a minute, and never as long as anybody else does."""

    def __init__(self, chance: Callable[[], float] = random, first: float = FIRST_SECONDS) -> None:
        """Make one.

        Args:
            chance: Gives a number from 0 to 1.
            first: Seconds to wait at most after the first failure.
        """
        self._chance = chance
        self._first = self._ceiling = first

    def failed(self, asked: float = 0.0) -> float:
        """Give the seconds to wait after a failure.

        Args:
            asked: Seconds for which the other side has asked (`Retry-After`).
        """
        ceiling, self._ceiling = self._ceiling, min(2 * self._ceiling, _LONGEST_SECONDS)
        return max(ceiling * (1 + self._chance()) / 2, min(asked, _LONGEST_ASKED_SECONDS))

    def succeeded(self) -> None:
        """Begin anew."""
        self._ceiling = self._first


def seconds_asked(written: bytes, now: float) -> float:
    """Give the seconds for which `Retry-After` asks; 0 if it is neither a number nor a date.

    https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3

    Args:
        written: Its value.
        now: Seconds since 1970.
    """
    if written.isdigit():
        return float(written)
    try:
        until = parsedate_to_datetime(written.decode("ascii"))
        # One of the forms of a date does not name its zone, which is GMT.
        until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
        return max(0.0, until.timestamp() - now)
    except (ValueError, OverflowError):
        return 0.0

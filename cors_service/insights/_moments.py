"""When something happened, to the minute, in any order and in little memory."""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60
_DAY: Final = 24 * 60
"""Minutes of a day."""
_MOST_DAYS: Final = 400


class Moments:
    """The minutes in which something happened, of 400 days at most."""

    __slots__ = ("_days",)

    def __init__(self) -> None:
        # For each day a bit for each minute.
        self._days: dict[int, int] = {}

    def add(self, at: float) -> None:
        """Take note of a time, in seconds since 1970."""
        day, minute = divmod(int(at) // MINUTE, _DAY)
        if day in self._days or len(self._days) < _MOST_DAYS:
            self._days[day] = self._days.get(day, 0) | (1 << minute)

    def apart(self, seconds: float) -> int:
        """Count as many of these minutes as begin so far apart from each other, from the first on.

        Args:
            seconds: From the begin of one minute that counts to that of the next, at least.
        """
        distance = int(-(-seconds // MINUTE))
        count = following = 0
        for day, bits in sorted(self._days.items()):
            begin = day * _DAY
            start = max(following - begin, 0)
            while start < _DAY and (rest := bits >> start):
                minute = start + (rest & -rest).bit_length() - 1
                count += 1
                start = minute + max(distance, 1)
                following = begin + start
        return count

"""The names of answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Final

# With twelve bytes, two of 10^12 answers have the same name with a probability of less than 10^-4.
_ID_BYTES: Final = 12
_IDS_AT_A_TIME: Final = 256


class DecisionIds:
    """Names answers, so that a line in somebody else's log can be found in ours."""

    def __init__(self) -> None:
        self._names = chain.from_iterable(_random_names())

    def next(self) -> bytes:
        """A name that no other answer has: random, so that it does not tell how many there were."""
        return next(self._names)


def _random_names() -> Iterator[list[bytes]]:
    """Random names, many at a time: asking the system for each takes several times as long as all the rest."""
    length = 2 * _ID_BYTES
    while True:
        digits = os.urandom(_ID_BYTES * _IDS_AT_A_TIME).hex().encode("ascii")
        yield [digits[at : at + length] for at in range(0, len(digits), length)]

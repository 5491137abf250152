"""The names of answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from typing import Final, Self

# With twelve bytes, two of 10^12 answers have the same name with a probability of less than 10^-4.
_BYTES: Final = 12
_AT_A_TIME: Final = 256


def decision_ids() -> Iterator[bytes]:
    """Names for answers, so that a line in somebody else's log can be found in ours.

    Each is random, so that two of them do not say how many answers were given in between.
    """
    return chain.from_iterable(_random_names())


class PeekedIds(Iterator[bytes]):
    """Names for answers. The next one can be known before it is given, so that a body can have it, too."""

    def __init__(self, ids: Iterator[bytes]) -> None:
        self._ids = ids
        self._peeked: bytes | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        name, self._peeked = self.peek(), None
        return name

    def peek(self) -> bytes:
        """Give the name that is next, without taking it."""
        if self._peeked is None:
            self._peeked = next(self._ids)
        return self._peeked


def _random_names() -> Iterator[list[bytes]]:
    """Random names, many at a time: asking the system for each takes several times as long as all the rest."""
    length = 2 * _BYTES
    while True:
        digits = os.urandom(_BYTES * _AT_A_TIME).hex().encode("ascii")
        yield [digits[at : at + length] for at in range(0, len(digits), length)]

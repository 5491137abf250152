"""How many connections each worker has, in memory that all of them see."""

from __future__ import annotations

import mmap
import os
from typing import Final

from cors_service.processes import nameless_file

_BYTES: Final = 4
_ABSENT: Final = 2**32 - 1


class Loads:
    """A number for each worker. Each writes its own and reads those of the others, without locks: they are advice."""

    def __init__(self, descriptor: int, workers: int) -> None:
        """Open the numbers.

        Args:
            descriptor: Of the file that `make` made; it is duplicated.
            workers: How many there are.
        """
        self._memory = mmap.mmap(descriptor, workers * _BYTES)
        self._numbers = memoryview(self._memory).cast("I")

    @staticmethod
    def make(workers: int) -> int:
        """Make numbers that say that nobody is there.

        Args:
            workers: How many there are.

        Returns:
            The descriptor of a file without a name.
        """
        descriptor = nameless_file("cors-service-loads")
        os.write(descriptor, b"\xff" * (workers * _BYTES))
        return descriptor

    def tell(self, worker: int, connections: int) -> None:
        """Say how many connections a worker has; workers are counted from 1."""
        self._numbers[worker - 1] = connections

    def leave(self, worker: int) -> None:
        """Say that a worker takes no more connections."""
        self._numbers[worker - 1] = _ABSENT

    def of(self, worker: int) -> int | None:
        """How many connections a worker has; None if it takes none."""
        number = self._numbers[worker - 1]
        return None if number == _ABSENT else number

    def has_more_than_another(self, worker: int) -> bool:
        """Whether a worker has clearly more connections than the one that has the fewest."""
        mine = self._numbers[worker - 1]
        # Nobody minds an eighth, and to wait for each other at every connection would cost all of them.
        return mine - mine // 8 > min(self._numbers)

    def close(self) -> None:
        """Leave no memory behind."""
        self._numbers.release()
        self._memory.close()

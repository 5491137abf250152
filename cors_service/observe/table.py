"""The counts of one process, in memory that it shares with the process that supervises it.

The memory holds counts of two sorts. A *series* goes on for as long as the process does. A *row* counts decisions that
agree in everything that is told of them; rows are for a log, and there may be no end to them, so they come in epochs:
the process fills one of two halves, and goes on to the other when that is full and has been read to its end.

Each count has a place and a key, which is written once, before the place is counted. So another process can read at any
time, also when the one that counts has been killed, and finds each count as it is or as it was a moment ago.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import Final

from cors_service.observe.words import MOST_ROWS
from cors_service.processes import nameless_file

MOST_SERIES: Final = 98_304
"""More than can come together: 1,001 policies, each with twice 24 kinds of decisions, twice 17 reasons of a guard and
two directions of a shadow, and 2,000 others."""

_NUMBER: Final = 8
# The numbers in front of the counts; where among them those are that are not sizes of parts.
_HEAD: Final = 64
_EPOCH, _READ, _SIZES = 0, 1, 2
# Bytes for the keys of all series, and for each row.
_SERIES_KEYS: Final = 24 << 20
_ROW_KEY: Final = 208


class Part:
    """A part of a table: places with keys.

    Attributes:
        first: The place of its first key, in the counts of the table.
    """

    def __init__(
        self, memory: mmap.mmap, numbers: memoryview, keys: range, *, which: int, first: int, most: int, places: int
    ) -> None:
        """Find a part of a table.

        Args:
            memory: The memory of the table.
            numbers: All numbers of the table.
            keys: Where in the memory the keys of this part are.
            which: Of the parts.
            first: Its first place.
            most: How many places it has.
            places: How many the table has.
        """
        self.first = first
        self._memory = memory
        self._numbers = numbers
        self._keys = keys
        # What the process that counts has written; others find it among the numbers.
        self._written, self._end = 0, keys.start
        self._size = _SIZES + which
        self._most = most
        self._ends = _HEAD + places + first

    def __len__(self) -> int:
        size: int = self._numbers[self._size]
        return size

    def add(self, key: bytes) -> int | None:
        """Write a key; give its place, or None if there is none left."""
        size, begin = self._written, self._end
        end = begin + len(key)
        if size >= self._most or end > self._keys.stop:
            return None
        self._memory[begin:end] = key
        self._numbers[self._ends + size] = end
        self._written, self._end = size + 1, end
        # Whoever reads sees the key by now.
        self._numbers[self._size] = size + 1
        return self.first + size

    def keys(self, start: int = 0) -> Iterator[bytes]:
        """Give the keys in the order of their places.

        Args:
            start: How many to leave out.
        """
        begin = self._numbers[self._ends + start - 1] if start else self._keys.start
        for end in self._numbers[self._ends + start : self._ends + len(self)].tolist():
            yield self._memory[begin:end]
            begin = end

    def counts(self) -> list[int]:
        """Give the counts in the order of their places."""
        first = _HEAD + self.first
        return self._numbers[first : first + len(self)].tolist()

    def clear(self) -> None:
        """Begin anew."""
        size, first = self._written, _HEAD + self.first
        self._written, self._end = 0, self._keys.start
        self._numbers[self._size] = 0
        self._numbers[first : first + size] = memoryview(bytes(size * _NUMBER)).cast("Q")


class Table:
    """The counts of a process.

    Attributes:
        counts: A count for each place.
        behind: The same without the first: `behind[place]` is the count of the place behind.
        series: The counts that go on.
    """

    def __init__(self, descriptor: int = -1, rows: int = MOST_ROWS) -> None:
        """Open a table.

        Args:
            descriptor: Of the file that `make` made, which is duplicated; none for a table that no other process sees.
            rows: How many rows an epoch has.
        """
        places = MOST_SERIES + 2 * rows
        begin = (_HEAD + 2 * places) * _NUMBER
        self._memory = mmap.mmap(descriptor, _bytes(rows))
        self._numbers = memoryview(self._memory)[:begin].cast("Q")
        self.counts = self._numbers[_HEAD : _HEAD + places]
        self.behind = self.counts[1:]
        self._parts: list[Part] = []
        first = 0
        for which, (most, size) in enumerate(
            ((MOST_SERIES, _SERIES_KEYS), (rows, rows * _ROW_KEY), (rows, rows * _ROW_KEY))
        ):
            keys = range(begin, begin + size)
            part = Part(self._memory, self._numbers, keys, which=which, first=first, most=most, places=places)
            self._parts.append(part)
            begin, first = begin + size, first + most
        self.series = self._parts[0]

    @staticmethod
    def make(rows: int = MOST_ROWS) -> int:
        """Make an empty table; give the descriptor of a file without a name.

        No more of it takes up memory than is written to.
        """
        descriptor = nameless_file("cors-service-counts")
        os.truncate(descriptor, _bytes(rows))
        return descriptor

    @property
    def epoch(self) -> int:
        """The number of the epoch of the rows that are counted now."""
        epoch: int = self._numbers[_EPOCH]
        return epoch

    def rows(self, epoch: int) -> Part:
        """The rows of an epoch: the one that is counted now, or the one before."""
        return self._parts[1 + epoch % 2]

    def begin_epoch(self) -> Part | None:
        """Go on to the next epoch, if all of the one before this has been read; give its rows, or None."""
        epoch: int = self._numbers[_EPOCH]
        if self._numbers[_READ] < epoch:
            return None
        rows = self.rows(epoch + 1)
        rows.clear()
        self._numbers[_EPOCH] = epoch + 1
        return rows

    def has_read(self, epochs: int) -> None:
        """Say how many epochs were read to their ends."""
        self._numbers[_READ] = epochs

    def close(self) -> None:
        """Leave no memory behind."""
        self.behind.release()
        self.counts.release()
        self._numbers.release()
        self._memory.close()


def _bytes(rows: int) -> int:
    """How large a table is."""
    return (_HEAD + 2 * (MOST_SERIES + 2 * rows)) * _NUMBER + _SERIES_KEYS + 2 * rows * _ROW_KEY

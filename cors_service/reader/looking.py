"""Looks at documents again and again, and finds out which of them are due to be read."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits
from cors_service.reader.pending import pending
from cors_service.reader.sources import State, States, state_of, states_of

POLL_SECONDS: Final = 0.5
"""The least time between two looks."""
MANY: Final = 1000
"""So many names that a look at all documents is easier."""
PATIENCE: Final = 10
"""How many looks a document may go on changing before it is read all the same."""
PATIENCE_WITH_OTHERS: Final = 4
"""For how many looks documents that changed wait for others that go on changing: they may belong together."""


class Looks:
    """Compares what each look finds with the look before, and with what was read.

    A document is due when two looks agree about it: a document that is being written may be a good one as far as it
    goes, and lack what restricts it. The others wait for it, since what is written together is meant together, but not
    for ever.

    Attributes:
        due: The names of the documents to be read.
        moved: The names of those that the last look found in another state than the look before.
        seconds: How long the last look at all documents took, of the time of the processor.
        is_complete: Whether every document was read once.
    """

    def __init__(self, path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> None:
        """Make looks at a file or directory, within limits."""
        self.due: set[str] = set()
        self.moved: set[str] = set()
        self.seconds = 0.0
        self.is_complete = False
        self._path = path
        self._limits = limits
        self._seen: States = {}
        self._read: States = {}
        # What differs from what was read, and how many looks it has gone on changing.
        self._changed: set[str] = set()
        self._restless: dict[str, int] = {}
        self._unrest = 0

    def look(self, names: Collection[str] | None = None) -> bool:
        """Look at documents.

        Args:
            names: The names of those that may have changed; None for a look at all. What was not at rest before is
                looked at in any case.

        Returns:
            Whether there is something to read.
        """
        is_of_all = names is None or len(names) + len(self._changed) > MANY
        begun = time.process_time()
        found = self._find_all() if is_of_all else self._find(names or ())
        self.moved = {name for name, state in found.items() if self._seen.get(name) != state}
        for name in self.moved:
            _put(self._seen, name, found[name])
        self._changed = {name for name, state in found.items() if self._read.get(name) != state}
        if is_of_all:
            self.seconds = time.process_time() - begun
        restless = self._changed & self.moved
        self._restless = {name: self._restless.get(name, 0) + 1 for name in restless}
        self._unrest = self._unrest + 1 if restless else 0
        self.due = {name for name, looks in self._restless.items() if looks >= PATIENCE}
        # Whoever asks may know all documents from before, so at first each is read as soon as it can be.
        if self.is_complete and self._unrest < PATIENCE_WITH_OTHERS and len(self.due) < len(restless):
            return False
        self.due |= self._changed - restless
        return bool(self.due)

    @property
    def has_changes(self) -> bool:
        """Whether something differs from what was read."""
        return bool(self._changed)

    @property
    def has_documents(self) -> bool:
        """Whether there is a document that was read."""
        return bool(self._read)

    def names(self) -> set[str]:
        """The names of all documents that the last look found, and of those that were read before."""
        return self._seen.keys() | self._read.keys()

    def state(self, name: str) -> State | None:
        """The state in which the last look found a document; None if there was none."""
        return self._seen.get(name)

    def may_go_on_changing(self, name: str) -> bool:
        """Whether a document has gone on changing for so long that it is read all the same."""
        return name in self._restless

    def has_read(self, name: str) -> None:
        """Take note that a document was read, or is gone, in the state that was seen last."""
        _put(self._read, name, self._seen.get(name))
        self._changed.discard(name)
        self._restless.pop(name, None)
        self.due.discard(name)

    def forget(self, name: str) -> None:
        """Take a document for one that was not read in the state that was seen last."""
        self._read.pop(name, None)
        self._changed.add(name)

    def settle(self) -> None:
        """Take note that every document was read once, if it was."""
        if self._seen.keys() <= self._read.keys():
            self.is_complete = True
            self._unrest = 0

    def _find_all(self) -> dict[str, State | None]:
        # What was there, and is perhaps gone; then what is there.
        return {**dict.fromkeys(self._seen), **dict.fromkeys(self._changed), **states_of(self._path, self._limits)}

    def _find(self, names: Collection[str]) -> dict[str, State | None]:
        # What was written as one change is found as one.
        return {name: state_of(self._path, name) for name in {*names, *self._changed, *pending(self._path)}}


def _put(states: States, name: str, state: State | None) -> None:
    if state is None:
        states.pop(name, None)
    else:
        states[name] = state

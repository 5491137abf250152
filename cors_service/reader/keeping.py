"""When the last good set of documents is written into the snapshot."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Final

from cors_service.reader.policies import Policies
from cors_service.reader.snapshot import SharedSnapshot, Snapshot

RETRY_SECONDS: Final = 60
RENEWALS: Final = 10
"""How often the date of a snapshot is renewed in the time in which it becomes too old."""


class Keeping:
    """Keeps a snapshot as new as what is active.

    Attributes:
        complaint: Why what is active could not be written; None if it was.
    """

    def __init__(self, documents: Policies, snapshot: Snapshot | None, complain: Callable[[str], object]) -> None:
        """Keep nothing yet.

        Args:
            documents: The documents.
            snapshot: The snapshot; None for none.
            complain: Takes a line about what went wrong, and one when it is mended.
        """
        self._documents = documents
        self._snapshot = snapshot
        self._complain = complain
        self.complaint: str | None = None
        # What the snapshot has, or could not be given; when it is due again, in seconds of the clock that never goes
        # back.
        self._kept: object = None
        self._since: object = None
        self._due = 0.0

    def before_giving(self) -> None:
        """Write the last good set, if it is new; what is active is never newer than what a start would find."""
        good = self._documents.good
        if good is None or good.documents is self._kept:
            return
        if isinstance(self._snapshot, SharedSnapshot):
            # It is for those who come after this process, and nobody waits until it is written.
            self._snapshot.expire()
            self._due = 0.0
        else:
            self._write()

    def now_and_then(self) -> None:
        """Write the last good set if that is due: for a date that it has, or as it could not be written."""
        good = self._documents.good
        if time.monotonic() < self._due and (good is None or good.since == self._since):
            return
        if good is not None and good.documents is self._kept and self.complaint is None:
            self._documents.renew()
        self._write()

    def _write(self) -> None:
        good = self._documents.good
        if self._snapshot is None or good is None:
            return
        complaint = self._snapshot.keep(good)
        renewal = inf if self._snapshot.max_age is None else self._snapshot.max_age / RENEWALS
        self._kept, self._since = good.documents, good.since
        self._due = time.monotonic() + (renewal if complaint is None else RETRY_SECONDS)
        if complaint != self.complaint:
            self.complaint = complaint
            self._complain(complaint or "The snapshot is written again.")

"""What the reader answers: from requests and looks at documents to messages."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from math import inf
from typing import Final, NamedTuple

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.messages import (
    Changed,
    Failed,
    Load,
    Message,
    Refused,
    Reread,
    framed,
    parts_of,
    write_mistakes,
)
from cors_service.reader.reading import Documents, begin
from cors_service.reader.snapshot import SharedSnapshot, Snapshot

_RETRY_SECONDS: Final = 60
_RENEWALS: Final = 10
"""How often the date of a snapshot is renewed in the time in which it becomes too old."""


class Known(NamedTuple):
    """The policies that a service has read itself.

    Attributes:
        revision: Their revision.
        loaded_at: When they were read, in seconds since 1970.
    """

    revision: str
    loaded_at: float


class Responder:
    """Answers what a service asks about documents, and says when they change."""

    def __init__(
        self,
        documents: Documents,
        send: Callable[[bytes], object],
        *,
        snapshot: Snapshot | None = None,
        known: Known | None = None,
    ) -> None:
        """Make a responder.

        Args:
            documents: The documents.
            send: Takes a message to the service, in its frame.
            snapshot: Keeps each good set.
            known: What the service has read itself.
        """
        self._documents = documents
        self._send = send
        self._snapshot = snapshot
        self._known = known
        self._has_told = False
        # The frames of the last answers, by the revision that each begins at.
        self._given: dict[str | None, list[bytes]] = {}
        # What the snapshot has, or could not be given; when to write it again, in seconds of the clock that never goes
        # back; and what went wrong.
        self._saved: object = None
        self._save_again = 0.0
        self._complaint: str | None = None

    def answer(self, request: Message) -> None:
        """Do what the service asks for."""
        try:
            if isinstance(request, Load):
                self._load(request)
            elif isinstance(request, Reread):
                self._reread()
        except InvalidPolicies as invalid:
            self._send(framed(Refused(write_mistakes(invalid))))
        except Exception:  # noqa: BLE001 - whatever it is, the service has to know
            self._send(framed(Failed(ascii(traceback.format_exc()))))

    def look(self, names: Collection[str] | None = None) -> None:
        """Look at documents, and tell the service of a change, once until it asks.

        Args:
            names: The names of the documents that may have changed; None for a look at all.
        """
        self._given = {}
        if self._documents.look(names) and not self._has_told and not self._is_known():
            self._tell()

    def save(self) -> None:
        """Write the last good set into the snapshot, if that is due: for its date, or as it could not be written."""
        good = self._documents.good
        if time.monotonic() < self._save_again:
            return
        if good is not None and good.documents is self._saved and self._complaint is None:
            self._documents.renew()
        self._save()

    def _save_new(self) -> None:
        good = self._documents.good
        if good is None or good.documents is self._saved:
            return
        if isinstance(self._snapshot, SharedSnapshot):
            # It is for those who come after this process, and nobody waits until it is written.
            self._snapshot.clear()
            self._save_again = 0.0
        else:
            self._save()

    def _save(self) -> None:
        good = self._documents.good
        if self._snapshot is None or good is None:
            return
        complaint = good.keep_in(self._snapshot)
        renewal = inf if self._snapshot.max_age is None else self._snapshot.max_age / _RENEWALS
        self._saved = good.documents
        self._save_again = time.monotonic() + (renewal if complaint is None else _RETRY_SECONDS)
        if complaint != self._complaint:
            sys.stderr.write(f"{complaint or 'The snapshot is written again.'}\n")
        self._complaint = complaint

    def _reread(self) -> None:
        before = self._outcome()
        with suppress(InvalidPolicies):
            self._read(everything=True)
        self._save_new()
        if before != self._outcome():
            self._given = {}
            self._tell()

    def _load(self, request: Load) -> None:
        self._known = None
        before = self._outcome()
        try:
            self._read(everything=request.everything)
        finally:
            # What is active is never newer than what a start would find.
            self._save_new()
            # Not only who asks has to know.
            if before != self._outcome():
                self._given = {}
                if not self._has_told:
                    self._tell()
            self._has_told = False
        self._give(request.base)

    def _give(self, base: str | None) -> None:
        """Send what leads from a revision to the last good set; several workers ask for it, one after the other."""
        frames = self._given.get(base, ())
        for frame in frames:
            self._send(frame)
        if not frames:
            made = []
            for message in parts_of(self._documents.change(base)):
                made.append(framed(message))
                self._send(made[-1])
            self._given[base] = made

    def _read(self, *, everything: bool = False) -> None:
        begin(self._documents, self._snapshot, is_start=False, everything=everything)

    def _outcome(self) -> tuple[object, object]:
        documents = self._documents
        return documents.good and documents.good.revision, documents.mistakes

    def _is_known(self) -> bool:
        """Read for the first time, and say whether the service has that already."""
        known, self._known = self._known, None
        if known is None:
            return False
        with suppress(InvalidPolicies):
            self._read()
        if self._documents.mistakes is not None:
            return False
        return self._documents.recognise(known.revision, known.loaded_at)

    def _tell(self) -> None:
        self._has_told = True
        self._send(framed(Changed()))

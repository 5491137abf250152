"""What the reader answers: from requests and looks at documents to messages."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NamedTuple

from msgspec import structs

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.reader.frames import framed
from cors_service.reader.keeping import Keeping
from cors_service.reader.messages import Changed, Failed, Load, Message, Ping, Refused, Reread, Working
from cors_service.reader.parts import parts_of, write_mistakes
from cors_service.reader.policies import Policies
from cors_service.reader.reading import begin
from cors_service.reader.snapshot import Snapshot


class Known(NamedTuple):
    """The policies that a service has read itself.

    Attributes:
        revision: Their revision.
        loaded_at: When they were read, in seconds since 1970.
    """

    revision: str
    loaded_at: float


class Responder:
    """Answers what a service asks about documents, and says when they change.

    Attributes:
        keeping: Keeps the snapshot.
    """

    def __init__(
        self,
        documents: Policies,
        send: Callable[[bytes], object],
        *,
        snapshot: Snapshot | None = None,
        known: Known | None = None,
    ) -> None:
        """Make a responder.

        Args:
            documents: The documents, or what else policies come from.
            send: Takes a message to the service, in its frame.
            snapshot: Keeps each good set.
            known: What the service has read itself.
        """
        self._documents = documents
        self._send = send
        self._snapshot = snapshot
        self._known = known
        self._is_announced = False
        # The frames of the last answers, by the revision that each begins at.
        self._given: dict[str | None, list[bytes]] = {}
        self.keeping = Keeping(documents, snapshot, self._complain)

    def answer(self, request: Message) -> None:
        """Do what the service asks for."""
        try:
            if isinstance(request, Load):
                self._load(request)
            elif isinstance(request, Reread):
                self._reread()
            elif isinstance(request, Ping):
                self._send(framed(Working()))
        except InvalidPolicies as invalid:
            self._send(framed(Refused(write_mistakes(invalid))))
        except MemoryError:
            raise  # another process begins anew
        except Exception:  # noqa: BLE001 - whatever it is, the service has to know
            self._send(framed(Failed(ascii(traceback.format_exc()))))

    def look(self, names: Collection[str] | None = None) -> None:
        """Look at documents, and tell the service of a change, once until it asks.

        Args:
            names: The names of the documents that may have changed; None for a look at all.
        """
        self._given = {}
        if self._documents.look(names) and not self._is_announced and not self._is_known():
            self._announce()

    def _reread(self) -> None:
        before = self._outcome()
        with suppress(InvalidPolicies):
            self._read(everything=True)
        self.keeping.before_giving()
        if before != self._outcome():
            self._given = {}
            self._announce()

    def _load(self, request: Load) -> None:
        self._known = None
        before = self._outcome()
        try:
            self._read(everything=request.everything)
        finally:
            self.keeping.before_giving()
            # Not only who asks has to know.
            if before != self._outcome():
                self._given = {}
                if not self._is_announced:
                    self._announce()
            self._is_announced = False
        self._give(request.base)

    def _give(self, base: str | None) -> None:
        """Send what leads from a revision to the last good set; several workers ask for it, one after the other."""
        frames = self._given.get(base, ())
        for frame in frames:
            self._send(frame)
        if not frames:
            made = []
            change = structs.replace(self._documents.change(base), snapshot_problem=self.keeping.complaint)
            for message in parts_of(change):
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

    def _complain(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        self._given = {}
        if not self._is_announced:
            self._announce()

    def _announce(self) -> None:
        self._is_announced = True
        self._send(framed(Changed()))

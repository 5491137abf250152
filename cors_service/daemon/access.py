"""Who may ask, as the file of `--auth` says: read again on SIGHUP and when it changes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from cors_service.access import Access, InvalidAccess
from cors_service.access.document import access_text, read_access, shown_path
from cors_service.grammar.mistakes import plural
from cors_service.reader.looking import POLL_SECONDS, Looks
from cors_service.web.access import IAccess, counted
from cors_service.web.workers import iso

# The one document of a source that is a file.
_DOCUMENT: Final = ""


class KeptText:
    """The last good text, in a file that all workers have: one that starts while the other file is bad goes by it."""

    def __init__(self, descriptor: int) -> None:
        """Take the descriptor of the file."""
        self._descriptor = descriptor

    def keep(self, text: str) -> None:
        """Keep a text in place of the one before."""
        data = text.encode("utf-8")
        os.pwrite(self._descriptor, data, 0)
        os.truncate(self._descriptor, len(data))

    def read(self) -> str:
        """Read it; nothing if there is none."""
        size = os.fstat(self._descriptor).st_size
        return os.pread(self._descriptor, size, 0).decode("utf-8", "replace")


@implementer(IAccess)
class LiveAccess(Service):
    """Keeps who may ask as a file says, and never gives up a good file for a bad one.

    Attributes:
        active: Who may ask now.
    """

    _log: Final = Logger()

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        kept: KeptText | None = None,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Make a holder, and read the file, in this thread.

        Args:
            path: The file.
            clock: The reactor.
            kept: What workers share; None where one process serves.
            in_thread: Runs a function where it may block; gives a Deferred of the result.

        Raises:
            InvalidAccess: The file has mistakes, and no good text was kept.
        """
        self.name = shown_path(path)
        self._path = path
        self._clock = clock
        self._kept = kept
        self._in_thread = in_thread
        # The file is looked at and read by one thread at a time.
        self._one = DeferredLock()
        self._looks = Looks(path)
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock
        self._mistakes: InvalidAccess | None = None
        self._loaded_at = clock.seconds()
        self.active: Access = self._first()

    def reload(self) -> Deferred[None]:
        """Read the file again; if it has mistakes, say so, and keep what was read before."""
        reading: Deferred[Access] = self._one.run(self._in_thread, self._read)
        return reading.addCallbacks(self._become, self._failed)

    def startService(self) -> None:
        """Begin to look whether the file changes."""
        super().startService()
        self._looking.start(POLL_SECONDS, now=False)

    def stopService(self) -> Deferred[None]:
        """Look no longer; wait for what is under way."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        return self._one.run(lambda: None)

    def as_dict(self) -> dict[str, object]:
        """Say how many callers there are, since when, and what is wrong with a newer file."""
        mistakes = self._mistakes.mistakes if self._mistakes else ()
        return {
            **counted(self.active),
            "source": self.name,
            "loaded_at": iso(self._loaded_at),
            "mistakes": [mistake.as_dict() for mistake in mistakes],
            "stale": self._mistakes is not None,
        }

    def _look(self) -> Deferred[None]:
        looking: Deferred[bool] = self._one.run(self._in_thread, self._looks.look, [_DOCUMENT])
        return looking.addCallback(lambda is_due: self.reload() if is_due and self.running else None).addErrback(
            lambda failure: self._log.failure("Can't look at {path}", failure=failure, path=self.name)
        )

    def _first(self) -> Access:
        try:
            return self._read()
        except InvalidAccess as invalid:
            kept = None if self._kept is None else self._kept.read()
            if not kept:
                raise
            self._failed(Failure(invalid))
            return read_access(kept)

    def _read(self) -> Access:
        # It is looked at first: what changes while it is read is found by the next look.
        self._looks.look([_DOCUMENT])
        self._looks.has_read(_DOCUMENT)
        text = access_text(self._path)
        access = read_access(text, self.name)
        if self._kept is not None:
            self._kept.keep(text)
        return access

    def _become(self, access: Access) -> None:
        self._mistakes = None
        self._loaded_at = self._clock.seconds()
        self.active = access
        tokens = f"{{tokens}} {plural(len(access.tokens), 'token')}"
        certificates = f"{{certificates}} {plural(len(access.certificates), 'certificate')}"
        self._log.info(f"{{path}} says who may ask: {tokens}, {certificates}", path=self.name, **counted(access))

    def _failed(self, failure: Failure) -> None:
        invalid = failure.value
        if not isinstance(invalid, InvalidAccess):
            self._log.failure("Can't read {path}", failure=failure, path=self.name)
            return
        known = self._mistakes is not None and self._mistakes.report() == invalid.report()
        self._mistakes = invalid
        if known:
            self._log.error("{path} still has the same mistakes", path=self.name)
            return
        for mistake in invalid.mistakes:
            self._log.error("{mistake}", mistake=str(mistake), code=mistake.code)
        count = len(invalid.mistakes)
        self._log.error(
            f"{{count}} {plural(count, 'mistake')} in {{path}}; who could ask before still can, and nobody else",
            count=count,
            path=self.name,
        )

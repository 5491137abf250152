"""Policies in a file, or in all files of a directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from zope.interface import implementer

from cors_service.policy import InvalidPolicies, PolicyError, PolicySet, Source, read_sources
from cors_service.store._interfaces import IPolicyStore

POLL_SECONDS: Final = 0.5
PATIENCE: Final = 10
"""How many looks a document may go on changing before it is read all the same."""
_FORMATS: Final = {".toml": "toml", ".json": "json"}
_log: Final = Logger()

# Of each document its name and what tells that it was replaced or written to.
_State = tuple[tuple[str | int, ...], ...]


def read_policies(path: Path) -> PolicySet:
    """Read the policies of a file, or of every `*.toml` and `*.json` of a directory, merged.

    Args:
        path: The file or directory. Names that begin with a dot are not looked at.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    sources: list[Source] = []
    unreadable: list[PolicyError] = []
    try:
        documents = _documents(path)
    except OSError as error:
        raise InvalidPolicies([_unreadable(path, error)]) from None
    if not documents:
        message = "There is no *.toml and no *.json file in the directory."
        raise InvalidPolicies([PolicyError("no-policies", message, file=_name(path))])
    for document in documents:
        try:
            # Some editors begin a file with a byte order mark.
            text = document.read_bytes().decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            unreadable.append(_unreadable(document, error))
        else:
            sources.append(Source(_name(document), _FORMATS.get(document.suffix, "toml"), text))
    return read_sources(sources, unreadable=unreadable)


@implementer(IPolicyStore)
class FilePolicyStore:
    """A file or a directory, looked at twice a second.

    A change is told when two looks agree about it: a document that is being written may be a good one as far as it
    goes, and lack what restricts it. What is compared is the state of the files that the names lead to, so it does
    not matter whether a file is written to, replaced by another, or reached by a symbolic link that now leads
    elsewhere, which is how Kubernetes updates the files of a ConfigMap.
    """

    def __init__(
        self,
        path: Path,
        clock: IReactorTime,
        *,
        interval: float = POLL_SECONDS,
        in_thread: Callable[..., Deferred[Any]] = deferToThread,
    ) -> None:
        """Make a store.

        Args:
            path: The file or directory.
            clock: The reactor.
            interval: Seconds between two looks.
            in_thread: Runs a function with its arguments where it may block; gives a Deferred of the result.
        """
        self.name = _name(path)
        self._path = path
        self._clock = clock
        self._interval = interval
        self._in_thread = in_thread
        self._seen: _State | None = None

    def read(self) -> PolicySet:
        """Read the documents that are there now, in this thread.

        Raises:
            InvalidPolicies: With every mistake of every file, one that can't be read among them.
        """
        # The state is taken first: what changes while we read is found by the next look.
        self._seen = _state(self._path)
        return read_policies(self._path)

    def load(self) -> Deferred[PolicySet]:
        """Read the documents that are there now."""
        return self._in_thread(self.read)

    def watch(self, changed: Callable[[], object]) -> Callable[[], None]:
        """Look at the documents now and then."""
        last, restless = self._seen, 0

        def compare(state: _State) -> None:
            nonlocal last, restless
            at_rest = state == last or last is None
            last, restless = state, 0 if at_rest else restless + 1
            # A look may still be under way when the watch ends.
            if state != self._seen and looking.running and (at_rest or restless >= PATIENCE):
                self._seen, restless = state, 0
                changed()

        def look() -> Deferred[None]:
            return self._in_thread(_state, self._path).addCallback(compare).addErrback(report)

        def report(failure: Any) -> None:
            _log.failure("Can't look at {path}", failure=failure, path=self.name)

        looking = LoopingCall(look)
        looking.clock = self._clock
        looking.start(self._interval, now=self._seen is None)
        return looking.stop


def _documents(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(
        entry for entry in path.iterdir() if entry.suffix in _FORMATS and entry.name[0] != "." and not entry.is_dir()
    )


def _state(path: Path) -> _State:
    """What tells one state of the documents from another; nothing where they can't be looked at."""
    try:
        documents = _documents(path)
    except OSError:
        return ()
    return tuple(_state_of(document) for document in documents)


def _state_of(document: Path) -> tuple[str | int, ...]:
    try:
        status = document.stat()
    except OSError:
        return (str(document),)
    # The time of modification can be put back, as tar and rsync do; that of the change of the entry can't.
    return (str(document), status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _unreadable(path: Path, error: Exception) -> PolicyError:
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PolicyError("document-unreadable", f"The document can't be read: {what}.", file=_name(path))


def _name(path: Path) -> str:
    """A path for people and for JSON: bytes that are no text are written out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")

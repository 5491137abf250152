"""What a source of policies is: a file, or all documents of a directory; how it is looked at and read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.reader.limits import DEFAULT_LIMITS, ReaderLimits, TooLongError, in_time, limit_memory
from cors_service.reader.pending import pending, waiting_document

_SUFFIXES: Final = (".toml", ".json")
SUITE_SUFFIX: Final = ".test.toml"
"""What the names of test suites end in, which lie beside documents and are none."""
_READ_BYTES: Final = 1 << 16
# Nothing that is opened is waited for, and nothing becomes the terminal of this process.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)

_Result = TypeVar("_Result")
State = tuple[int, ...]
"""What distinguishes a document from one that replaced it or from what was written into it."""
States = dict[str, State]
UNKNOWN: Final[State] = ()
"""The state of a document that can't be looked at, such as a link that leads nowhere."""


class TakesTooMuch(InvalidPolicies):
    """Reading takes more memory or time than it may."""


def read_policies(path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> PolicySet:
    """Read the policies of a file, or of every `*.toml` and `*.json` of a directory, merged, within limits.

    Args:
        path: The file or directory. Names that begin with a dot, and test suites, are not looked at.
        limits: What that may take.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    return read_together([path], limits)


Progress = Callable[[int, int], object]
"""Is told how many documents were read, and how many there are."""


def read_together(
    paths: Sequence[Path], limits: ReaderLimits = DEFAULT_LIMITS, progress: Progress | None = None
) -> PolicySet:
    """Read the policies of several files and directories as one set, each document once, within limits.

    Args:
        paths: The files and directories, one at least.
        limits: What that may take.
        progress: Is told of each document, in another thread; None if nobody asks.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    return within_limits(limits, paths[0], lambda: _read_all(paths, limits, progress))


def within_limits(limits: ReaderLimits, path: Path, read: Callable[[], _Result]) -> _Result:
    """Read in a process that has other things to do, within limits of memory and time.

    Args:
        limits: The limits.
        path: What is read.
        read: Reads it, in another thread.

    Raises:
        TakesTooMuch: That takes too much.
        InvalidPolicies: `read` raises it.
    """
    unlimited = limit_memory(limits.memory)
    try:
        return in_time(limits.timeout, read)
    except MemoryError:
        what = f"reading it takes more than {limits.memory} MiB of memory (--reader-memory)"
    except TooLongError:
        what = f"that takes longer than {limits.timeout:g} seconds (--reader-timeout)"
    finally:
        unlimited()
    raise TakesTooMuch([unreadable(shown_path(path), OSError(what))])


def document_names(path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> list[str]:
    """Give the names of the documents of a directory, sorted; the empty name for a file, which is its own document.

    Raises:
        InvalidPolicies: There are none, or the directory can't be read.
    """
    try:
        names = sorted(look_at(path, limits))
    except OSError as error:
        raise InvalidPolicies([unreadable(shown_path(path), error)]) from None
    if not names:
        message = "There is no *.toml and no *.json file in the directory."
        raise InvalidPolicies([PolicyError("no-policies", message, file=shown_path(path))])
    return names


def unread_names(path: Path) -> list[str]:
    """Give the names in a directory that are neither documents nor suites, sorted; those of directories end in a slash.

    Names that begin with a dot are left out: editors and Kubernetes keep their own things there. Of a file, or where
    nothing can be read, there are none.
    """
    try:
        with os.scandir(path) as entries:
            others = [entry for entry in entries if not entry.name.startswith(".")]
            directories = [f"{entry.name}/" for entry in others if _is_directory(entry)]
            files = [entry.name for entry in others if not (_is_directory(entry) or entry.name.endswith(_SUFFIXES))]
    except OSError:
        return []
    return sorted(directories + files)


def read_text(path: Path, name: str, limits: ReaderLimits = DEFAULT_LIMITS) -> tuple[Source | PolicyError, State]:
    """Read the text of a document.

    Args:
        path: The source.
        name: The name of the document in it.
        limits: What that may take.

    Returns:
        The text, or what is wrong with it; and the state of the document when all of it was read.
    """
    # Not `path / name`, which takes as long as reading the document does.
    document = f"{path}/{name}" if name else str(path)
    shown = shown_path(document)
    try:
        data, state = _read_waiting(path, name, limits) or _read(document, str(path) if name else None, limits)
    except OSError as error:
        return unreadable(shown, error), _state_of(Path(document).stat)
    try:
        # Some editors begin a file with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return unreadable(shown, error), state
    return Source(shown, "json" if document.endswith(".json") else "toml", text), state


def look_at(path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> States:
    """Look at the documents of a directory, or at the one that a file is.

    Returns:
        The state of each by its name.

    Raises:
        OSError: The directory can't be read, or there is more in it than is read.
    """
    if not path.is_dir():
        return {"": _state_of(path.stat)}
    with os.scandir(path) as entries:
        documents = (entry for entry in entries if is_document_name(entry.name) and not _is_directory(entry))
        found = {entry.name: _state_of(entry.stat) for entry in islice(documents, limits.documents + 1)}
    for name, planned in pending(path).items():
        _overlay(found, path, name, is_gone=planned.is_gone)
    if len(found) > limits.documents:
        raise OSError(f"it holds more than {limits.documents} documents")
    # One that is too large is a mistake by itself, and not read.
    if sum(size for state in found.values() if state and (size := state[-1]) <= limits.document) > limits.total:
        raise OSError(f"its documents have more than {limits.total} bytes together")
    return found


def states_of(path: Path, limits: ReaderLimits = DEFAULT_LIMITS) -> States:
    """Look at documents (see `look_at`); none where that can't be done."""
    try:
        return look_at(path, limits)
    except OSError:
        return {}


def state_of(path: Path, name: str) -> State | None:
    """Look at one document; None if there is no document of that name."""
    document = path / name
    if name and (not is_document_name(name) or document.is_dir()):
        return None
    planned = pending(path).get(name) if name else None
    if planned is not None:
        states = {name: _state_of(document.stat)} if document.exists() else {}
        _overlay(states, path, name, is_gone=planned.is_gone)
        return states.get(name)
    state = _state_of(document.stat)
    # A link that leads nowhere is a document that can't be read.
    return state if state or not name or document.is_symlink() else None


def shown_path(path: Path | str) -> str:
    """Write a path for people and for JSON: bytes that are not text are written out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def unreadable(shown: str, error: Exception) -> PolicyError:
    """Make the mistake that something can't be read.

    Args:
        shown: Its path.
        error: Why.
    """
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PolicyError("document-unreadable", f"The document can't be read: {what}.", file=shown)


def read_texts(paths: Sequence[Path], limits: ReaderLimits = DEFAULT_LIMITS) -> list[Source | PolicyError]:
    """Read the texts of all documents of several files and directories, each once.

    Args:
        paths: The files and directories.
        limits: What each document may take.

    Returns:
        The texts, and what is wrong where one can't be read.
    """
    read: list[Source | PolicyError] = []
    seen: set[str] = set()
    for path in paths:
        try:
            names = document_names(path, limits)
        except InvalidPolicies as invalid:
            read += invalid.mistakes
            continue
        if len(paths) > 1:
            names = [name for name in names if _is_new(path / name, seen)]
        read += [read_text(path, name, limits)[0] for name in names]
    return read


def _read_all(paths: Sequence[Path], limits: ReaderLimits, progress: Progress | None) -> PolicySet:
    read = read_texts(paths, limits)
    mistakes = [error for error in read if isinstance(error, PolicyError)]
    sources = [source for source in read if isinstance(source, Source)]
    drafts: list[Draft] = []
    for source in sources:
        drafts.append(Draft(source))
        if progress is not None:
            progress(len(drafts), len(sources))
    return read_drafts(drafts, unreadable=mistakes)


def _is_new(document: Path, seen: set[str]) -> bool:
    """Note a document; say whether it is the first time, since a directory may be named beside one of its documents."""
    real = os.path.realpath(document)
    is_new = real not in seen
    seen.add(real)
    return is_new


def _overlay(states: States, path: Path, name: str, *, is_gone: bool) -> None:
    """Take a document of a change that is made for what it will be, as long as it waits."""
    state = _state_of(Path(waiting_document(path, name)).stat)
    if is_gone:
        states.pop(name, None)
    elif state:
        states[name] = state


def _read_waiting(path: Path, name: str, limits: ReaderLimits) -> tuple[bytes, State] | None:
    """Read a document that waits to be put into its place; None if it does not."""
    if not (name and name in pending(path)):
        return None
    with suppress(FileNotFoundError):
        return _read(waiting_document(path, name), str(path), limits)
    return None


def _read(document: str, directory: str | None, limits: ReaderLimits) -> tuple[bytes, State]:
    """Read a document of a directory, or a file that was named itself: then it may be a link."""
    descriptor = _open(document, directory, limits)
    try:
        status = os.fstat(descriptor)
        # It may have been exchanged since it was looked at.
        _check_kind(status)
        if status.st_size > limits.document:
            raise OSError(_too_large(limits))
        data = os.read(descriptor, status.st_size + 1)
        if len(data) != status.st_size or not status.st_size:
            # It grows, or is something that has no size.
            data = _with_rest(descriptor, data, limits)
        return data, _state_of(lambda: os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _open(document: str, directory: str | None, limits: ReaderLimits) -> int:
    """Open a regular file. Nothing else is even opened: a device may do something then."""
    status = os.lstat(document)
    if not stat.S_ISLNK(status.st_mode):
        _check_kind(status)
        return os.open(document, _FLAGS | _NO_LINK)
    if directory is not None and not limits.follow_links:
        return _open_within(directory, document)
    _check_kind(Path(document).stat())
    return os.open(document, _FLAGS)


def _open_within(directory: str, document: str) -> int:
    """Open what a link leads to, if it leads to somewhere in the directory, as in a ConfigMap of Kubernetes."""
    base, real = os.path.realpath(directory), os.path.realpath(document)
    try:
        *parents, name = Path(real).relative_to(base).parts
    except ValueError:
        raise OSError("it is a link that leads out of the directory (--follow-links)") from None
    _check_kind(os.lstat(real))
    if os.open not in os.supports_dir_fd:
        return os.open(real, _FLAGS)
    # Step by step, so that no directory on the way can be exchanged for a link.
    within = os.open(base, _DIRECTORY)
    try:
        for parent in parents:
            inner = os.open(parent, _DIRECTORY | _NO_LINK, dir_fd=within)
            os.close(within)
            within = inner
        return os.open(name, _FLAGS | _NO_LINK, dir_fd=within)
    finally:
        os.close(within)


def _check_kind(status: os.stat_result) -> None:
    # Anything else may never come to an end.
    if stat.S_ISLNK(status.st_mode):
        raise OSError("it is a link that leads to itself")
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")


def _with_rest(descriptor: int, data: bytes, limits: ReaderLimits) -> bytes:
    """Read the rest of a file, in whatever pieces it comes."""
    pieces, size = [data], len(data)
    while size <= limits.document and (piece := os.read(descriptor, _READ_BYTES)):
        pieces.append(piece)
        size += len(piece)
    if size > limits.document:
        raise OSError(_too_large(limits))
    return b"".join(pieces)


def _too_large(limits: ReaderLimits) -> str:
    return f"it has more than {limits.document} bytes"


def is_document_name(name: str) -> bool:
    """Say whether a file of a directory is a document, by its name."""
    return name.endswith(_SUFFIXES) and name[0] != "." and not name.endswith(SUITE_SUFFIX)


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _state_of(look: Callable[[], os.stat_result]) -> State:
    try:
        status = look()
    except OSError:
        return UNKNOWN
    # The time of modification can be put back, as tar and rsync do; that of the change of the entry can't.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)

"""What a source of policies is: a file, or all documents of a directory; how it is looked at and read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, Source, read_sources

_SUFFIXES: Final = (".toml", ".json")
_READ_BYTES: Final = 1 << 16
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0)

State = tuple[int, ...]
"""What distinguishes a document from one that replaced it or from what was written into it."""
States = dict[str, State]
UNKNOWN: Final[State] = ()
"""The state of a document that can't be looked at, such as a link that leads nowhere."""


def read_policies(path: Path) -> PolicySet:
    """Read the policies of a file, or of every `*.toml` and `*.json` of a directory, merged.

    Args:
        path: The file or directory. Names that begin with a dot are not looked at.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    read = [read_text(path, name)[0] for name in document_names(path)]
    unreadable = [error for error in read if isinstance(error, PolicyError)]
    return read_sources([source for source in read if isinstance(source, Source)], unreadable=unreadable)


def document_names(path: Path) -> list[str]:
    """Give the names of the documents of a directory, sorted; the empty name for a file, which is its own document.

    Raises:
        InvalidPolicies: There are none, or the directory can't be read.
    """
    try:
        names = sorted(look_at(path))
    except OSError as error:
        raise InvalidPolicies([_unreadable(shown_path(path), error)]) from None
    if not names:
        message = "There is no *.toml and no *.json file in the directory."
        raise InvalidPolicies([PolicyError("no-policies", message, file=shown_path(path))])
    return names


def read_text(path: Path, name: str) -> tuple[Source | PolicyError, State]:
    """Read the text of a document.

    Args:
        path: The source.
        name: The name of the document in it.

    Returns:
        The text, or what is wrong with it; and the state of the document when all of it was read.
    """
    # Not `path / name`, which takes as long as reading the document does.
    document = f"{path}/{name}" if name else str(path)
    shown = shown_path(document)
    try:
        data, state = _read(document)
    except OSError as error:
        return _unreadable(shown, error), _state_of(Path(document).stat)
    try:
        # Some editors begin a file with a byte order mark.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(shown, error), state
    return Source(shown, "json" if document.endswith(".json") else "toml", text), state


def look_at(path: Path) -> States:
    """Look at the documents of a directory, or at the one that a file is.

    Returns:
        The state of each by its name.

    Raises:
        OSError: The directory can't be read.
    """
    if not path.is_dir():
        return {"": _state_of(path.stat)}
    with os.scandir(path) as entries:
        documents = (entry for entry in entries if _is_name(entry.name) and not _is_directory(entry))
        return {entry.name: _state_of(entry.stat) for entry in documents}


def states_of(path: Path) -> States:
    """Look at documents (see `look_at`); none where that can't be done."""
    try:
        return look_at(path)
    except OSError:
        return {}


def state_of(path: Path, name: str) -> State | None:
    """Look at one document; None if there is no document of that name."""
    document = path / name
    if name and (not _is_name(name) or document.is_dir()):
        return None
    state = _state_of(document.stat)
    # A link that leads nowhere is a document that can't be read.
    return state if state or not name or document.is_symlink() else None


def shown_path(path: Path | str) -> str:
    """Write a path for people and for JSON: bytes that are not text are written out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _read(document: str) -> tuple[bytes, State]:
    descriptor = os.open(document, _FLAGS)
    try:
        size = os.fstat(descriptor).st_size
        data = os.read(descriptor, size + 1)
        if len(data) != size or not size:
            # It grows, or is something that has no size.
            data += b"".join(iter(lambda: os.read(descriptor, _READ_BYTES), b""))
        return data, _state_of(lambda: os.fstat(descriptor))
    finally:
        os.close(descriptor)


def _is_name(name: str) -> bool:
    return name.endswith(_SUFFIXES) and name[0] != "."


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _state_of(stat: Callable[[], os.stat_result]) -> State:
    try:
        status = stat()
    except OSError:
        return UNKNOWN
    # The time of modification can be put back, as tar and rsync do; that of the change of the entry can't.
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _unreadable(shown: str, error: Exception) -> PolicyError:
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PolicyError("document-unreadable", f"The document can't be read: {what}.", file=shown)

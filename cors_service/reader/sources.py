"""What a source of policies is: a file, or all files of a directory; how it is looked at and read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, Source, read_sources

POLL_SECONDS: Final = 0.5
PATIENCE: Final = 10
"""How many looks a document may go on changing before it is read all the same."""
FORMATS: Final = {".toml": "toml", ".json": "json"}
_SUFFIXES: Final = tuple(FORMATS)

State = tuple[int, ...]
"""What tells that a document was replaced or written to."""
States = dict[str, State]


def read_policies(path: Path) -> PolicySet:
    """Read the policies of a file, or of every `*.toml` and `*.json` of a directory, merged.

    Args:
        path: The file or directory. Names that begin with a dot are not looked at.

    Raises:
        InvalidPolicies: With every mistake of every file, one that can't be read among them.
    """
    read = [read_text(path / name) for name in document_names(path)]
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
        raise InvalidPolicies([_unreadable(path, error)]) from None
    if not names:
        message = "There is no *.toml and no *.json file in the directory."
        raise InvalidPolicies([PolicyError("no-policies", message, file=shown_path(path))])
    return names


def read_text(document: Path) -> Source | PolicyError:
    """Read the text of a document; what is wrong if that can't be done."""
    try:
        # Some editors begin a file with a byte order mark.
        text = document.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        return _unreadable(document, error)
    return Source(shown_path(document), FORMATS.get(document.suffix, "toml"), text)


def look_at(path: Path) -> States:
    """Look at the documents of a directory, or at the one that a file is.

    Returns:
        By the name of each what tells one state of it from another: the time of modification can be put back, as tar
        and rsync do; that of the change of the entry can't. Nothing for what can't be looked at.

    Raises:
        OSError: The directory can't be read.
    """
    if not path.is_dir():
        return {"": status_of(path.stat)}
    with os.scandir(path) as entries:
        return {
            entry.name: status_of(entry.stat)
            for entry in entries
            if entry.name.endswith(_SUFFIXES) and entry.name[0] != "." and not _is_directory(entry)
        }


def state_of(path: Path) -> States:
    """Look at documents (see `look_at`); nothing where that can't be done."""
    try:
        return look_at(path)
    except OSError:
        return {}


def _is_directory(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def status_of(stat: Callable[[], os.stat_result]) -> State:
    """Give what tells one state of a document from another; nothing where it can't be looked at."""
    try:
        status = stat()
    except OSError:
        return ()
    return (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


def _unreadable(path: Path, error: Exception) -> PolicyError:
    what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return PolicyError("document-unreadable", f"The document can't be read: {what}.", file=shown_path(path))


def shown_path(path: Path) -> str:
    """A path for people and for JSON: bytes that are no text are written out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")

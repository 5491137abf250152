"""A ledger in a directory of files, and the one step in which a change becomes part of it.

    .ledger/head.json                  the newest change
    .ledger/entries/0000000000000042   an entry with its hash
    .ledger/bodies/0000000000000042    the definitions that it wrote
    .ledger/staged/                    a change that is being prepared
    .ledger/pending/                   a change that is made, and is being put into place
    .ledger/lock                       who holds it may write

All files of a change are written to `staged` and flushed. Renaming that to `pending` is the change: before, nothing has
happened; after it, whoever comes next puts into place what is not there yet. So a process may be killed at any moment.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from cors_service.ledger.entry import Head, Signed, canonical
from cors_service.reader.pending import DOCUMENTS, LEDGER, PENDING, PLAN, Planned, PlannedDocument

Texts = Mapping[str, tuple[bytes | None, str | None]]
"""The new text of each document by its name, or None to remove it; and the hash of the text that is there."""

_HEAD: Final = "head.json"
_ENTRIES: Final = "entries"
_BODIES: Final = "bodies"
_DIGITS: Final = 16


class LedgerFiles:
    """The files of a ledger."""

    def __init__(self, documents: Path) -> None:
        """Make the files of a directory of documents, before there are any.

        Args:
            documents: The directory.
        """
        self._documents = documents
        self._path = documents / LEDGER
        self._staged = self._path / "staged"
        self._pending = documents / PENDING

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing, and finish what one of them has begun.

        Raises:
            OSError: That can't be done.
        """
        for directory in (self._path, self._path / _ENTRIES, self._path / _BODIES):
            directory.mkdir(exist_ok=True)
        with (self._path / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._finish()
            shutil.rmtree(self._staged, ignore_errors=True)
            yield

    def head(self) -> Head | None:
        """Read the newest change; None before there is one.

        Raises:
            OSError: It can't be read.
            ValueError: Something else is there, or only entries are: a ledger that began anew would write over them.
        """
        # Before the head is read: of the first change, the entry is put into its place first.
        has_entries = self._has_entries()
        # While a change is being put into place, its head is the newest.
        for path in (self._pending / _HEAD, self._path / _HEAD):
            try:
                return msgspec.json.decode(path.read_bytes(), type=Head)
            except FileNotFoundError:
                continue
        if has_entries:
            raise ValueError(f"the ledger has entries and no {_HEAD}: restore that file, or move {LEDGER} away")
        return None

    def entry(self, seq: int) -> Signed:
        """Read an entry.

        Raises:
            OSError: There is none, or it can't be read.
            ValueError: Something else is there.
        """
        return msgspec.json.decode(self._read(_ENTRIES, seq), type=Signed)

    def entries(self, after: int, most: int) -> Iterator[Signed]:
        """Read entries in their order, as far as there are any."""
        for seq in range(after + 1, after + most + 1):
            try:
                yield self.entry(seq)
            except FileNotFoundError:
                return

    def bodies(self, seq: int) -> dict[str, dict[str, Any]]:
        """Read the definitions that a change wrote: by their kinds, by their names.

        Raises:
            OSError: They can't be read.
            ValueError: Something else is there.
        """
        return msgspec.json.decode(self._read(_BODIES, seq), type=dict[str, dict[str, Any]])

    def is_exact(self, seq: int) -> bool:
        """Whether the entry of a change, and what it wrote, are kept to the byte as they were written.

        What a reader skips, such as a member that it does not know or the first of two, may mislead people.

        Raises:
            OSError: They can't be read.
            ValueError: Something else is there.
        """
        kept = (self._read(_ENTRIES, seq), self._read(_BODIES, seq))
        return kept == (canonical(self.entry(seq)), canonical(self.bodies(seq)))

    def stage(
        self,
        signed: Signed,
        bodies: Mapping[str, Mapping[str, Any]],
        documents: Texts,
    ) -> None:
        """Prepare a change; the lock is held.

        Args:
            signed: Its entry.
            bodies: The definitions that it writes.
            documents: What it does to documents.

        Raises:
            OSError: It can't be written.
        """
        # Not with `parents`: a directory that somebody has moved away in the meantime would come back as an empty one.
        self._staged.mkdir()
        (self._staged / DOCUMENTS).mkdir()
        plan: dict[str, PlannedDocument] = {}
        for name, (text, before) in documents.items():
            plan[name] = PlannedDocument(before, is_gone=text is None)
            if text is not None:
                self._write(self._staged / DOCUMENTS / name, text, like=self._documents / name)
        self._write(self._staged / PLAN, canonical(Planned(signed.entry.seq, plan)))
        self._write(self._staged / _ENTRIES, canonical(signed))
        self._write(self._staged / _BODIES, canonical(bodies))
        self._write(self._staged / _HEAD, canonical(signed.head))
        for directory in (self._staged / DOCUMENTS, self._staged):
            _sync(directory)

    def commit(self) -> None:
        """Make the change that was prepared, and put it into place; the lock is held.

        Raises:
            OSError: It is not made, or not all of it could be put into place: the next who takes the lock does that.
        """
        self._staged.rename(self._pending)
        _sync(self._path)
        self._finish()

    @property
    def is_pending(self) -> bool:
        """Whether a change was made that is not in its place yet."""
        return self._pending.exists()

    def _finish(self) -> None:
        """Put what is pending into place; whatever was done before is not done again."""
        try:
            plan = msgspec.json.decode((self._pending / PLAN).read_bytes(), type=Planned)
        except FileNotFoundError:
            shutil.rmtree(self._pending, ignore_errors=True)
            return
        for name, document in plan.documents.items():
            self._put(name, document)
        _sync(self._documents)
        for kind in (_BODIES, _ENTRIES):
            _move(self._pending / kind, self._numbered(kind, plan.seq))
            _sync(self._path / kind)
        _move(self._pending / _HEAD, self._path / _HEAD)
        _sync(self._path)
        # Only now is it forgotten what was to be done.
        (self._pending / PLAN).unlink()
        shutil.rmtree(self._pending)

    def _put(self, name: str, document: PlannedDocument) -> None:
        """Put a document into its place, unless somebody has written another there meanwhile."""
        new, place = self._pending / DOCUMENTS / name, self._documents / name
        if not document.is_gone and not new.exists():
            return
        if hash_of_file(place) != document.before:
            new.unlink(missing_ok=True)
        elif document.is_gone:
            place.unlink(missing_ok=True)
        else:
            new.rename(place)

    def _has_entries(self) -> bool:
        with suppress(FileNotFoundError), os.scandir(self._path / _ENTRIES) as entries:
            return any(entries)
        return False

    def _read(self, kind: str, seq: int) -> bytes:
        place = self._numbered(kind, seq)
        # A change is made before it is in its place; meanwhile, somebody else may put it there.
        with suppress(FileNotFoundError):
            return place.read_bytes()
        with suppress(FileNotFoundError):
            if msgspec.json.decode((self._pending / _HEAD).read_bytes(), type=Head).seq == seq:
                return (self._pending / kind).read_bytes()
        return place.read_bytes()

    def _numbered(self, kind: str, seq: int) -> Path:
        return self._path / kind / f"{seq:0{_DIGITS}}.json"

    def _write(self, path: Path, data: bytes, like: Path | None = None) -> None:
        with path.open("xb") as file:
            if like is not None and like.exists():
                _take_after(file.fileno(), like)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def hash_of_file(path: Path) -> str | None:
    """Hash a document as it is; None if there is none."""
    try:
        return hash_of_text(path.read_bytes())
    except FileNotFoundError:
        return None


def hash_of_text(text: bytes) -> str:
    """Hash a document."""
    return hashlib.sha256(text).hexdigest()


def _take_after(descriptor: int, like: Path) -> None:
    """Give a file the mode, the owner and the group of the one that it is to replace, as far as that is possible."""
    status = like.stat()
    os.fchmod(descriptor, status.st_mode & 0o7777)
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    except PermissionError:
        return


def _move(source: Path, place: Path) -> None:
    if source.exists():
        source.rename(place)


def _sync(directory: Path) -> None:
    """Have the disk know which files are in a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

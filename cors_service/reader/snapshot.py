"""The last good policy set, kept in a file for a start while its source can't be read or has mistakes."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, compress
from operator import is_not
from pathlib import Path
from threading import Lock
from typing import Any, Final
from weakref import finalize

import msgspec
from msgspec import convert, structs

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.grammar.pattern import OriginPattern, write_pattern
from cors_service.policy import PolicySet
from cors_service.policy.assembly import WHOLE
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
from cors_service.policy.model import Policy
from cors_service.policy.revision import VERSION
from cors_service.reader.good import GoodSet, Seen
from cors_service.reader.sources import shown_path

UNREADABLE: Final = "document-unreadable"
SKEW_SECONDS: Final = 60
"""How far in the future a date may lie, since clocks differ."""
_BATCH: Final = 1000
_HEAD: Final = re.compile(rb'\{"revision":"(sha256:[0-9a-f]{64})","layout":"([0-9a-f]{64})",')
_BEGINNING: Final = re.compile(rb'\{"revision":"sha256:|\{"loaded_at":')
"""How a snapshot of this version or of an older one begins."""
_HEAD_BYTES: Final = 200
_OLDER: Final = b"\0"
"""Stands at the end of what is older than the active policies; no line of JSON ends so."""
_MOST_GROWN: Final = 2
"""How many times as long as its first line a file may become before it is written anew."""
# Nobody waits for what is no file.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class Snapshot:
    """A file that holds the last good policy set, and when it was read. It is never older than what is active.

    It has a line for all documents and, of a store, one for each change since: what a change costs does not grow with
    what there is. The first line takes the place of the file as a whole. A last line without an end counts for nothing:
    a change becomes active when its line is written.

    Attributes:
        path: The file.
        max_age: The seconds after which a start does without it; None for never.
    """

    def __init__(self, path: Path, max_age: float | None = None) -> None:
        self.path = path
        self.max_age = max_age
        self._lock = Lock()
        self._is_closed = False
        self._new: Path | None = None
        # What this process has written: the documents, the bytes of the first line, and the file as it was then.
        self._saved: Mapping[str, PolicySet | Draft] = {}
        self._first = 0
        self._file: tuple[int, ...] = ()

    def keep(self, good: GoodSet) -> str | None:
        """Save a policy set before it becomes active; if that can't be done, remove what is there.

        Returns:
            What went wrong, for the log; None if nothing did.
        """
        try:
            self.save(good)
        except OSError as error:
            # Without the name of the file that was to take its place, which is another one each time.
            why = f"Can't write the snapshot {shown_path(self.path)}: {error.strerror or error}."
            if self.holds(good):
                return f"{why} The one that is there has the same policies."
            return f"{why} {self._remove()}"
        return None

    def keep_at_start(self, good: GoodSet) -> str | None:
        """The same, but not if these documents are there already, as they are after most restarts."""
        return None if self.holds(good) else self.keep(good)

    def save(self, good: GoodSet) -> None:
        """Add what has changed to the file, or replace it, so that it is whole at any moment.

        Raises:
            OSError: The file can't be written.
        """
        content, before = _content(good), self._saved
        self._saved = {}
        changed, removed = _difference(before, content)
        if before and self._may_grow(good):
            self._append(b"".join([*_written_change(good, changed, removed), b"\n"]))
        else:
            self._replace(good)
        self._saved = content

    def _may_grow(self, good: GoodSet) -> bool:
        """Whether the file is as this process has written it last, of a store, and has not grown too much since."""
        if good.seen is None:
            return False
        try:
            status = self.path.stat()
        except OSError:
            return False
        return _identity(status) == self._file and status.st_size < _MOST_GROWN * self._first

    def _append(self, line: bytes) -> None:
        """Add a line; if that fails, what is there is not to be used."""
        with self._lock:
            if self._is_closed:
                return
            with self.path.open("ab", buffering=0) as file:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
                self._file = _identity(os.fstat(file.fileno()))

    def _replace(self, good: GoodSet) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        new = self._new = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.writelines(_written(good))
                file.write(b"\n")
                file.flush()
                os.fsync(file.fileno())
                status = os.fstat(file.fileno())
            with self._lock:
                if not self._is_closed:
                    new.replace(self.path)
            self._sync_directory()
            self._first, self._file = status.st_size, _identity(status)
        finally:
            new.unlink(missing_ok=True)
            self._new = None

    def close(self) -> None:
        """Leave the file to whoever comes next, also if it is being written now."""
        with self._lock:
            self._is_closed = True
            if self._new is not None:
                self._new.unlink(missing_ok=True)

    def why_not_to_replace(self) -> str | None:
        """Say why what is there must stay, in words after "but"; None for nothing, an emptied file and a snapshot."""
        try:
            head = self._read(_HEAD_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            return error.strerror or str(error)
        return "it is not a snapshot" if head and _BEGINNING.match(head) is None else None

    def holds(self, good: GoodSet) -> bool:
        """Say whether the file has these policies, in these documents, and no change to them, as far as it says."""
        try:
            text = self._read()
        except OSError:
            return False
        if text.find(b"\n") != len(text) - 1:
            return False  # it has other lines, or was cut off
        found = _HEAD.match(text)
        expected = (good.revision, _layout(good))
        return found is not None and tuple(map(bytes.decode, found.groups())) == expected

    def load(self, max_age: float | None = None) -> GoodSet:
        """Read the file.

        Args:
            max_age: How many seconds old it may be; None for any.

        Raises:
            OSError: There is none.
            ValueError: The file holds something else, or its date is too old or lies in the future.
        """
        text = self._read()
        try:
            written = self._parsed(text)
            # Once, all policies were in one document.
            documents = {WHOLE: written["document"]} if "document" in written else dict(written["documents"])
            drafts = {name: Draft(None, document) for name, document in documents.items()}
            policy_set, loaded_at = read_drafts([drafts[name] for name in sorted(drafts)]), float(written["loaded_at"])
            since = {name: float(date) for name, date in dict(written.get("since", {})).items()}
            seen = convert(written.get("seen"), Seen | None)
            date = datetime.fromtimestamp(loaded_at, UTC)
        except (ArithmeticError, LookupError, TypeError, ValueError, OSError, RecursionError, InvalidPolicies):
            raise ValueError("it is not a snapshot of policies, or is damaged") from None
        age = time.time() - loaded_at
        if age < -SKEW_SECONDS:
            raise ValueError(f"its date lies in the future: {date.isoformat(timespec='seconds')}")
        if max_age is not None and age > max_age:
            raise ValueError(f"it is {age:.0f} seconds old, and --max-snapshot-age is {max_age:g}")
        return structs.replace(GoodSet.of(policy_set, loaded_at, drafts), since=since, seen=seen)

    def in_place_of(self, invalid: InvalidPolicies, *, is_start: bool) -> GoodSet:
        """Read the file in place of a source without good policies.

        Args:
            invalid: What is wrong with the source.
            is_start: Whether a service starts with it, for which it can be too old; for a reader that begins while a
                service runs, it is what is active.

        Raises:
            InvalidPolicies: The snapshot can't be used, which is then one of the mistakes.
        """
        max_age = self.max_age if is_start else None
        try:
            return self.load(max_age)
        except (OSError, ValueError) as error:
            what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            message = f"The snapshot can't be used either: {what}."
            mistake = PolicyError(UNREADABLE, message, file=shown_path(self.path))
            raise InvalidPolicies([*invalid.mistakes, mistake]) from None

    def _parsed(self, text: bytes) -> dict[str, Any]:
        # A last line without an end was not written to its end; the first line always was, and had no end once.
        *lines, last = text.split(b"\n")
        first, *changes = lines or [last]
        whole: dict[str, Any] = dict(json.loads(first))
        for line in changes:
            written = json.loads(line)
            for name in written.pop("removed"):
                del whole["documents"][name]
            whole["documents"].update(written.pop("documents"))
            whole.update(written)
        return whole

    def _read(self, size: int = -1) -> bytes:
        with os.fdopen(os.open(self.path, _FLAGS), "rb") as file:
            # Anything else may never come to an end.
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError("it is not a regular file")
            return file.read(size)

    def _remove(self) -> str:
        """Remove what is there, or else empty it; say what came of it."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            try:
                os.truncate(self.path, 0)
            except OSError:
                return f"The older one can't be removed ({error.strerror}): do it, or a start may bring it back."
        with suppress(OSError):
            self._sync_directory()
        return "There is none now: until it can be written, a start needs policies without mistakes."

    def _sync_directory(self) -> None:
        """Have the disk know which file it is now."""
        if not hasattr(os, "O_DIRECTORY"):
            return
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class SharedSnapshot(Snapshot):
    """The same for a service without a snapshot: in memory, for another reader if this one dies.

    It need not be written before a change is given, but then it has to be marked as older.
    """

    def __init__(self, descriptor: int) -> None:
        """Use a file without a name, by its descriptor."""
        super().__init__(Path(f"/dev/fd/{descriptor}"))
        self._descriptor = descriptor
        self._closing = finalize(self, os.close, descriptor)
        # How many bytes this process has written.
        self._size = 0

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def close(self) -> None:
        """Close the file, which is gone when all processes have closed it."""
        self._closing()

    def expire(self) -> None:
        """Mark what is there as older than what becomes active, until that is saved."""
        # Always in one place, which the next line covers.
        os.pwrite(self._descriptor, _OLDER, self._size or os.fstat(self._descriptor).st_size)

    def _may_grow(self, good: GoodSet) -> bool:
        return self._size < _MOST_GROWN * self._first

    def _append(self, line: bytes) -> None:
        """Add a line; what is half written is of no use, which shows."""
        self._write(self._size, [line])

    def _replace(self, good: GoodSet) -> None:
        os.ftruncate(self._descriptor, 0)
        # The last byte of all is the last one to be written.
        self._write(0, chain(_written(good), [b"\n"]))
        self._first = self._size

    def _write(self, start: int, pieces: Iterable[bytes]) -> None:
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            file.seek(start)
            file.writelines(pieces)
            self._size = file.tell()

    def in_place_of(self, invalid: InvalidPolicies, *, is_start: bool) -> GoodSet:
        """Read what is there. If there is nothing, nobody has to know."""
        try:
            return self.load()
        except (OSError, ValueError):
            raise invalid from None

    def _parsed(self, text: bytes) -> dict[str, Any]:
        if not text.endswith(b"\n"):
            raise ValueError  # it is older than what is active, or half written
        return super()._parsed(text)

    def _read(self, size: int = -1) -> bytes:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            return file.read(size)

    def _remove(self) -> str:
        os.ftruncate(self._descriptor, 0)
        return ""


def _difference(
    before: Mapping[str, PolicySet | Draft], after: Mapping[str, PolicySet | Draft]
) -> tuple[dict[str, PolicySet | Draft], AbstractSet[str]]:
    """Give the documents that are new or others, and the names of those that are gone."""
    if list(before) == list(after):
        # As a rule, few of very many have changed, and none has come or gone: no name need be looked up.
        others = compress(after, map(is_not, after.values(), before.values()))
        return {name: after[name] for name in others}, frozenset()
    changed = {name: document for name, document in after.items() if before.get(name) is not document}
    return changed, before.keys() - after.keys()


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from one that took its place, or that somebody else has written to."""
    return status.st_dev, status.st_ino, status.st_size


def _written(good: GoodSet) -> Iterator[bytes]:
    """Write documents piece by piece: as a whole, their structure would take up more memory than the policies."""
    content = _content(good)
    yield b'{"revision":"%b","layout":"%b",' % (good.revision.encode(), _layout(good).encode())
    yield from _written_rest(good, content)


def _written_change(good: GoodSet, changed: Mapping[str, PolicySet | Draft], removed: Iterable[str]) -> Iterator[bytes]:
    """Write the documents that have changed, and the names of those that are gone."""
    yield b'{"removed":%b,' % json.dumps(sorted(removed)).encode()
    yield from _written_rest(good, changed)


def _written_rest(good: GoodSet, documents: Mapping[str, PolicySet | Draft]) -> Iterator[bytes]:
    yield b'"loaded_at":%b,"since":%b,' % (msgspec.json.encode(good.loaded_at), json.dumps(dict(good.since)).encode())
    if good.seen is not None:
        yield b'"seen":%b,' % msgspec.json.encode(good.seen)
    yield b'"documents":{'
    for index, (name, document) in enumerate(documents.items()):
        # Names of files may hold bytes that are not text, which only this module keeps.
        yield b"," * (index > 0) + json.dumps(name).encode()
        yield from _written_document(*_parts(document))
    yield b"}}"


def _layout(good: GoodSet) -> str:
    """Say, in a hash, which document has which policies and sets: with the revision, that is all that there is.

    Of a store, it is also which change that was: another one may have led to the same policies.
    """
    digest = hashlib.sha256()
    for name, document in sorted(_content(good).items()):
        digest.update(json.dumps([name, *map(sorted, _names(document))]).encode())
    if good.seen is not None:
        digest.update(msgspec.json.encode(good.seen))
    return digest.hexdigest()


def _names(document: PolicySet | Draft) -> tuple[Iterable[str], ...]:
    return document.policies, document.origin_sets, document.header_sets


def _written_document(
    policies: Sequence[Policy],
    origin_sets: Mapping[str, Sequence[OriginPattern]],
    header_sets: Mapping[str, Sequence[str]],
) -> Iterator[bytes]:
    yield b':{"version":%d,"policies":{' % VERSION
    for start in range(0, len(policies), _BATCH):
        part = {policy.name: policy.as_dict() for policy in policies[start : start + _BATCH]}
        yield b"," * (start > 0) + msgspec.json.encode(part)[1:-1]
    written = {name: [*map(write_pattern, origins)] for name, origins in origin_sets.items()}
    yield b'},"origin_sets":%b,"header_sets":%b}' % (msgspec.json.encode(written), msgspec.json.encode(header_sets))


def _content(good: GoodSet) -> Mapping[str, PolicySet | Draft]:
    return good.documents or {WHOLE: good.policy_set}


def _parts(
    document: PolicySet | Draft,
) -> tuple[list[Policy], Mapping[str, Sequence[OriginPattern]], Mapping[str, Sequence[str]]]:
    if isinstance(document, PolicySet):
        return list(document.policies.values()), document.origin_sets, dict(document.header_sets)
    policies = [read.policy for read in document.policies.values() if read.policy is not None]
    return policies, document.origin_sets, document.header_sets

"""Reports that wait to be sent, in a file that survives whatever happens to the process.

The batches and their account are in one SQLite database, and each step is one transaction: so the account closes at any
time, also in a file that a killed process has left behind.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal
from weakref import finalize

from msgspec import Struct

from cors_service.observe.pending import Account, Pending, counted

BATCH_LINES: Final = 1000
BATCH_BYTES: Final = 256 * 1024
"""A batch has no more lines, and no more bytes unless one line has."""

# "CORS", in the head of the file.
_APPLICATION: Final = 0x434F5253
# https://www.sqlite.org/fileformat.html#the_database_header
_APPLICATION_AT: Final = 68
_TABLES: Final = (
    f"PRAGMA application_id = {_APPLICATION}",
    "PRAGMA user_version = 1",
    "CREATE TABLE batch (number INTEGER PRIMARY KEY AUTOINCREMENT, lines INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE account (spool TEXT NOT NULL, emitted INTEGER NOT NULL, delivered INTEGER NOT NULL, dropped INTEGER)",
)
# Its owner alone may read it.
_MODE: Final = 0o600
_PATIENCE_SECONDS: Final = 1.0

Outcome = Literal["delivered", "dropped"]


class CannotSpool(Exception):
    """The spool can't be had; the text says why."""


class _Damaged(Exception):
    """The spool is ours, and not sound."""


class Batch(Struct, frozen=True):
    """Lines that are sent together.

    Attributes:
        id: Its name, which no other batch has.
        number: Its number in the spool.
        lines: How many there are.
        body: The lines, with commas in between.
    """

    id: str
    number: int
    lines: int
    body: bytes


class Spool:
    """Keeps batches until they are delivered; the oldest have to go if there are too many. Any thread may use it.

    Attributes:
        account: What became of all lines that it ever got; any thread may look.
        damaged: Where an earlier spool is now that a disk has spoilt; None without one.
    """

    def __init__(self, path: Path, most_bytes: int, pending: Pending | None = None) -> None:
        """Open the spool, or make it.

        Args:
            path: Of the file.
            most_bytes: Bytes of lines that it keeps.
            pending: Where lines wait that can't be written to it.

        Raises:
            CannotSpool: It is another process's, is something else, or can't be opened.
        """
        self._most_bytes = most_bytes
        self._pending = pending or Pending()
        self._lock = threading.Lock()
        # What the file does not have yet: batches that are settled, and lines that were lost before they got there.
        self._settled: dict[int, tuple[Outcome, int]] = {}
        self._lost = 0
        # A batch that may be delivered already is not the one to go.
        self._sent = 0
        self.damaged: Path | None = None
        try:
            self._database = _opened(path)
        except _Damaged:
            self.damaged = path.with_name(f"{path.name}.damaged")
            path.replace(self.damaged)
            self._database = _opened(path)
        # Also if nobody says that it is needed no more; but the end of the process waits for no thread that uses it.
        finalize(self, self._database.close).atexit = False
        self._name, emitted, delivered, dropped = self._database.execute("SELECT * FROM account").fetchone()
        lines, self._bytes = self._database.execute(
            "SELECT coalesce(sum(lines), 0), coalesce(sum(length(body)), 0) FROM batch"
        ).fetchone()
        self.account = Account(emitted, delivered, dropped, lines)

    def put(self, lines: Sequence[bytes]) -> None:
        """Keep lines, behind those that wait.

        Args:
            lines: Without line feeds.

        Raises:
            OSError: They are not in the file, and wait in memory.
        """
        with self._lock:
            lost = self._pending.add(lines)
            self._lost += lost
            self.account = counted(self.account, emitted=len(lines), dropped=lost)
            self._save()

    def first(self) -> Batch | None:
        """Give the oldest batch, to be sent; None if there is none.

        Raises:
            OSError: The file can't be read.
        """
        with self._lock:
            # Few: those that a full disk does not let go.
            settled = ",".join(map(str, self._settled))
            try:
                found = self._database.execute(
                    f"SELECT number, lines, body FROM batch WHERE number NOT IN ({settled}) ORDER BY number LIMIT 1"  # noqa: S608 - numbers of ours
                ).fetchone()
            except sqlite3.Error as error:
                raise OSError(str(error)) from error
            if found is None:
                return None
            number, lines, body = found
            self._sent = number
            return Batch(f"{self._name}-{number}", number, lines, body)

    def settle(self, batch: Batch, outcome: Outcome) -> None:
        """Say what became of a batch that was sent.

        Raises:
            OSError: The file does not have that yet; it is written with what is put next.
        """
        with self._lock:
            self._sent = 0
            self._settled[batch.number] = outcome, batch.lines
            self._bytes -= len(batch.body)
            self._count(outcome, batch.lines)
            self._save()

    @property
    def unsaved(self) -> int:
        """How many lines wait in memory, since the file can't be written."""
        return len(self._pending.lines)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            with suppress(OSError):
                self._save()
            self._database.close()

    def _count(self, outcome: Outcome, lines: int) -> None:
        delivered, dropped = (lines, 0) if outcome == "delivered" else (0, lines)
        self.account = counted(self.account, delivered=delivered, dropped=dropped)

    def _save(self) -> None:
        """Bring the file up to date, in one step.

        Raises:
            OSError: That is not possible; all is as it was.
        """
        waiting = len(self._pending.lines)
        if not (waiting or self._settled or self._lost):
            return
        with _transaction(self._database) as database:
            added = 0
            for lines, body in _batches(self._pending.lines):
                database.execute("INSERT INTO batch (lines, body) VALUES (?, ?)", (lines, body))
                added += len(body)
            database.executemany("DELETE FROM batch WHERE number = ?", [(number,) for number in self._settled])
            gone, freed = self._make_room(self._bytes + added)
            delivered = sum(lines for outcome, lines in self._settled.values() if outcome == "delivered")
            refused = sum(lines for outcome, lines in self._settled.values() if outcome == "dropped")
            database.execute(
                "UPDATE account SET emitted = emitted + ?, delivered = delivered + ?, dropped = dropped + ?",
                (waiting + self._lost, delivered, refused + gone + self._lost),
            )
        self._pending.take(waiting)
        self._settled.clear()
        self._lost = 0
        self._bytes += added - freed
        self.account = counted(self.account, dropped=gone)

    def _make_room(self, size: int) -> tuple[int, int]:
        """Drop the oldest batches, and give how many lines and bytes they had."""
        gone = freed = 0
        while size - freed > self._most_bytes:
            oldest = self._database.execute(
                "SELECT number, lines, length(body) FROM batch WHERE number <> ? ORDER BY number LIMIT 1", (self._sent,)
            ).fetchone()
            if oldest is None:
                break
            number, lines, length = oldest
            self._database.execute("DELETE FROM batch WHERE number = ?", (number,))
            gone += lines
            freed += length
        return gone, freed


def _opened(path: Path) -> sqlite3.Connection:
    """Open a spool for this process alone.

    Raises:
        CannotSpool: That is not possible.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
        database = sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CannotSpool(f"{str(path)!a} can't be opened: {why}") from None
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        # The journal stays where it is, so that a batch can be taken out although the disk is full.
        database.execute("PRAGMA journal_mode = PERSIST")
        database.execute("PRAGMA synchronous = FULL")
        # Takes the lock, which this process then keeps.
        database.execute("BEGIN EXCLUSIVE")
        database.execute("COMMIT")
        _check(database)
    except _Damaged:
        database.close()
        raise
    except (sqlite3.Error, CannotSpool) as error:
        database.close()
        # One that is cut short is found to be spoilt by the first statement that reads it.
        if _code(error) == sqlite3.SQLITE_CORRUPT and _has_our_head(path):
            raise _Damaged from None
        raise CannotSpool(f"{str(path)!a} {_why(error)}") from None
    return database


def _has_our_head(path: Path) -> bool:
    """Say whether a file that is no sound database was a spool; to be asked while no connection has it open."""
    with path.open("rb") as file:
        file.seek(_APPLICATION_AT)
        return file.read(4) == _APPLICATION.to_bytes(4, "big")


def _check(database: sqlite3.Connection) -> None:
    """Make the tables of a new spool; see that another one is sound.

    Raises:
        CannotSpool: It is none.
        _Damaged: It is not sound.
    """
    [application] = database.execute("PRAGMA application_id").fetchone()
    if not application and not database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        database.execute("BEGIN EXCLUSIVE")
        for statement in _TABLES:
            database.execute(statement)
        database.execute("INSERT INTO account VALUES (?, 0, 0, 0)", (secrets.token_hex(8),))
        database.execute("COMMIT")
    elif application != _APPLICATION:
        raise CannotSpool("is a database of another program")
    try:
        [sound] = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError:
        raise _Damaged from None
    if sound != "ok":
        raise _Damaged


def _why(error: Exception) -> str:
    match _code(error):
        case sqlite3.SQLITE_BUSY:
            return "is in use by another process"
        case sqlite3.SQLITE_NOTADB:
            return "is not a spool"
        case _:
            return str(error) if isinstance(error, CannotSpool) else f"can't be used: {error}"


def _code(error: Exception) -> int | None:
    """The primary result code of SQLite; None of what is no error of it."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Do something as a whole, or not at all.

    Raises:
        OSError: It was not done.
    """
    try:
        database.execute("BEGIN IMMEDIATE")
        yield database
        database.execute("COMMIT")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise OSError(str(error)) from error


def _batches(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Put lines into batches: how many, and the lines with commas in between."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == BATCH_LINES or size + len(line) > BATCH_BYTES):
            yield len(batch), b",".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield len(batch), b",".join(batch)

"""The file of what decision logs say: its tables, and that it is ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

KEPT_DAYS: Final = 90
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 24 * HOUR
OTHER: Final = 0
"""The number of the kind that stands for all that were not kept apart."""

# "CORR", and the version of the tables, as the tables say it.
_APPLICATION: Final = 0x434F5252
_VERSION: Final = 1
_TABLES: Final = """
BEGIN EXCLUSIVE;
CREATE TABLE batch (instance TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (instance, id)) WITHOUT ROWID;
CREATE INDEX batch_at ON batch (at);
CREATE TABLE kind (number INTEGER PRIMARY KEY, policy TEXT, rule INTEGER, origin TEXT, origins TEXT NOT NULL,
    kind TEXT NOT NULL, method TEXT NOT NULL, allowed INTEGER, reason TEXT NOT NULL, revision TEXT);
CREATE TABLE decisions (hour INTEGER NOT NULL, kind INTEGER NOT NULL, count INTEGER NOT NULL, last TEXT NOT NULL,
    PRIMARY KEY (hour, kind)) WITHOUT ROWID;
CREATE TABLE traffic (minute INTEGER PRIMARY KEY, allowed INTEGER NOT NULL, preflights INTEGER NOT NULL,
    refused INTEGER NOT NULL, other INTEGER NOT NULL);
INSERT INTO kind VALUES (0, NULL, NULL, NULL, 'full', '', '', NULL, '', NULL);
PRAGMA application_id = 0x434F5252;
PRAGMA user_version = 1;
COMMIT;
"""
# What was refused, summed over all hours. Files of earlier programs lack it.
_REFUSED: Final = """
BEGIN EXCLUSIVE;
CREATE TABLE refused (kind INTEGER PRIMARY KEY, count INTEGER NOT NULL, first INTEGER NOT NULL,
    last TEXT NOT NULL);
CREATE INDEX refused_count ON refused (count);
CREATE INDEX kind_page ON kind (policy, origin);
INSERT INTO refused SELECT decisions.kind, sum(count), min(hour), max(last)
    FROM decisions JOIN kind ON number = decisions.kind WHERE allowed = 0 GROUP BY decisions.kind;
COMMIT;
"""
# Of the traffic of a minute, what could not be decided. Files of earlier programs lack it; these must still be able to
# write theirs after a step back.
_UNDECIDED: Final = """
CREATE TABLE undecided (minute INTEGER PRIMARY KEY, count INTEGER NOT NULL);
"""
_MODE: Final = 0o600


class CannotKeep(Exception):
    """The file can't be used; the text says why."""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the file, or make it.

    Raises:
        CannotKeep: It is something else.
    """
    path.touch(_MODE)
    database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        _check(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, path: Path) -> None:
    """Make the tables in an empty file, and see that another one is ours.

    Raises:
        CannotKeep: It is not.
    """
    with closing(database.execute("PRAGMA application_id")) as found:
        (application,) = found.fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if (application, version) == (0, 0) and not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(_TABLES)
    elif (application, version) != (_APPLICATION, _VERSION):
        raise CannotKeep(f"{path} is not a file of this program, or was written by a later version")
    for name, script in (("refused", _REFUSED), ("undecided", _UNDECIDED)):
        if not database.execute("SELECT count(*) FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]:
            database.executescript(script)

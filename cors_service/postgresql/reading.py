"""What is read of the tables; everything but `newest` in a transaction, so that it is of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
from psycopg import errors

from cors_service.ledger.edits import Body
from cors_service.ledger.entry import KINDS, Entry, Head, Key, Signed
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Step
from cors_service.policy.revision import VERSION as FORMAT
from cors_service.postgresql.sentences import BROKEN, DOES_NOT_LOAD, INIT
from cors_service.postgresql.session import Rows

VERSION: Final = 1
"""That of the schema."""
CHANNEL: Final = "cors_head"
"""Where commits are announced."""
MOST_STEPS: Final = 1000
"""Changes that are followed one by one; behind more, it is quicker to read everything."""
MOST_ROWS: Final = 10_000
"""What these may have written, for the same reason."""
MOST_BYTES: Final = 1024 * 1024
"""What that may take, as the server keeps it, unless everything takes more."""

_HEAD: Final = """\
SELECT seq, revision, encode(entry, 'hex'), format, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
FROM cors.head
"""
_ORIGIN: Final = """\
SELECT (SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery()
    THEN (SELECT timeline_id FROM pg_control_checkpoint())
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
END
WHERE has_function_privilege('pg_control_system()', 'execute')
    AND has_function_privilege('pg_control_checkpoint()', 'execute')
"""
_DOCUMENTS: Final = "COPY cors.document (kind, name, body) TO STDOUT (FORMAT binary)"
_ENTRIES: Final = """\
SELECT seq, entry::text, encode(hash, 'hex') FROM cors.ledger WHERE seq > %s ORDER BY seq LIMIT %s
"""
_SIZE: Final = "SELECT count(*), coalesce(sum(pg_column_size(body)), 0) FROM cors.change WHERE seq > %s"
_WHOLE_SIZE: Final = "SELECT coalesce(sum(pg_column_size(body)), 0) FROM cors.document"
_WRITTEN: Final = "SELECT seq, kind, name, body::text FROM cors.change WHERE seq > %s AND digest IS NOT NULL"
_AT: Final = """\
SELECT kind, name, body::text FROM (
    SELECT DISTINCT ON (kind, name) kind, name, digest, body FROM cors.change
    WHERE seq <= %s ORDER BY kind, name, seq DESC
) AS newest WHERE digest IS NOT NULL
"""
_CHANGED: Final = """\
SELECT seq, kind, name, body::text FROM cors.change
WHERE seq <= %s AND (seq, kind, name) > (%s, %s, %s) ORDER BY seq, kind, name LIMIT %s
"""
_PAGE: Final = 1000
# The hash of an entry is that of its text, so the server can check entries, and how they follow each other.
_CHECK: Final = """\
SELECT min(seq) FILTER (WHERE sha256(convert_to(entry::text, 'UTF8')) <> hash
        OR number > %(first)s AND entry ->> 'previous' IS DISTINCT FROM before
        OR entry ->> 'seq' IS DISTINCT FROM number::text OR seq <> number),
    count(*), max(seq)
FROM (
    SELECT seq, entry, hash, lag(encode(hash, 'hex'), 1, '') OVER (ORDER BY seq) AS before,
        greatest(%(first)s, 1) + row_number() OVER (ORDER BY seq) - 1 AS number
    FROM (SELECT seq, entry, hash FROM cors.ledger WHERE seq >= %(first)s ORDER BY seq LIMIT %(most)s) AS kept
) AS entries
"""


class Changed(NamedTuple):
    """A definition that a change wrote or removed, as the ledger keeps it.

    Attributes:
        seq: The number of the change.
        key: What is defined.
        body: The definition; None for one that was removed.
    """

    seq: int
    key: Key
    body: Body | None


def check_schema(connection: Rows, name: str) -> None:
    """Check that this program knows the schema.

    Raises:
        StoreUnavailable: It does not; the text is a sentence that says what to do.
    """
    try:
        row = connection.execute("SELECT version FROM cors.version").fetchone()
    except errors.UndefinedTable:
        row = None
    if row is None:
        raise StoreUnavailable(
            f"{name} has no schema of cors-service in this database: run {INIT}, or name another database."
        )
    [version] = row
    if version < VERSION:
        raise StoreUnavailable(
            f"{name} has the schema of an older cors-service: run {INIT}, which brings it up to date."
        )
    if version > VERSION:
        raise StoreUnavailable(f"{name} has the schema of a newer cors-service: update this program.")


def is_standby(connection: Rows) -> bool:
    """Ask whether a server is a standby."""
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return row is not None and bool(row[0])


def has_news(connection: Rows) -> bool:
    """Take the notifications that have arrived, and say whether there were any."""
    return len(list(connection.notifies(timeout=0))) > 0


def newest(connection: Rows, name: str) -> Head:
    """Read the newest change.

    Raises:
        StoreUnavailable: There is none, or it is in a format of another version.
    """
    row = connection.execute(_HEAD).fetchone()
    if row is None:
        raise StoreUnavailable(f"{name} has a schema, and nothing in it: run {INIT}.")
    seq, revision, entry, document_format, at = row
    if document_format > FORMAT:
        raise StoreUnavailable(f"{name} has policies that a newer cors-service wrote: update this one.", DOES_NOT_LOAD)
    return Head(seq=seq, revision=revision, entry=entry, format=document_format, at=at)


def origin(connection: Rows) -> str | None:
    """Read which history it is; None if that is not to be known."""
    try:
        with connection.transaction():
            row = connection.execute(_ORIGIN).fetchone()
    except (errors.FeatureNotSupported, errors.InsufficientPrivilege, errors.UndefinedFunction):
        row = None  # some that are like PostgreSQL have no history of this kind
    return None if row is None else f"{row[0]}/{row[1]}"


def written(connection: Rows) -> dict[Key, bytes]:
    """Read the JSON of all definitions."""
    found: dict[Key, bytes] = {}
    kinds = {kind.encode(): kind for kind in KINDS}
    with connection.cursor() as cursor, cursor.copy(_DOCUMENTS) as copy:
        for kind, name, body in copy.rows():
            if kind not in kinds:
                raise StoreUnavailable(
                    "The store has definitions of a newer cors-service: update this one.", DOES_NOT_LOAD
                )
            found[Key(kinds[kind], name.decode())] = body
    return found


def written_at(connection: Rows, seq: int) -> dict[Key, bytes] | None:
    """Read the JSON of all definitions as they were after a change; None if there is no such change."""
    if connection.execute("SELECT FROM cors.ledger WHERE seq = %s", (seq,)).fetchone() is None:
        return None
    return {Key(kind, name): body.encode() for kind, name, body in connection.execute(_AT, (seq,))}


def changed(connection: Rows, after: Changed | None, last: int) -> list[Changed]:
    """Read some of what the ledger keeps of changes, in the order of these.

    Args:
        connection: Where to read.
        after: What was read before it; None for nothing.
        last: The number of the last change to read.
    """
    first = (0, "", "") if after is None else (after.seq, after.key.kind, after.key.name)
    return [
        Changed(seq, Key(kind, name), None if body is None else msgspec.json.decode(body))
        for seq, kind, name, body in connection.execute(_CHANGED, (last, *first, _PAGE))
    ]


def entries(connection: Rows, after: int, most: int) -> list[Signed]:
    """Read entries of the ledger.

    Raises:
        StoreUnavailable: One of them is none.
    """
    return [_signed(*row) for row in connection.execute(_ENTRIES, (after, most))]


def steps(connection: Rows, base: Head, head: Head) -> list[Step] | None:
    """Read the changes from one to the newest.

    Args:
        connection: Where to read.
        base: The change before the first.
        head: The newest.

    Returns:
        The changes; None if they don't lead from the one to the other, or are more to read than everything is.
    """
    if not 0 <= head.seq - base.seq <= MOST_STEPS or _is_much(connection, base.seq):
        return None
    known = entries(connection, base.seq - 1, MOST_STEPS + 1)
    if not known or known[0].head != base or known[-1].head != head:
        return None
    signed = known[1:]
    bodies: dict[int, dict[Key, Body]] = {}
    for seq, kind, name, body in connection.execute(_WRITTEN, (base.seq,)) if signed else ():
        bodies.setdefault(seq, {})[Key(kind, name)] = msgspec.json.decode(body)
    return [Step(one, bodies.get(one.entry.seq, {})) for one in signed]


def _is_much(connection: Rows, after: int) -> bool:
    """Whether it is quicker to read everything than what was written after a change."""
    [[rows, size]] = connection.execute(_SIZE, (after,))
    if rows > MOST_ROWS:
        return True
    if size <= MOST_BYTES:
        return False
    [[everything]] = connection.execute(_WHOLE_SIZE)
    return bool(size > everything)


def check_ledger(connection: Rows, name: str, first: int, most: int) -> int:
    """Have the server check some entries of the ledger.

    Args:
        connection: Where to read.
        name: What people call the store.
        first: The number of the entry to go on from, which was checked before; 0 to begin.
        most: How many entries to check.

    Returns:
        What to go on from; 0 behind the last entry.

    Raises:
        StoreUnavailable: Somebody has tampered with them; the text names the first entry that does not fit.
    """
    # The one to go on from is read again: the next must follow it.
    values = {"first": first, "most": most + 1}
    [[broken, count, last]] = connection.execute(_CHECK, values)
    if broken is not None:
        raise StoreUnavailable(
            f"Entry {broken} of the ledger of {name} was changed, or one before it is missing: "
            "run `cors-service ledger verify`.",
            BROKEN,
        )
    return int(last) if count > most else 0


def decoded(bodies: Mapping[Key, bytes]) -> dict[Key, Body]:
    """Give definitions as JSON types."""
    decoder = msgspec.json.Decoder()
    return {key: decoder.decode(body) for key, body in bodies.items()}


def _signed(seq: int, entry: str, entry_hash: str) -> Signed:
    try:
        return Signed(msgspec.json.decode(entry, type=Entry), entry_hash)
    except msgspec.MsgspecError:
        raise StoreUnavailable(f"Entry {seq} of the ledger was changed: it can't be read.", BROKEN) from None

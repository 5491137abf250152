"""What a database needs before it can hold policies: the schema and the roles, as the SQL of this package has them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

from psycopg import IsolationLevel, errors

from cors_service.ledger.definitions import begun
from cors_service.ledger.entry import Head, Key, canonical
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.written import repair
from cors_service.postgresql.address import Address
from cors_service.postgresql.reading import VERSION, entries, newest, written, written_at
from cors_service.postgresql.session import Deadline, Rows, Session, limit

_SECONDS: Final = 60.0
_LOCK: Final = 0x636F7273
"""Only one at a time makes the schema."""
_ROLES: Final = "cors_reader and cors_writer"

_SET_VERSION: Final = """\
INSERT INTO cors.version (version) VALUES (%s) ON CONFLICT (one) DO UPDATE SET version = excluded.version
"""
_ENTRY: Final = "INSERT INTO cors.ledger (seq, entry, hash) VALUES (%s, %s, decode(%s, 'hex'))"
_HEAD: Final = "INSERT INTO cors.head (seq, revision, entry, format, at) VALUES (%s, %s, decode(%s, 'hex'), %s, %s)"
_HAS_ROLES: Final = """\
SELECT count(*) = 2, count(*) = 2 AND bool_and(has_schema_privilege(oid, 'cors', 'USAGE'))
    AND bool_and(has_table_privilege(oid, 'cors.head', 'SELECT'))
    AND bool_or(has_table_privilege(oid, 'cors.ledger', 'INSERT'))
FROM pg_roles WHERE rolname IN ('cors_reader', 'cors_writer')
"""
_PUT_BACK: Final = """\
INSERT INTO cors.document (kind, name, seq, body, digest)
SELECT kind, name, seq, body, digest FROM cors.change WHERE kind = %s AND name = %s ORDER BY change.seq DESC LIMIT 1
ON CONFLICT (kind, name) DO UPDATE SET seq = excluded.seq, body = excluded.body, digest = excluded.digest
"""
_IS_NEWEST: Final = "SELECT FROM cors.head WHERE seq = %s AND entry = decode(%s, 'hex') FOR UPDATE"
_REMOVE: Final = "DELETE FROM cors.document WHERE kind = %s AND name = %s"


def prepare_store(url: str) -> list[str]:
    """Make the schema and the roles, as far as they are missing; it may be repeated.

    Args:
        url: The URL of the database; its user must be allowed to make a schema in it.

    Returns:
        What was done, a sentence each.

    Raises:
        NoSuchStore: The URL can't be read.
        StoreUnavailable: It can't be done; the text is a sentence that says why.
    """
    address = Address.of(url)
    session = Session(address, level=IsolationLevel.READ_COMMITTED, primary=address.has_several)
    try:
        return session.run(lambda connection, deadline: _prepare(connection, deadline, address))
    finally:
        session.close()


def _prepare(connection: Rows, deadline: Deadline, address: Address) -> list[str]:
    deadline.give(_SECONDS)
    with connection.transaction():
        limit(connection, _SECONDS)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        try:
            done = [_make_schema(connection, address), *_begin(connection)]
        except errors.InsufficientPrivilege:
            raise StoreUnavailable(
                f"{address.name} does not let this user make a schema: GRANT CREATE ON DATABASE to it, or run this as "
                "the owner of the database."
            ) from None
        done.append(_make_roles(connection))
    # If this can't be done, there are the schema and the roles all the same.
    return done + _restore(connection, deadline, address)


def _make_schema(connection: Rows, address: Address) -> str:
    there = _version(connection)
    if there == VERSION:
        return f"The schema cors is there already, in version {VERSION}."
    if there is not None and there > VERSION:
        raise StoreUnavailable(f"{address.name} has the schema of a newer cors-service: update this program.")
    connection.execute(_sql("schema.sql"))
    connection.execute(_SET_VERSION, (VERSION,))
    if there is None:
        return f"Made the schema cors, version {VERSION}."
    return f"Brought the schema cors from version {there} to version {VERSION}."


def _version(connection: Rows) -> int | None:
    row = connection.execute("SELECT to_regclass('cors.version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    row = connection.execute("SELECT version FROM cors.version").fetchone()
    return 0 if row is None else int(row[0])


def _begin(connection: Rows) -> list[str]:
    """Write the first entry, so that the head names one from the beginning."""
    if connection.execute("SELECT FROM cors.head").fetchone() is not None:
        return []
    signed = begun(time.time())
    entry = signed.entry
    connection.execute(_ENTRY, (entry.seq, canonical(entry).decode(), signed.hash))
    connection.execute(_HEAD, (entry.seq, entry.revision, signed.hash, entry.format, entry.at))
    return ["Began the ledger: there are no policies yet."]


def _make_roles(connection: Rows) -> str:
    row = connection.execute(_HAS_ROLES).fetchone()
    are_there, have_rights = row or (False, False)
    if have_rights:
        return f"The roles {_ROLES} are there already."
    try:
        with connection.transaction():
            connection.execute(_sql("roles.sql"))
    except errors.InsufficientPrivilege:
        return (
            f"Not made: the roles {_ROLES}, since this user may not. Run this again as somebody who may create roles."
        )
    made = "Gave rights here to the roles" if are_there else "Made the roles"
    return f"{made} {_ROLES}: grant them to those who read and to those who write."


def _restore(connection: Rows, deadline: Deadline, address: Address) -> list[str]:
    """Put back what somebody changed by hand, out of what each change wrote."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        limit(connection, _SECONDS)
        head = newest(connection, address.name)
        known = entries(connection, 0, head.seq)
        kept, there = written_at(connection, head.seq), written(connection)
    # This may take long, and writers need not wait for it.
    found = repair(address.name, head, known, kept or {}, there)
    deadline.give(_SECONDS)
    if found.texts:
        with connection.transaction():
            limit(connection, _SECONDS)
            _write(connection, found.texts, head, address)
    return found.sentences


def _write(connection: Rows, texts: Mapping[Key, bytes | None], head: Head, address: Address) -> None:
    if connection.execute(_IS_NEWEST, (head.seq, head.entry)).fetchone() is None:
        raise StoreUnavailable(f"Somebody has changed {address.name} meanwhile: try again.")
    with connection.cursor() as cursor:
        for statement, is_kept in ((_PUT_BACK, True), (_REMOVE, False)):
            keys = [(key.kind, key.name) for key, text in texts.items() if (text is not None) == is_kept]
            cursor.executemany(statement, keys)


def _sql(name: str) -> bytes:
    return files("cors_service.postgresql").joinpath(name).read_bytes()

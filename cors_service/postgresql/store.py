"""Policies in PostgreSQL with their ledger, for those who change them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple

import msgspec
from msgspec import structs
from psycopg import IsolationLevel
from zope.interface import implementer

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.appending import appended
from cors_service.ledger.definitions import NOTHING, Definitions, DefinitionStore
from cors_service.ledger.edits import Body
from cors_service.ledger.entry import Head, Key, Signed, canonical
from cors_service.ledger.interfaces import IChangeStore
from cors_service.ledger.kept import About, Kept, Outdated, Plan, StoreUnavailable
from cors_service.ledger.source import Step
from cors_service.postgresql.address import SECONDS, Address
from cors_service.postgresql.reading import (
    CHANNEL,
    Changed,
    changed,
    check_schema,
    decoded,
    entries,
    newest,
    steps,
    written,
    written_at,
)
from cors_service.postgresql.sentences import DIFFERS, INIT
from cors_service.postgresql.session import ConnectionLost, Deadline, Rows, Session, limit

_READ_SECONDS: Final = 60.0
_ROWS_PER_SECOND: Final = 1000
"""What even a slow server writes."""

# A confirmed change survives a crash, whatever this database is set to.
_LASTING: Final = """\
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'
"""
# This comes first: the lock on this row puts commits in order.
_TAKE: Final = """\
UPDATE cors.head SET seq = seq + 1, revision = %s, entry = decode(%s, 'hex'), format = %s, at = %s
WHERE seq = %s AND entry = decode(%s, 'hex')
"""
_CHANGED: Final = "COPY cors.change (seq, kind, name, digest, body) FROM STDIN"
_WRITTEN: Final = """\
INSERT INTO cors.document (kind, name, seq, body, digest)
SELECT kind, name, seq, body, digest FROM cors.change WHERE seq = %s AND digest IS NOT NULL
ON CONFLICT (kind, name) DO UPDATE SET seq = excluded.seq, body = excluded.body, digest = excluded.digest
"""
_REMOVED: Final = """\
DELETE FROM cors.document USING cors.change AS gone
WHERE gone.seq = %s AND gone.digest IS NULL AND gone.kind = document.kind AND gone.name = document.name
"""
_ENTRY: Final = "INSERT INTO cors.ledger (seq, entry, hash) VALUES (%s, %s, decode(%s, 'hex'))"
_IS_THERE: Final = "SELECT FROM cors.ledger WHERE seq = %s AND hash = decode(%s, 'hex')"


@implementer(IChangeStore)
class PostgreSQLStore(DefinitionStore):
    """A database with policies and their ledger; see `IChangeStore`.

    Attributes:
        name: What people call it.
        kept: What was read or written last; None before anything was read.
    """

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        """Prepare to use it; nothing is connected yet.

        Args:
            url: The URL of the database.
            now: Gives the time, in seconds since 1970.

        Raises:
            NoSuchStore: The URL can't be read.
        """
        super().__init__()
        self._address = Address.of(url)
        self.name = self._address.name
        self._now = now
        self._reading = Session(self._address, begin=self._begin)
        self._writing = Session(
            self._address,
            begin=self._begin,
            level=IsolationLevel.READ_COMMITTED,
            primary=self._address.has_several,
        )

    def read(self) -> Kept:
        """Read what is there now; see `IChangeStore`."""
        if not self._reading.run(self._follow):
            head, everything = self._reading.run(self._everything)
            self._take(head, everything)
        assert self.kept is not None
        return self.kept

    def commit(self, plan: Plan, about: About) -> Signed:
        """Make a change in one transaction; see `IChangeStore`."""
        signed = appended(plan.base.head, plan, about, self._now())
        touched = {one.key for one in plan.changes}
        bodies = {key: msgspec.json.encode(body) for key, body in plan.bodies.items() if key in touched}
        change = _Change(self.name, plan.base.head, signed, bodies)
        try:
            self._writing.run(change.write, twice=False)
        except ConnectionLost:
            # It may have been broken since it was used last.
            if not self._was_made(signed):
                self._write_again(change)
        self._become(signed.head, plan.work, self.written | bodies)
        return signed

    def entries(self, after: int, most: int) -> list[Signed]:
        """Give entries of the ledger in their order."""

        def read(connection: Rows, deadline: Deadline) -> list[Signed]:
            deadline.give(_READ_SECONDS)
            return entries(connection, after, most)

        return self._reading.run(read)

    def bodies_at(self, seq: int) -> dict[Key, Body]:
        """Give all definitions as they were after a change; see `IChangeStore`."""

        def read(connection: Rows, deadline: Deadline) -> dict[Key, bytes] | None:
            deadline.give(_READ_SECONDS)
            return written_at(connection, seq)

        found = self._reading.run(read)
        if found is None:
            raise LookupError(f"The ledger has no entry {seq}.")
        return decoded(found)

    def bodies_of_changes(self, last: int) -> Iterator[tuple[int, Mapping[Key, Body | None]]]:
        """Give what the ledger keeps of each change; see `IChangeStore`."""
        for seq, rows in groupby(self._changed_rows(last), lambda row: row.seq):
            yield seq, {row.key: row.body for row in rows}

    def close(self) -> None:
        """Let go of the database; any thread may call it."""
        self._reading.close()
        self._writing.close()

    def _changed_rows(self, last: int) -> Iterator[Changed]:
        """Give what changes wrote, page by page."""
        after: Changed | None = None
        while True:
            page = self._reading.run(partial(self._changed_page, after, last))
            yield from page
            if not page:
                return
            after = page[-1]

    def _changed_page(self, after: Changed | None, last: int, connection: Rows, deadline: Deadline) -> list[Changed]:
        deadline.give(_READ_SECONDS)
        return changed(connection, after, last)

    def _begin(self, connection: Rows) -> None:
        check_schema(connection, self.name)

    def _follow(self, connection: Rows, deadline: Deadline) -> bool:
        """Follow the changes since the last look; False if everything is to be read."""
        kept = self.kept
        if kept is None:
            return False
        with connection.transaction():
            limit(connection, _READ_SECONDS, idle=_READ_SECONDS)
            head = newest(connection, self.name)
            if kept.head == head:
                return True
            followed = None if kept.mistakes is not None else steps(connection, kept.head, head)
        return followed is not None and self._take_steps(head, followed)

    def _everything(self, connection: Rows, deadline: Deadline) -> tuple[Head, dict[Key, bytes]]:
        with connection.transaction():
            limit(connection, _READ_SECONDS, idle=_READ_SECONDS)
            return newest(connection, self.name), written(connection)

    def _take_steps(self, head: Head, followed: Iterable[Step]) -> bool:
        """Take changes; False if they don't lead where they should."""
        bodies: dict[Key, Body | None] = {}
        for step in followed:
            for touched in step.signed.entry.changes:
                bodies[touched.key] = None if touched.after is None else step.bodies.get(touched.key)
        try:
            definitions = self.definitions.changed(bodies)
        except InvalidPolicies:
            return False
        if definitions.revision != head.revision:
            return False
        texts = {key: msgspec.json.encode(body) for key, body in bodies.items() if body is not None}
        self._become(head, definitions, self.written | texts)
        return True

    def _take(self, head: Head, everything: dict[Key, bytes]) -> None:
        """Take all that there is.

        Raises:
            InvalidPolicies: It has mistakes, and there was nothing good before.
            StoreUnavailable: It is not what its head says.
        """
        try:
            definitions = Definitions.of(decoded(everything)) if everything else NOTHING
        except InvalidPolicies as invalid:
            if self.kept is None:
                raise
            self.kept = structs.replace(self.kept, head=head, mistakes=invalid)
            return
        if definitions.revision != head.revision:
            raise StoreUnavailable(
                f"What is in {self.name} was changed by hand: it does not have the revision of change {head.seq}. "
                f"Run {INIT}, which restores it.",
                DIFFERS,
            )
        self._become(head, definitions, everything)

    def _become(self, head: Head, definitions: Definitions, texts: dict[Key, bytes]) -> None:
        self.definitions = definitions
        self.written = {key: text for key, text in texts.items() if key in definitions.digests}
        self.kept = Kept(head=head, policy_set=definitions.policy_set, digests=definitions.digests)

    def _write_again(self, change: _Change) -> None:
        try:
            self._writing.run(change.write, twice=False)
        except ConnectionLost:
            if not self._was_made(change.signed):
                raise

    def _was_made(self, signed: Signed) -> bool:
        """Find out whether a change was made before the connection broke."""

        def look(connection: Rows, deadline: Deadline) -> bool:
            with connection.transaction():
                limit(connection)
                # Who was cut off may still be at work: this waits for it.
                connection.execute("SELECT FROM cors.head FOR UPDATE")
                return connection.execute(_IS_THERE, (signed.entry.seq, signed.hash)).fetchone() is not None

        try:
            return self._writing.run(look)
        except StoreUnavailable as error:
            raise StoreUnavailable(
                f"{error} Nobody knows whether change {signed.entry.seq} was made: look at the ledger first."
            ) from None


class _Change(NamedTuple):
    """A change to be written.

    Attributes:
        name: What people call the store.
        base: The change that it follows.
        signed: Its entry.
        bodies: The JSON of the definitions that it writes.
    """

    name: str
    base: Head
    signed: Signed
    bodies: Mapping[Key, bytes]

    def write(self, connection: Rows, deadline: Deadline) -> None:
        """Write it.

        Raises:
            Outdated: What it follows is not the newest change any more.
        """
        entry, base = self.signed.entry, self.base
        seconds = SECONDS + len(entry.changes) / _ROWS_PER_SECOND
        deadline.give(seconds)
        with connection.transaction():
            limit(connection, seconds)
            connection.execute(_LASTING)
            head = (entry.revision, self.signed.hash, entry.format, entry.at, base.seq, base.entry)
            if not connection.execute(_TAKE, head).rowcount:
                raise Outdated(newest(connection, self.name))
            with connection.cursor() as cursor, cursor.copy(_CHANGED) as copy:
                for touched in entry.changes:
                    digest = None if touched.after is None else bytes.fromhex(touched.after)
                    body = None if touched.after is None else self.bodies[touched.key].decode()
                    copy.write_row((entry.seq, touched.kind, touched.name, digest, body))
            connection.execute(_WRITTEN, (entry.seq,))
            connection.execute(_REMOVED, (entry.seq,))
            connection.execute(_ENTRY, (entry.seq, canonical(entry).decode(), self.signed.hash))
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(entry.seq)))

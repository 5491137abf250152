"""Policies in PostgreSQL as replicas read them."""

from __future__ import annotations

import os
import select
from contextlib import suppress
from time import monotonic
from typing import Final

import psycopg
from psycopg import errors
from zope.interface import implementer

from cors_service.ledger.entry import Head
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.source import Everything, IStoreSource, Step
from cors_service.postgresql.address import Address
from cors_service.postgresql.reading import (
    CHANNEL,
    check_ledger,
    check_schema,
    decoded,
    has_news,
    is_standby,
    newest,
    origin,
    steps,
    written,
)
from cors_service.postgresql.sentences import standby
from cors_service.postgresql.session import Deadline, Rows, Session, limit

_CHECK_SECONDS: Final = 60.0
"""The least time between two checks of the ledger."""
_CHECK_SHARE: Final = 100
"""How many times as long as a check takes the next one waits."""
_LONGEST_CHECK: Final = 2.0
"""For which one may go on; less than a server may keep silent."""
_READ_SECONDS: Final = 600.0
"""For which reading policies may go on, over a link that is slow, as long as something comes."""
_MOST_CHECKED: Final = 10_000
"""Entries that are checked at a time, so that it is little work for the server, however long the ledger is."""
_WAKES: Final = 1 << 10


@implementer(IStoreSource)
class PostgreSQLSource:
    """A database that is followed over one connection, which listens for commits and reads.

    Notifications are a hint: they get lost when a connection breaks, or behind a pool. What was committed is found by
    the next look. A standby can't be listened to at all.

    Attributes:
        name: What people call it.
    """

    def __init__(self, url: str, *, check_seconds: float = _CHECK_SECONDS) -> None:
        """Prepare to read; nothing is connected yet.

        Args:
            url: The URL of the database.
            check_seconds: The least time between two checks of the ledger.

        Raises:
            NoSuchStore: The URL can't be read.
        """
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)
        self._address = Address.of(url)
        self.name = self._address.name
        self._session = Session(self._address, begin=self._begin)
        self._primary = Session(self._address, begin=self._check, primary=True)
        self._is_listening = False
        self._check_seconds = check_seconds
        self._check_due = 0.0
        self._has_checked = False
        # What the next check goes on from, and how many entries it checks.
        self._first = 0
        self._most = _MOST_CHECKED

    def __del__(self) -> None:
        os.close(self._woken)
        os.close(self._waking)

    def everything(self) -> Everything:
        """Read all of one moment; see `IStoreSource`."""
        return self._session.run(self._everything)

    def since(self, head: Head) -> list[Step] | None:
        """Read the changes after one; see `IStoreSource`."""

        def read(connection: Rows, deadline: Deadline) -> list[Step] | None:
            self._listen(connection)
            with connection.transaction():
                limit(connection, _READ_SECONDS, idle=_READ_SECONDS)
                found = newest(connection, self.name)
                if found.seq < head.seq and is_standby(connection):
                    return []  # it lags
                return steps(connection, head, found)

        return self._session.run(read)

    def head(self) -> Head:
        """Read the newest change, of a primary; see `IStoreSource`.

        A primary that was replaced and still runs does not know that: it is for those who replace it to stop it.
        """
        found = self._session.run(self._head)
        if found is None:
            found = self._primary_head()
        return found

    def wait(self, seconds: float) -> bool:
        """Wait for a notification; see `IStoreSource`."""
        connection = self._session.connection
        if connection is None or not self._is_listening:
            # Nobody says anything, so there may be something.
            self._sleep(seconds)
            return True
        try:
            if has_news(connection):
                return True
            return self._sleep(seconds, connection.fileno()) and has_news(connection)
        except (psycopg.Error, OSError):
            # It broke, or was closed by another thread.
            self._session.drop()
            return True

    def wake(self) -> None:
        """Let `wait` return; see `IStoreSource`."""
        with suppress(BlockingIOError):
            os.write(self._waking, b"!")

    def close(self) -> None:
        """Let go of the database; see `IStoreSource`."""
        self.wake()
        self._session.close()
        self._primary.close()

    def _everything(self, connection: Rows, deadline: Deadline) -> Everything:
        self._listen(connection)
        # Asked before anything is read: a standby that is promoted meanwhile may have had all changes by then.
        may_lag = is_standby(connection)
        with connection.transaction():
            limit(connection, _READ_SECONDS, idle=_READ_SECONDS)
            head = newest(connection, self.name)
            which = origin(connection)
            bodies = written(connection)
        return Everything(head, decoded(bodies), which, may_lag)

    def _head(self, connection: Rows, deadline: Deadline) -> Head | None:
        if is_standby(connection):
            return None
        self._check_now_and_then(connection)
        return newest(connection, self.name)

    def _primary_head(self) -> Head:
        """Read of the primary where a standby is read."""
        if not self._address.has_several:
            raise StoreUnavailable(standby(self._address))
        try:
            found = self._primary.run(self._head)
        except StoreUnavailable as error:
            raise StoreUnavailable(f"{standby(self._address)} {error}") from None
        if self._address.prefers_primary:
            self._session.drop()
        if found is None:
            raise StoreUnavailable(standby(self._address))
        return found

    def _check_now_and_then(self, connection: Rows) -> None:
        begun = monotonic()
        if begun < self._check_due:
            return
        try:
            with connection.transaction():
                limit(connection, _LONGEST_CHECK)
                self._first = check_ledger(connection, self.name, self._first, self._most)
            self._most = min(2 * self._most, _MOST_CHECKED)
        except errors.QueryCanceled:
            # Entries may be large, or the server busy.
            self._most = max(self._most // 10, 1)
        finally:
            self._has_checked = not connection.broken
            # What is broken is told, and does not keep the newest change from being read.
            now = monotonic()
            self._check_due = now + max(self._check_seconds, (now - begun) * _CHECK_SHARE)

    def _begin(self, connection: Rows) -> None:
        self._is_listening = False
        if self._has_checked:
            # It may be another server than before.
            self._check_due = 0.0
        self._check(connection)

    def _check(self, connection: Rows) -> None:
        check_schema(connection, self.name)

    def _listen(self, connection: Rows) -> None:
        """Have commits announced from now on, before anything is read."""
        if not self._is_listening and not is_standby(connection):
            connection.execute(f"LISTEN {CHANNEL}")
            self._is_listening = True

    def _sleep(self, seconds: float, *descriptors: int) -> bool:
        """Wait until there is something to read, or somebody wakes this thread; say whether there is."""
        ready, _, _ = select.select([self._woken, *descriptors], [], [], seconds)
        if self._woken in ready:
            os.read(self._woken, _WAKES)
            return False
        return bool(ready)

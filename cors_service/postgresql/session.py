"""A connection that is made when it is needed, and given up when it no longer answers."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar, cast

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.waiting import Ready

from cors_service.ledger.kept import StoreUnavailable
from cors_service.postgresql.address import SECONDS, Address
from cors_service.postgresql.sentences import SILENT, failed, not_connected

_Result = TypeVar("_Result")
Rows = Connection[tuple[Any, ...]]

_LIMITS: Final = """\
SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true),
    set_config('idle_in_transaction_session_timeout', %s, true)
"""
_LOCK_MILLISECONDS: Final = 2000

# What goes wrong is told in a sentence, and not by the library.
logging.getLogger("psycopg").setLevel(logging.CRITICAL)


class ConnectionLost(StoreUnavailable):
    """The connection broke: nobody knows what became of what was being done."""


class _Heard(Connection[tuple[Any, ...]]):
    """A connection that knows when something came.

    Attributes:
        heard: When that was last, as `monotonic` has it.
    """

    heard = 0.0

    def wait(self, gen: Generator[Any, Any, _Result], *limits: Any, **more: Any) -> _Result:
        """Do what may have to wait for the server."""
        return super().wait(self._noting(gen), *limits, **more)

    def _noting(self, gen: Generator[Any, Any, _Result]) -> Generator[Any, Any, _Result]:
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready and ready & Ready.R:
                    self.heard = monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return cast(_Result, end.value)


class Session:
    """A connection to a store; one thread at a time uses it."""

    def __init__(
        self,
        address: Address,
        *,
        begin: Callable[[Rows], object] = lambda _: None,
        level: IsolationLevel = IsolationLevel.REPEATABLE_READ,
        primary: bool = False,
    ) -> None:
        """Prepare one; it is made when it is used.

        Args:
            address: Where to.
            begin: Is called with each new connection.
            level: How transactions are isolated.
            primary: Whether only a primary will do.
        """
        self._address = address
        self._begin = begin
        self._level = level
        self._primary = primary
        self._options: dict[str, Any] = {}
        self._connection: _Heard | None = None
        self._closing = Lock()
        self._is_closed = False
        self._busy = Lock()
        self._socket: socket.socket | None = None
        self._deadline: Deadline | None = None

    @property
    def connection(self) -> Rows | None:
        """The connection; None if there is none."""
        return self._connection

    def run(self, work: Callable[[Rows, Deadline], _Result], *, twice: bool = True) -> _Result:
        """Do something with the connection.

        Args:
            work: Does it.
            twice: Whether to do it again with a new connection if the old one is found to be broken.

        Raises:
            StoreUnavailable: It can't be done; the text is a sentence that says why.
        """
        with self._busy:
            return self._run(work, twice=twice)

    def _run(self, work: Callable[[Rows, Deadline], _Result], *, twice: bool) -> _Result:
        was_open = self._connection is not None
        self._deadline = None
        try:
            connection = self._open()
            with self._watch(connection) as deadline:
                return work(connection, deadline)
        except psycopg.Error as error:
            is_broken = self._connection is None or self._connection.broken or self._connection.closed
            sentence = failed(self._address, self._options, error)
        if self._deadline is not None and self._deadline.has_passed:
            sentence, was_open = f"{self._address.name} {SILENT}", False
        if is_broken:
            self.drop()
            if was_open and twice and not self._is_closed:
                return self._run(work, twice=False)
            raise ConnectionLost(sentence)
        raise StoreUnavailable(sentence)

    def drop(self) -> None:
        """Give up the connection."""
        connection, self._connection = self._connection, None
        with self._closing:
            interrupting, self._socket = self._socket, None
            if interrupting is not None:
                interrupting.close()
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Break the connection, whatever is done with it; any thread may call it."""
        self._is_closed = True
        with self._closing:
            if self._socket is not None:
                _break(self._socket)
        # Whoever was waiting has stopped by now.
        if self._busy.acquire(timeout=SECONDS):
            self.drop()
            self._busy.release()

    def _open(self) -> _Heard:
        if self._is_closed:
            raise StoreUnavailable(f"{self._address.name} was closed.")
        if self._connection is None:
            connection = self._connect()
            self._connection = connection
            with self._closing:
                self._socket = _same_socket(connection)
            try:
                with self._watch(connection):
                    self._begin(connection)
            except BaseException:
                self.drop()
                raise
        return self._connection

    def _watch(self, connection: _Heard) -> Deadline:
        self._deadline = Deadline(connection)
        return self._deadline

    def _connect(self) -> _Heard:
        options = self._options = self._address.conninfo()
        error: psycopg.Error | None = None
        for wanted in self._kinds():
            try:
                # Statements are not prepared: a pool between would lose them.
                connection = _Heard.connect(**{**options, **wanted}, autocommit=True, prepare_threshold=None)
            except psycopg.Error as failure:
                error = error or failure
            else:
                connection.isolation_level = self._level
                return connection
        assert error is not None
        raise StoreUnavailable(not_connected(self._address, options, error))

    def _kinds(self) -> Iterator[dict[str, str]]:
        """Which kinds of servers to look for, one after the other."""
        if self._primary or self._address.prefers_primary:
            yield {"target_session_attrs": "primary"}
        if not self._primary:
            yield {}


class Deadline:
    """Breaks a connection that nothing comes from for some seconds: a server that stopped keeps no time of its own.

    Attributes:
        has_passed: Whether it was broken.
    """

    def __init__(self, connection: _Heard) -> None:
        """Prepare to watch a connection."""
        self.has_passed = False
        self._connection = connection
        self._connected = _same_socket(connection)
        self._seconds = float(SECONDS)
        self._last = monotonic()
        self._is_over = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Watch no longer."""
        self._is_over.set()
        self._thread.join()
        self._connected.close()

    def give(self, seconds: float) -> None:
        """Give more time for what comes next."""
        self._seconds = seconds
        self._last = monotonic()

    def _watch(self) -> None:
        while (left := max(self._last, self._connection.heard) + self._seconds - monotonic()) > 0:
            if self._is_over.wait(left):
                return
        self.has_passed = True
        _break(self._connected)


def limit(connection: Rows, seconds: float = SECONDS, *, idle: float = 2 * SECONDS) -> None:
    """Limit what a transaction may take, at the server: what hangs there holds no lock for ever.

    Args:
        connection: Where the transaction has begun.
        seconds: For a statement.
        idle: Between two of them. The server begins to count while what it has sent is still on its way.
    """
    statement, between = (str(int(one * 1000)) for one in (seconds, idle))
    connection.execute(_LIMITS, (statement, str(_LOCK_MILLISECONDS), between))


def _same_socket(connection: Rows) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def _break(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)

"""Asks a web server for a file: over a connection that is kept, within bounds; another thread can end it."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import create_connection, gaierror, socket
from threading import Event, Lock, Timer
from typing import Final, Literal

from msgspec import Struct

from cors_service import __version__
from cors_service.bundle.location import Location, Private
from cors_service.grammar.mistakes import cut
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.sockets import shut
from cors_service.ledger.urls import store_name

SILENCE_SECONDS: Final = 5.0
"""How long a server may say nothing."""

_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    # Caches in between must ask the server: the answer must be what is there now.
    "Cache-Control": "no-cache",
    "User-Agent": f"cors-service/{__version__}",
}
_REDIRECTS: Final = range(300, 400)


class Answer(Struct, frozen=True):
    """What a server answered.

    Attributes:
        status: 200, or one that the caller asked for.
        body: The file, or its beginning if it is larger than it may be; empty where the status is another.
        etag: What the server calls this state of the file; None if it does not.
        date: The time of the server; None if it does not tell it.
    """

    status: int
    body: bytes
    etag: str | None
    date: datetime | None


class Interrupted(StoreUnavailable):
    """Another thread has ended the request."""


class WebServer:
    """A web server that has the files of a bundle. One thread calls all but `interrupt` and `abort`."""

    def __init__(self, location: Location) -> None:
        """Make one, before anything is asked."""
        self._location = location
        self._connection: HTTPConnection | None = None
        self._lock = Lock()
        # What other threads may shut down, and whether and why one did.
        self._socket: socket | None = None
        self._until: Event | None = None
        # When the request that is under way must have ended, in seconds of the clock that never goes back.
        self._deadline = 0.0
        self._ended: Literal["late", "interrupted"] | None = None
        self._is_aborted = False

    def get(
        self,
        suffix: str,
        *,
        most: int,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        taken: tuple[int, ...] = (http.client.OK,),
        silence: float = SILENCE_SECONDS,
        until: Event | None = None,
    ) -> Answer:
        """Ask for a file.

        Args:
            suffix: What follows the name of the bundle in that of the file.
            most: How many bytes of it may matter: one more is read, so that it shows when there are more.
            seconds: How long everything may take.
            headers: What to send beside the usual.
            taken: The statuses that are an answer.
            silence: How many seconds of them the server may say nothing.
            until: Once this is set, `interrupt` ends the request; None for a request that it does not end.

        Raises:
            StoreUnavailable: There is no such answer.
            Interrupted: `interrupt` has ended it.
        """
        is_kept = self._connection is not None
        while True:
            try:
                with self._watched(seconds, until):
                    return self._ask(suffix, most, headers or {}, taken, silence)
            except (OSError, HTTPException, ValueError) as error:
                # A server may close a connection that it has kept at any time; then a new one is tried.
                if not (is_kept and isinstance(error, ConnectionError | HTTPException | ssl.SSLError)):
                    raise StoreUnavailable(f"{self._location.name} can't be read: {_why(error, seconds)}.") from None
                is_kept = False

    def interrupt(self) -> None:
        """End a request that is made with `until`, if one is under way. Any thread may call it."""
        with self._lock:
            if self._until is not None:
                self._end("interrupted")

    def abort(self) -> None:
        """End any request, now and later. Any thread may call it."""
        with self._lock:
            self._is_aborted = True
            if self._socket is None:
                self.close()
            else:
                # Whoever uses it closes it.
                self._end("interrupted")

    def close(self) -> None:
        """Close the connection; the next request makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(
        self, suffix: str, most: int, headers: Mapping[str, str], taken: tuple[int, ...], silence: float
    ) -> Answer:
        private = self._location.private()
        if private.authorization is not None:
            headers = {**headers, "Authorization": private.authorization}
        connection = self._connected(silence, private)
        connection.request("GET", self._location.target(suffix), headers={**_HEADERS, **headers})
        response = connection.getresponse()
        if response.status not in taken:
            raise StoreUnavailable(f"{self._location.name}{suffix} can't be read: {_refusal(response)}.")
        body = _body(response, most) if response.status == http.client.OK else b""
        if response.will_close or not response.isclosed():
            self.close()
        return Answer(response.status, body, response.headers.get("ETag"), _date(response))

    def _connected(self, silence: float, private: Private) -> HTTPConnection:
        """Give the connection that was kept, or a new one."""
        connection = self._connection
        if connection is None:
            connection = self._connection = self._connect(private)
            self._watch(connection)
            if isinstance(connection.sock, ssl.SSLSocket):
                # Only now, because it takes as long as the server likes.
                connection.sock.do_handshake()
        else:
            self._watch(connection)
        connection.sock.settimeout(silence)
        return connection

    def _connect(self, private: Private) -> HTTPConnection:
        location = self._location
        context = _context(private) if location.is_secure else None
        plain = create_connection((location.host, location.port), SILENCE_SECONDS)
        if context is None:
            connection = HTTPConnection(location.host, location.port)
            connection.sock = plain
        else:
            connection = HTTPSConnection(location.host, location.port, context=context)
            connection.sock = context.wrap_socket(plain, server_hostname=location.host, do_handshake_on_connect=False)
        # It must not connect by itself, where nobody watches.
        connection.auto_open = 0
        return connection

    @contextmanager
    def _watched(self, seconds: float, until: Event | None) -> Iterator[None]:
        """Have a request end in time, and when another thread wants it to."""
        self._ended, self._until, self._deadline = None, until, time.monotonic() + seconds
        timer = Timer(seconds, self._too_late)
        timer.daemon = True
        timer.start()
        try:
            yield
            self._check_that_nobody_ended_it()
        except Exception:
            self.close()
            if self._ended == "interrupted":
                raise Interrupted(f"{self._location.name} is not read any more.") from None
            if self._ended == "late":
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
            with self._lock:
                self._socket = self._until = None
                if self._is_aborted:
                    self.close()

    def _check_that_nobody_ended_it(self) -> None:
        # What was shut down may look as if it had come to its end.
        if self._ended is not None:
            raise ConnectionAbortedError

    def _watch(self, connection: HTTPConnection) -> None:
        """Have other threads end what is done with a connection."""
        with self._lock:
            if self._is_aborted or (self._until is not None and self._until.is_set()):
                self._ended = "interrupted"
                raise ConnectionAbortedError
            if time.monotonic() >= self._deadline:
                # As long as it connects, there is nothing to shut down.
                self._ended = "late"
                raise ConnectionAbortedError
            self._socket = connection.sock

    def _too_late(self) -> None:
        with self._lock:
            self._end("late")

    def _end(self, why: Literal["late", "interrupted"]) -> None:
        if self._socket is not None:
            self._ended = why
            shut(self._socket)


def _context(private: Private) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=private.cacert)
    except OSError as error:
        why = error.strerror or "it has no certificate"
        raise StoreUnavailable(f"The authorities in {private.cacert!a} can't be read: {why}.") from None


def _body(response: HTTPResponse, most: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise HTTPException(f"it is sent with the encoding {cut(ascii(encoding))}, which nobody asked for")
    body = response.read(most + 1)
    if response.length and len(body) <= most:
        raise HTTPException("the connection ended in the middle of it")
    return body


def _refusal(response: HTTPResponse) -> str:
    """Say what a status means here."""
    status = response.status
    if status in _REDIRECTS:
        place = response.headers.get("Location", "")
        where = f" {store_name(place)}" if place else " another place"
        return f"the server answers with {status} and leads to{where}; name that URL, if you trust it"
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        return f"the server answers with {status}: it does not let everybody read it"
    if status == http.client.NOT_FOUND:
        return f"the server answers with {status}: there is no such file"
    return f"the server answers with {status}"


def _date(response: HTTPResponse) -> datetime | None:
    try:
        date = parsedate_to_datetime(response.headers.get("Date", ""))
        # It says -0000 where the zone is not known.
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _why(error: Exception, seconds: float) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "name its authority by cacert in the file of credentials, or by SSL_CERT_FILE"
        return f"its certificate is not accepted ({error.verify_message.rstrip('.')}); {hint}"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as this machine does"
    if isinstance(error, TimeoutError):
        return f"no answer came within {seconds:g} seconds"
    if isinstance(error, gaierror):
        return "the name of its server is not known"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return cut(ascii(str(error))[1:-1], 200) or type(error).__name__

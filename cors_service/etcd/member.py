"""Asks one member of a cluster, by its JSON gateway."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any, Final, Generic, NoReturn, Self, TypeVar

import msgspec
from msgspec import Struct

from cors_service.etcd.address import Address, Endpoint
from cors_service.etcd.answers import Failure
from cors_service.etcd.refusals import is_nobody, is_old_token, is_passing, quoted, refused
from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.sockets import shut

SECONDS: Final = 2.0
"""How long a member has to answer: of three, the last one is asked within three confirm intervals."""
LONG: Final = 10.0
"""How long it has for what takes long: to read much, to write."""
_MOST_BYTES: Final = 256 * 1024 * 1024
_SLOWEST: Final = 32_000
"""Bytes per second of the slowest link over which a large answer is waited for."""
_NO_TLS: Final = "it does not speak TLS: write etcd://"

_T = TypeVar("_T")


class Unanswered(Exception):
    """A member did not answer; the text says why, as the end of a sentence."""


class OldToken(Exception):
    """Who asks has to sign in again."""


class Question(Struct, Generic[_T], frozen=True):
    """What is asked.

    Attributes:
        path: What for: `kv/range`.
        body: The request.
        kind: What the answer is.
        seconds: How long a member has to answer.
    """

    path: str
    body: Mapping[str, Any]
    kind: type[_T]
    seconds: float = SECONDS


class Member:
    """A member of a cluster. One thread asks it; `ask_once` and `watch` may be used by others.

    Attributes:
        endpoint: Where it is.
    """

    def __init__(self, address: Address, endpoint: Endpoint) -> None:
        """Make it; nothing is asked yet."""
        self.endpoint = endpoint
        self._address = address
        self._kept: HTTPConnection | None = None

    def ask(self, question: Question[_T], token: str) -> _T:
        """Ask for something, by the connection that is there.

        Raises:
            Refused: Etcd answered with an error.
            OldToken: The token counts no more.
            Unanswered: It does not answer.
            StoreUnavailable: A file that is needed to ask it can't be read.
        """
        kept, self._kept = self._kept, None
        try:
            if kept is None:
                return self._ask(self._connected(), question, token)
            try:
                return self._ask(kept, question, token)
            except ConnectionError:
                # Etcd may have closed it meanwhile.
                return self._ask(self._connected(), question, token)
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(self._why(error)) from error

    def ask_once(self, question: Question[_T], token: str = "") -> _T:
        """Ask for something by a connection of its own; see `ask`."""
        try:
            with closing(self._connected()) as connection:
                return self._exchange(connection, question, token)
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(self._why(error)) from error

    def watch(self, body: Mapping[str, Any], token: str) -> tuple[HTTPConnection, HTTPResponse]:
        """Begin to watch; see `ask`.

        Args:
            body: The request.
            token: Shows who asks.

        Returns:
            The connection, and what it answers line by line, for as long as it does.
        """
        connection: HTTPConnection | None = None
        try:
            connection = self._connected()
            # On a member that is cut off from the others, a watch would stay open and silent without this.
            with _Ending(connection, SECONDS) as ending:
                response = _send(connection, "watch", body, token, {"Grpc-Metadata-hasleader": "true"})
                data = b"" if response.status == http.client.OK else _read(response, ending)
            if response.status != http.client.OK:
                self._refuse(response.status, data)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, OSError | http.client.HTTPException):
                raise Unanswered(self._why(error)) from error
            raise
        return connection, response

    def close(self) -> None:
        """Close the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()

    def _connected(self) -> HTTPConnection:
        connection = self._address.connection(self.endpoint, SECONDS)
        try:
            connection.connect()
        except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError) as error:
            connection.close()
            if not self._address.is_tls:
                raise
            raise Unanswered(_NO_TLS) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _ask(self, connection: HTTPConnection, question: Question[_T], token: str) -> _T:
        """Ask by a connection, and keep it unless that failed."""
        is_good = False
        try:
            answer = self._exchange(connection, question, token)
            is_good = True
        except (StoreUnavailable, OldToken):
            is_good = True
            raise
        finally:
            # Whoever answers may close it after that.
            if is_good and connection.sock is not None:
                self._kept = connection
            else:
                connection.close()
        return answer

    def _exchange(self, connection: HTTPConnection, question: Question[_T], token: str) -> _T:
        assert connection.sock is not None
        connection.sock.settimeout(question.seconds)
        # Each part of the answer has its time; all of it does not have that of all parts.
        with _Ending(connection, 3 * question.seconds) as ending:
            response = _send(connection, question.path, question.body, token)
            data = _read(response, ending)
        if response.status != http.client.OK:
            self._refuse(response.status, data)
        try:
            return msgspec.json.decode(data, type=question.kind, strict=False)
        except ValueError:
            raise self._not_etcd(response.status) from None

    def _refuse(self, status: int, data: bytes) -> NoReturn:
        """Raise what an error means."""
        try:
            failure = msgspec.json.decode(data, type=Failure, strict=False)
        except ValueError:
            if status != http.client.BAD_REQUEST:
                raise self._not_etcd(status) from None
            # What stands before the gateway writes text.
            failure = Failure(data.decode("utf-8", "replace"))
        if self._has_to_sign_in(failure):
            raise OldToken
        if is_passing(failure.code, failure.message) or status == http.client.SERVICE_UNAVAILABLE:
            raise Unanswered(quoted(failure.message) or f"status {status}")
        raise refused(self._address, failure.message)

    def _has_to_sign_in(self, failure: Failure) -> bool:
        """Whether to sign in, or to do so again, and whether that is possible."""
        if is_nobody(failure.message):
            # Authentication was enabled, or the file got its user, after there was no need or no way to sign in.
            return "user" in self._address.private()
        return is_old_token(failure.code, failure.message) and self._address.credentials is not None

    def _not_etcd(self, status: int) -> Unanswered:
        what = "from 3.4 on with its JSON gateway"
        return Unanswered(f"{self.endpoint} does not answer as etcd does, {what} (status {status})")

    def _why(self, error: Exception) -> str:
        """Say why it did not answer, as the end of a sentence, and what to do where that is known."""
        address, text = self._address, str(error)
        # What is seen of a server that closes the connection depends on what arrives first.
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({error.verify_message}): name the authority by ?cacert=FILE"
        if isinstance(error, ssl.SSLError) and ("WRONG_VERSION" in text or "RECORD_LAYER" in text):
            return _NO_TLS
        if isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError) and address.is_tls:
            if "cert" in address.private():
                return "it closes the connection: it may not take the client certificate"
            return "it closes the connection: if it wants a client certificate, name it by ?cert=FILE&key=FILE"
        if isinstance(error, ConnectionResetError | BrokenPipeError | http.client.BadStatusLine):
            return "it closes the connection without an answer: if it speaks TLS, write etcds://"
        if isinstance(error, TimeoutError):
            return "no answer in time"
        if isinstance(error, socket.gaierror):
            return "there is no such host"
        if isinstance(error, OSError) and error.strerror:
            return error.strerror[0].lower() + error.strerror[1:]
        return "it breaks off"


def _send(
    connection: HTTPConnection, path: str, body: Mapping[str, Any], token: str, headers: Mapping[str, str] = {}
) -> HTTPResponse:
    """Send a request with its whole body: the gateway reads a watch to its end before it watches."""
    headers = {"Content-Type": "application/json", **headers}
    if token:
        headers["Authorization"] = token
    connection.request("POST", f"/v3/{path}", msgspec.json.encode(body), headers)
    return connection.getresponse()


class _Ending:
    """Ends what is done with a connection in time, also where a byte comes now and then."""

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        self._sock = connection.sock
        self._end = monotonic() + seconds
        self._is_over = Event()
        self._is_late = False
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Watch no longer.

        Raises:
            TimeoutError: It took longer.
        """
        self._is_over.set()
        self._thread.join()
        # What was shut down may look as if it had come to its end.
        if self._is_late and (error is None or isinstance(error, OSError | http.client.HTTPException)):
            raise TimeoutError

    def came(self, size: int) -> None:
        """Give more time, since so many bytes came."""
        self._end += size / _SLOWEST

    def _watch(self) -> None:
        while (left := self._end - monotonic()) > 0:
            if self._is_over.wait(left):
                return
        self._is_late = True
        shut(self._sock)


def _read(response: HTTPResponse, ending: _Ending) -> bytes:
    """Read an answer, but not without an end."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 20):
        parts.append(part)
        size += len(part)
        ending.came(len(part))
        if size > _MOST_BYTES:
            raise http.client.HTTPException
    # The connection can be used again only when the answer has been read to its end.
    return b"".join(parts) + response.read()

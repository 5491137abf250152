"""Asks etcd by its JSON gateway: one endpoint, and the next one when that does not answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final, TypeVar

import msgspec

from cors_service.etcd.address import Address, Endpoint
from cors_service.etcd.answers import Failure, Token
from cors_service.etcd.refusals import Refused, is_old_token, is_passing, refused
from cors_service.ledger.kept import StoreUnavailable

SECONDS: Final = 2.0
"""How long an endpoint has to answer: of three, the last one is asked within three confirm intervals."""
LONG: Final = 10.0
"""How long it has for what takes long: to read much, to write."""
_PATIENCE: Final = 6.0
_MOST_BYTES: Final = 256 * 1024 * 1024
_SIGNED_OUT: Final = "it forgets at once who has signed in"
_NO_TLS: Final = "it does not speak TLS: write etcd://"

_T = TypeVar("_T")


class Unanswered(Exception):
    """An endpoint did not answer; the text says why, as the end of a sentence."""


class Gateway:
    """A client of etcd.

    One thread uses it; `open_watch` and `endpoint` may be used by another.
    """

    def __init__(self, address: Address) -> None:
        """Make it; nothing is asked yet."""
        self.address = address
        self._current = 0
        self._kept: tuple[Endpoint, HTTPConnection] | None = None
        self._token: str | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint that answered last, or the one to try next."""
        return self.address.endpoints[self._current]

    def call(self, path: str, body: Mapping[str, Any], kind: type[_T], seconds: float = SECONDS) -> _T:
        """Ask for something.

        It may be asked more than once, of several endpoints.

        Args:
            path: What for: `kv/range`.
            body: The request.
            kind: What the answer is.
            seconds: How long each endpoint has.

        Raises:
            Refused: Etcd answered with an error.
            StoreUnavailable: No endpoint answered.
        """
        began = time.monotonic()
        problems: dict[Endpoint, str] = {}
        for _ in self.address.endpoints:
            endpoint = self.endpoint
            try:
                return self._authorized(endpoint, path, body, kind, seconds)
            except Unanswered as error:
                problems[endpoint] = str(error)
                self.leave(endpoint)
            if time.monotonic() - began > max(_PATIENCE, seconds):
                break
        raise StoreUnavailable(self._sentence(problems))

    def leave(self, endpoint: Endpoint) -> None:
        """Ask the next endpoint from now on, if this is the one that is asked."""
        if self.endpoint == endpoint:
            self._current = (self._current + 1) % len(self.address.endpoints)

    def open_watch(self, endpoint: Endpoint, body: Mapping[str, Any]) -> tuple[HTTPConnection, HTTPResponse]:
        """Begin to watch.

        Args:
            endpoint: Where.
            body: The request.

        Returns:
            The connection, and what it answers line by line, for as long as it does.

        Raises:
            Unanswered: It does not answer.
            StoreUnavailable: It refuses, or can't be asked.
        """
        token = self._signed_in(endpoint)
        connection = self._connection(endpoint, SECONDS)
        try:
            # On a member that is cut off from the others, a watch would stay open and silent without this.
            response = self._send(connection, "watch", body, token, {"Grpc-Metadata-hasleader": "true"})
            if response.status != http.client.OK:
                self._check(endpoint, response.status, response.read(_MOST_BYTES))
        except _OldToken:
            self.forget_token()
            connection.close()
            raise Unanswered(_SIGNED_OUT) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unanswered(why(error, self.address)) from error
        except BaseException:
            connection.close()
            raise
        return connection, response

    def forget_token(self) -> None:
        """Sign in again before the next request."""
        self._token = None

    def close(self) -> None:
        """Close the connection that is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept[1].close()

    def __del__(self) -> None:
        # Whoever reads a ledger once does not close the store behind it.
        self.close()

    def _authorized(self, endpoint: Endpoint, path: str, body: Mapping[str, Any], kind: type[_T], seconds: float) -> _T:
        token = self._signed_in(endpoint)
        try:
            return self._ask(endpoint, path, body, kind, seconds, token)
        except _OldToken:
            self.forget_token()
        try:
            return self._ask(endpoint, path, body, kind, seconds, self._signed_in(endpoint))
        except _OldToken:
            raise Unanswered(_SIGNED_OUT) from None

    def _signed_in(self, endpoint: Endpoint) -> str:
        """Give the token to show; nothing if nobody has to sign in."""
        token = self._token
        if token is None:
            token = self._sign_in(endpoint)
            self._token = token
        return token

    def _sign_in(self, endpoint: Endpoint) -> str:
        private = self.address.private()
        if "user" not in private:
            return ""
        body = {"name": private["user"], "password": private["password"]}
        # By a connection of its own, since the thread of the watch does it, too.
        with closing(self._connection(endpoint, SECONDS)) as connection:
            try:
                return self._exchange(endpoint, connection, "auth/authenticate", body, Token, SECONDS, "").token
            except Refused as error:
                if error.is_unused_user:
                    return ""
                raise
            except (OSError, http.client.HTTPException) as error:
                raise Unanswered(why(error, self.address)) from error

    def _ask(
        self, endpoint: Endpoint, path: str, body: Mapping[str, Any], kind: type[_T], seconds: float, token: str
    ) -> _T:
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] != endpoint:
            kept[1].close()
            kept = None
        try:
            if kept is not None:
                # Etcd may have closed it meanwhile.
                with suppress(ConnectionError):
                    return self._kept_exchange(endpoint, kept[1], path, body, kind, seconds, token)
            connection = self._connection(endpoint, seconds)
            return self._kept_exchange(endpoint, connection, path, body, kind, seconds, token)
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(why(error, self.address)) from error

    def _kept_exchange(
        self,
        endpoint: Endpoint,
        connection: HTTPConnection,
        path: str,
        body: Mapping[str, Any],
        kind: type[_T],
        seconds: float,
        token: str,
    ) -> _T:
        try:
            answer = self._exchange(endpoint, connection, path, body, kind, seconds, token)
        except (Refused, _OldToken):
            self._kept = endpoint, connection
            raise
        except BaseException:
            connection.close()
            raise
        self._kept = endpoint, connection
        return answer

    def _exchange(
        self,
        endpoint: Endpoint,
        connection: HTTPConnection,
        path: str,
        body: Mapping[str, Any],
        kind: type[_T],
        seconds: float,
        token: str,
    ) -> _T:
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        response = self._send(connection, path, body, token, {})
        data = _read(response, time.monotonic() + 3 * seconds)
        self._check(endpoint, response.status, data)
        try:
            return msgspec.json.decode(data, type=kind, strict=False)
        except ValueError:
            raise self._not_etcd(endpoint, response.status) from None

    def _send(
        self, connection: HTTPConnection, path: str, body: Mapping[str, Any], token: str, headers: Mapping[str, str]
    ) -> HTTPResponse:
        """Send a request with its whole body: the gateway reads a watch to its end before it watches."""
        headers = {"Content-Type": "application/json", **headers}
        if token:
            headers["Authorization"] = token
        if connection.sock is None:
            self._connect(connection)
        connection.request("POST", f"/v3/{path}", msgspec.json.encode(body), headers)
        return connection.getresponse()

    def _connect(self, connection: HTTPConnection) -> None:
        try:
            connection.connect()
        except (ssl.SSLEOFError, ConnectionResetError) as error:
            if not self.address.is_tls:
                raise
            raise Unanswered(_NO_TLS) from error

    def _check(self, endpoint: Endpoint, status: int, data: bytes) -> None:
        """Raise what an error means."""
        if status == http.client.OK:
            return
        try:
            failure = msgspec.json.decode(data, type=Failure, strict=False)
        except ValueError:
            if status != http.client.BAD_REQUEST:
                raise self._not_etcd(endpoint, status) from None
            failure = Failure(data.decode("utf-8", "replace"))
        if is_old_token(failure.code, failure.message) and self.address.credentials is not None:
            raise _OldToken
        if is_passing(failure.code, failure.message) or status == http.client.SERVICE_UNAVAILABLE:
            raise Unanswered(failure.message[:200] or f"status {status}")
        raise refused(self.address, failure.message)

    def _connection(self, endpoint: Endpoint, seconds: float) -> HTTPConnection:
        return self.address.connection(endpoint, seconds)

    def _not_etcd(self, endpoint: Endpoint, status: int) -> Unanswered:
        return Unanswered(
            f"{endpoint} does not answer as etcd does, from 3.4 on with its JSON gateway (status {status})"
        )

    def _sentence(self, problems: Mapping[Endpoint, str]) -> str:
        reasons = dict.fromkeys(problems.values())
        if len(reasons) == 1:
            return f"{self.address.name} does not answer: {next(iter(reasons))}."
        told = "; ".join(f"{endpoint}: {reason}" for endpoint, reason in problems.items())
        return f"{self.address.name} does not answer: {told}."


class _OldToken(Exception):
    """Who asks has to sign in again."""


def why(error: Exception, address: Address) -> str:
    """Say why an endpoint did not answer, as the end of a sentence, and what to do where that is known."""
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}): name the authority by ?cacert=FILE"
    if isinstance(error, ssl.SSLError) and ("WRONG_VERSION" in text or "RECORD_LAYER" in text):
        return _NO_TLS
    if isinstance(error, ssl.SSLError | ConnectionResetError | BrokenPipeError) and address.is_tls:
        # Who does not take a certificate closes, and what is seen of that depends on what arrives first.
        if "cert" in address.private():
            return "it closes the connection: it may not take the client certificate"
        return "it closes the connection: if it wants a client certificate, name it by ?cert=FILE&key=FILE"
    if isinstance(error, http.client.RemoteDisconnected | http.client.BadStatusLine):
        return "it closes the connection without an answer: if it speaks TLS, write etcds://"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "there is no such host"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return "it breaks off"


def _read(response: HTTPResponse, end: float) -> bytes:
    """Read an answer, but not for ever, and not without an end."""
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 20):
        parts.append(part)
        size += len(part)
        if time.monotonic() > end:
            raise TimeoutError
        if size > _MOST_BYTES:
            raise http.client.HTTPException
    # The connection can be used again only when the answer has been read to its end.
    return b"".join(parts) + response.read()

"""Sends one request and reads the head of its answer: every line as it came, nothing followed, all of it bounded."""

from __future__ import annotations

import re
import socket
import ssl
import time
from contextlib import suppress
from threading import Thread
from typing import Any, Final
from urllib.parse import urlsplit

from cors_service import __version__
from cors_service.browser.headers import values_of
from cors_service.doctor.exchanges import Answer, Question
from cors_service.grammar.mistakes import shown

USER_AGENT: Final = f"cors-service-doctor/{__version__} (+https://github.com/cors-service/cors-service)"
"""What the requests say of themselves."""

SECONDS: Final = 10.0
"""For one request, from the name to the end of the head."""
MOST_HEAD: Final = 256 * 1024
"""Bytes of a head; Chromium takes no more."""
MOST_BODY: Final = 64 * 1024
"""Bytes of a body that are read before the connection is closed, so that an ordinary one ends in order."""
_BODY_SECONDS: Final = 1.0
_MOST_INTERIM: Final = 10

_MOST_JUNK: Final = 8
"""Bytes in which an answer must begin."""

_BLANKS: Final = " \t"
_LINE_END: Final = re.compile(r"[\r\n]+")
_STATUS: Final = re.compile(r"[^ ]* +0*([0-9]{1,6})(.*)")
_SINGLE: Final = ("content-length", "location")

_Address = tuple[int, Any]


class UnreachableError(Exception):
    """There was no answer; the text says why."""


class Connector:
    """Sends requests, each over a connection of its own. It resolves each name once."""

    def __init__(self, seconds: float = SECONDS) -> None:
        """Make one.

        Args:
            seconds: That a request may take.
        """
        self._seconds = seconds
        self._resolved: dict[tuple[str, int], list[_Address]] = {}
        self._tls: ssl.SSLContext | None = None

    def ask(self, question: Question) -> Answer:
        """Send a request.

        Raises:
            UnreachableError: There is no answer.
        """
        parts = urlsplit(question.url)
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        until = time.monotonic() + self._seconds
        try:
            connected = self._connected(host, parts.port or (443 if is_secure else 80), until)
            with connected as plain, self._secured(plain, host, until) if is_secure else plain as connection:
                connection.settimeout(_left(until))
                connection.sendall(_head_of(question))
                return _read(connection, until)
        except ssl.SSLCertVerificationError as error:
            raise UnreachableError(f"The certificate of {host} is not valid: {error.verify_message}.") from None
        except ssl.SSLError as error:
            raise UnreachableError(f"TLS with {host} fails: {error.reason or 'no reason given'}.") from None
        except TimeoutError:
            raise UnreachableError(f"{parts.netloc} did not answer within {self._seconds:g} seconds.") from None
        except OSError as error:
            raise UnreachableError(f"{parts.netloc} can't be reached: {error.strerror or error}.") from None

    def _connected(self, host: str, port: int, until: float) -> socket.socket:
        failure: OSError = OSError("it has no address")
        for family, address in self._addresses(host, port, until):
            connection = socket.socket(family)
            try:
                connection.settimeout(_left(until))
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            else:
                return connection
        raise failure

    def _addresses(self, host: str, port: int, until: float) -> list[_Address]:
        if (host, port) not in self._resolved:
            self._resolved[host, port] = _resolve(host, port, until)
        return self._resolved[host, port]

    def _secured(self, plain: socket.socket, host: str, until: float) -> ssl.SSLSocket:
        self._tls = self._tls or ssl.create_default_context()
        plain.settimeout(_left(until))
        return self._tls.wrap_socket(plain, server_hostname=host)


def _resolve(host: str, port: int, until: float) -> list[_Address]:
    """Look up a name, which Python can't do within a time, in a thread that is left behind if it takes too long."""
    # As browsers do, whatever the system says: https://www.w3.org/TR/secure-contexts/#localhost
    name = "localhost" if host.endswith(".localhost") else host
    found: list[_Address] = []
    failures: list[OSError | UnicodeError] = []

    def look() -> None:
        try:
            found.extend((info[0], info[4]) for info in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failures.append(error)

    thread = Thread(target=look, daemon=True)
    thread.start()
    thread.join(_left(until))
    if failures:
        why = getattr(failures[0], "strerror", None) or "it is not a name"
        raise UnreachableError(f"{host} can't be resolved: {why}.")
    if thread.is_alive():
        raise TimeoutError
    return found


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _head_of(question: Question) -> bytes:
    parts = urlsplit(question.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [("Host", parts.netloc), ("User-Agent", USER_AGENT), *question.lines, ("Connection", "close")]
    if question.method not in {"GET", "HEAD", "OPTIONS"}:
        lines.append(("Content-Length", "0"))
    text = f"{question.method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
    return f"{text}\r\n".encode("latin-1")


def _read(connection: socket.socket, until: float) -> Answer:
    received = b""
    for _ in range(_MOST_INTERIM):
        head, received = _read_head(connection, received, until)
        answer = parse_head(head)
        # https://www.rfc-editor.org/rfc/rfc9110#section-15.2
        if not 100 <= answer.status <= 199:
            _drain(connection, answer, len(received), until)
            return answer
    raise UnreachableError("It sends interim answers without end.")


def _read_head(connection: socket.socket, received: bytes, until: float) -> tuple[bytes, bytes]:
    """Read until the empty line after a head; give the head and what came after it."""
    while True:
        head, empty, rest = received.partition(b"\r\n\r\n")
        bare_head, bare, bare_rest = received.partition(b"\n\n")
        if bare and len(bare_head) < len(head):
            head, empty, rest = bare_head, bare, bare_rest
        if empty:
            return head, rest
        if len(received) > MOST_HEAD:
            raise UnreachableError(f"The head of its answer is longer than {MOST_HEAD // 1024} KiB.")
        connection.settimeout(_left(until))
        data = connection.recv(65536)
        if not data:
            what = "in the middle of the head" if received else "without an answer"
            raise UnreachableError(f"It closes the connection {what}.")
        received += data


def parse_head(head: bytes) -> Answer:
    """Read a head as Chromium does, which is more patient than the standard (`HttpUtil::AssembleRawHeaders`).

    Raises:
        UnreachableError: It is not the head of an answer.
    """
    text = head.decode("latin-1")
    start = text[:_MOST_JUNK].lower().find("http")
    if start < 0:
        raise UnreachableError(f"Its answer is not HTTP/1.1: it begins with {shown(_LINE_END.split(text)[0])}.")
    if "\0" in text:
        raise UnreachableError("The head of its answer has a zero byte, which browsers refuse.")
    first, *lines = _LINE_END.split(text[start:])
    status = _STATUS.match(first)
    found: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in {" ", "\t"} and found:
            # A line that goes on (RFC 9112, section 5.2), which browsers join with a space.
            name, value = found.pop()
            found.append((name, f"{value} {line.strip(_BLANKS)}"))
            continue
        name, colon, value = line.partition(":")
        if colon:
            found.append((name.rstrip(_BLANKS), value))
    # Without a status, it is 200.
    answer = Answer(int(status[1]), status[2].strip(_BLANKS), tuple(found)) if status else Answer(200, "", tuple(found))
    for name in _SINGLE:
        if name == "content-length" and answer.get("transfer-encoding") is not None:
            continue
        if len(set(values_of(answer.lines, name))) > 1:
            raise UnreachableError(f"Its answer has several lines of {name} that differ, which browsers refuse.")
    return answer


def _drain(connection: socket.socket, answer: Answer, received: int, until: float) -> None:
    """Read a body to its end, if that comes soon, so that the server sees an ordinary client."""
    until = min(until, time.monotonic() + _BODY_SECONDS)
    length = answer.get("content-length") or ""
    most = min(int(length), MOST_BODY) if length.isascii() and length.isdigit() and len(length) < 10 else MOST_BODY
    if answer.status in {204, 304}:
        most = 0
    with suppress(OSError):
        while received < most:
            connection.settimeout(_left(until))
            data = connection.recv(65536)
            if not data:
                return
            received += len(data)

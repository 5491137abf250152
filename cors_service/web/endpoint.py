"""What all endpoints have in common: methods, answers, errors as problem+json, the headers of every answer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import chain
from typing import BinaryIO, Final, Protocol, cast

from msgspec import Struct
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from cors_service.decision import BadQuery
from cors_service.wire import write_json

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"
NO_STORE: Final = "no-store"

# Visible ASCII: whatever else a client sends is not worth repeating.
_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")
_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_NOT_FOUND_CODES: Final = frozenset({"unknown-policy", "no-policy-for-url"})

# With twelve bytes, two of 10^12 answers have the same name with a probability of less than 10^-4.
_ID_BYTES: Final = 12
_IDS_AT_A_TIME: Final = 256

HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
"""A Host about which no two readers can disagree (RFC 9110, 7.2)."""

# In any form but this one a target is not about a path here, or not of ASCII (RFC 9112, 3.2.1).
_TARGET: Final = re.compile(rb"/[!-~]*")


class HeaderLines(Protocol):
    """What endpoints read of the headers of a request. Names are given in lower case."""

    def getRawHeaders(self, name: bytes, /) -> Sequence[bytes] | None:
        """The value of each line of a header, or None."""

    def hasHeader(self, name: bytes, /) -> bool:
        """Say whether there is such a line."""


class Asked(Protocol):
    """What endpoints read of a request: an `IRequest` has it, and so has what a channel reads in one piece."""

    method: bytes
    uri: bytes
    path: bytes
    clientproto: bytes
    prepath: list[bytes]
    postpath: list[bytes]
    content: BinaryIO

    @property
    def requestHeaders(self) -> HeaderLines:
        """Those of the request."""


class Answer(Struct):
    """What is answered, but for what is in the answer to this one request alone.

    Attributes:
        status: The HTTP status.
        media_type: Of the body; empty where there is none.
        body: As it is sent, except to HEAD.
        headers: Further headers; their names and values are ASCII and have no line breaks.
        written: What `head()` gave; empty before that.
    """

    status: int
    media_type: str
    body: bytes
    headers: dict[str, str]
    written: bytes = b""

    def lines(self) -> dict[str, str]:
        """The name and value of each header."""
        lines = {"X-Content-Type-Options": "nosniff"}
        # Those of a 304 describe a body that is not sent (RFC 9110, 15.4.5).
        if self.status != 304:
            lines["Content-Length"] = str(len(self.body))
            if self.media_type:
                lines["Content-Type"] = self.media_type
        return lines | self.headers

    def head(self) -> bytes:
        """The status line and the headers as they are sent, each with its line break; written once."""
        if not self.written:
            lines = [f"{name}: {value}\r\n" for name, value in self.lines().items()]
            self.written = f"{_STATUS_LINES[self.status]}{''.join(lines)}".encode("ascii")
        return self.written


class Problem(Exception):
    """An answer that is an error (RFC 9457).

    Attributes:
        status: The HTTP status.
        code: What is wrong, for programs.
        detail: What is wrong, a sentence for people.
        headers: Further headers of the answer.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}

    @classmethod
    def of(cls, error: BadQuery) -> Problem:
        """The problem that a caller's mistake is: what does not exist is a 404, the rest a 400."""
        return cls(404 if error.code in _NOT_FOUND_CODES else 400, error.code, error.message)

    def as_dict(self) -> dict[str, object]:
        """The members of RFC 9457, 3.1, and the code."""
        return {
            "type": f"urn:cors-service:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }

    def answer(self) -> Answer:
        """The problem as an answer."""
        headers = {"Cache-Control": NO_STORE, **self.headers}
        return Answer(self.status, PROBLEM, write_json(self.as_dict()), headers)


class DecisionIds:
    """Names answers, so that a line in somebody's log can be found in ours."""

    def __init__(self) -> None:
        self._names = chain.from_iterable(_random_names())

    def next(self) -> bytes:
        """A name that no other answer has: random, so that it does not tell how many there were."""
        return next(self._names)


def _random_names() -> Iterator[list[bytes]]:
    """Random names, many at a time: to ask the system for each takes several times as long as all the rest."""
    length = 2 * _ID_BYTES
    while True:
        digits = os.urandom(_ID_BYTES * _IDS_AT_A_TIME).hex().encode("ascii")
        yield [digits[at : at + length] for at in range(0, len(digits), length)]


class Endpoint(Resource):
    """A resource that answers at once, and never but with JSON.

    Sub-classes define `answer_GET`, `answer_POST` and so on, which take a request and give an `Answer` or raise
    `Problem` or `BadQuery`. HEAD is answered where GET is.
    """

    _log: Final = Logger()

    def __init__(self, ids: DecisionIds) -> None:
        super().__init__()
        self._ids = ids

    def render(self, request: IRequest) -> int:
        """Answer a request. The answer is written before this returns, so pipelined answers keep their order."""
        detail = ambiguity(request.requestHeaders, getattr(request, "clientproto", b""))
        problem = detail and Problem(400, "request-malformed", detail)
        self._send(request, problem.answer() if problem else self.reply(cast(Asked, request)))
        return NOT_DONE_YET

    def reply(self, request: Asked) -> Answer:
        """Find the answer to a request of which there can't be two opinions where it ends."""
        method = request.method.decode("ascii", "replace")
        try:
            detail = self._oddity(request)
            if detail is not None:
                raise Problem(400, "request-malformed", detail)  # noqa: TRY301 - the answer is made below, as for the rest
            return self._answerer(method)(request)
        except BadQuery as error:
            return Problem.of(error).answer()
        except Problem as problem:
            return problem.answer()
        except Exception:  # noqa: BLE001 - no fault of ours may become an answer that grants anything
            self._log.failure("Can't answer {method} {uri}", method=method, uri=repr(request.uri))
            return Problem(500, "internal", "The service has a fault; its log says more.").answer()

    def own_lines(self, request: Asked) -> list[tuple[bytes, bytes]]:
        """The names and values of the headers that the answer to this one request has."""
        lines = [(b"Cors-Decision-Id", self._ids.next())]
        asked = request.requestHeaders.getRawHeaders(b"x-request-id")
        if asked and _REQUEST_ID.fullmatch(asked[0]):
            lines.append((b"X-Request-ID", asked[0]))
        return lines

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """Nothing lies beneath an endpoint unless it says so."""
        return NotFound(self._ids)

    def _answerer(self, method: str) -> Callable[[Asked], Answer]:
        found: Callable[[Asked], Answer] | None = getattr(self, f"answer_{'GET' if method == 'HEAD' else method}", None)
        if found is None:
            allowed = [name.removeprefix("answer_") for name in dir(self) if name.startswith("answer_")]
            if "GET" in allowed:
                allowed.append("HEAD")
            detail = f"The method {method} is not one of this resource."
            raise Problem(405, "method-not-allowed", detail, {"Allow": ", ".join(sorted(allowed))})
        return found

    def _oddity(self, request: Asked) -> str | None:
        """What is in the head that nobody sends who asks us honestly, and of which each reader may believe another."""
        if not _TARGET.fullmatch(request.uri):
            # Twisted takes off the first character of a target, whatever it is.
            return "The target of the request is not a path of visible ASCII."
        origins = request.requestHeaders.getRawHeaders(b"origin")
        if not origins:
            return None
        if len(origins) > 1:
            return "The request has more than one Origin."
        return None if origins[0].isascii() else "The Origin of the request is not ASCII."

    def _send(self, request: IRequest, answer: Answer) -> None:
        request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode("ascii"))
        # A site of Twisted's own tells its version in it.
        request.responseHeaders.removeHeader(b"Server")
        # Where there is no body, it has no type either.
        request.responseHeaders.removeHeader(b"Content-Type")
        for name, value in answer.lines().items():
            request.setHeader(name, value)
        for own, said in self.own_lines(cast(Asked, request)):
            request.setHeader(own, said)
        # An empty write sends the headers; Twisted leaves out the bodies of HEAD and 304, but complains in its log.
        request.write(b"" if request.method == b"HEAD" else answer.body)
        request.finish()


def ambiguity(headers: Headers, version: bytes) -> str | None:
    """Tell what of a head proxies and servers are known to read in different ways (RFC 9112, 3.2 and 6.1).

    Args:
        headers: Those of the request.
        version: Its version of HTTP, as in its first line.

    Returns:
        A sentence for whoever sent it; None if there is nothing.
    """
    hosts = headers.getRawHeaders(b"host") or ()
    encodings = headers.getRawHeaders(b"transfer-encoding")
    # It has no Transfer-Encoding and need not have a Host.
    is_old = version == b"HTTP/1.0"
    if len(hosts) > 1 or not (hosts or is_old) or not all(map(HOST.fullmatch, hosts)):
        return "The request must have exactly one valid Host."
    if encodings and (is_old or [one.lower() for one in encodings] != [b"chunked"]):
        return "The one Transfer-Encoding that is understood is chunked."
    return None


class NotFound(Endpoint):
    """What answers where nothing is."""

    def reply(self, request: Asked) -> Answer:
        """Answer any method with 404."""
        return Problem(404, "not-found", "There is nothing at this path; /openapi.json lists what there is.").answer()

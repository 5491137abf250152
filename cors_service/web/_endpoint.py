"""What all endpoints have in common: methods, answers, errors as problem+json, the headers of every answer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from itertools import count
from typing import Final

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
_NOT_FOUND_CODES: Final = frozenset({"unknown-policy", "no-policy-for-url"})

# https://www.rfc-editor.org/rfc/rfc9110#name-host-and-authority, as far as no two readers can disagree about it.
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")

# In any form but this one a target is not about a path here, or not of ASCII (RFC 9112, 3.2.1).
_TARGET: Final = re.compile(rb"/[!-~]*")

Answer = tuple[int, str, bytes, Mapping[str, str]]
"""Status, media type, body, and headers that this answer alone has."""


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
        return self.status, PROBLEM, write_json(self.as_dict()), {"Cache-Control": NO_STORE, **self.headers}


class DecisionIds:
    """Names answers, so that a line in somebody's log can be found in ours."""

    def __init__(self) -> None:
        self._prefix = os.urandom(5).hex()
        self._count = count(1)

    def next(self) -> str:
        """A name that no other answer has."""
        return f"{self._prefix}-{next(self._count):x}"


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
        method = request.method.decode("ascii", "replace")
        try:
            detail = ambiguity(request.requestHeaders, getattr(request, "clientproto", b"")) or self._oddity(request)
            if detail is not None:
                raise Problem(400, "request-malformed", detail)  # noqa: TRY301 - the answer is made below, as for the rest
            answer = self._answerer(method)(request)
        except BadQuery as error:
            answer = Problem.of(error).answer()
        except Problem as problem:
            answer = problem.answer()
        except Exception:  # noqa: BLE001 - no fault of ours may become an answer that grants anything
            self._log.failure("Can't answer {method} {uri}", method=method, uri=repr(request.uri))
            answer = Problem(500, "internal", "The service has a fault; its log says more.").answer()
        self._send(request, *answer)
        return NOT_DONE_YET

    def getChild(self, path: bytes, request: IRequest) -> Resource:
        """Nothing lies beneath an endpoint unless it says so."""
        return NotFound(self._ids)

    def _answerer(self, method: str) -> Callable[[IRequest], Answer]:
        found: Callable[[IRequest], Answer] | None = getattr(
            self, f"answer_{'GET' if method == 'HEAD' else method}", None
        )
        if found is None:
            allowed = [name.removeprefix("answer_") for name in dir(self) if name.startswith("answer_")]
            if "GET" in allowed:
                allowed.append("HEAD")
            detail = f"The method {method} is not one of this resource."
            raise Problem(405, "method-not-allowed", detail, {"Allow": ", ".join(sorted(allowed))})
        return found

    def _oddity(self, request: IRequest) -> str | None:
        """What is in the head that nobody sends who asks us honestly, and of which each reader may believe another."""
        origins = request.requestHeaders.getRawHeaders(b"origin") or ()
        if not _TARGET.fullmatch(request.uri):
            # Twisted takes off the first character of a target, whatever it is.
            return "The target of the request is not a path of visible ASCII."
        if len(origins) > 1:
            return "The request has more than one Origin."
        return None if all(map(bytes.isascii, origins)) else "The Origin of the request is not ASCII."

    def _send(self, request: IRequest, status: int, media_type: str, body: bytes, headers: Mapping[str, str]) -> None:
        request.setResponseCode(status, HTTPStatus(status).phrase.encode("ascii"))
        if media_type:
            request.setHeader("Content-Type", media_type)
        request.setHeader("Content-Length", str(len(body)))
        request.setHeader("X-Content-Type-Options", "nosniff")
        request.setHeader("Cors-Decision-Id", self._ids.next())
        # A site of Twisted's own tells its version in it.
        request.responseHeaders.removeHeader(b"Server")
        asked = request.requestHeaders.getRawHeaders(b"x-request-id")
        if asked and _REQUEST_ID.fullmatch(asked[0]):
            request.setHeader(b"X-Request-ID", asked[0])
        for name, value in headers.items():
            request.setHeader(name, value)
        if status == 304:
            # It describes a body that is not sent (RFC 9110, 15.4.5).
            request.responseHeaders.removeHeader("Content-Type")
            request.responseHeaders.removeHeader("Content-Length")
        # An empty write sends the headers; Twisted leaves out the bodies of HEAD and 304, but complains in its log.
        request.write(b"" if request.method == b"HEAD" else body)
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
    if len(hosts) > 1 or not (hosts or is_old) or not all(map(_HOST.fullmatch, hosts)):
        return "The request must have exactly one valid Host."
    if encodings and (is_old or [one.lower() for one in encodings] != [b"chunked"]):
        return "The one Transfer-Encoding that is understood is chunked."
    return None


class NotFound(Endpoint):
    """What answers where nothing is."""

    def render(self, request: IRequest) -> int:
        """Answer any method with 404."""
        detail = "There is nothing at this path; /openapi.json lists what there is."
        self._send(request, *Problem(404, "not-found", detail).answer())
        return NOT_DONE_YET

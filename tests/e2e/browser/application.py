"""An application that asks the decision service about every request, and answers with exactly the headers decided.

On each of its ports it serves pages (``/_page``), cookies (``/_login``) and answers (any other path). A port of its
own is for the tests: what requests came, and which mistake to make on purpose.

The path says what is asked about: ``/NAME/...`` is looked up by its URL, ``/named/NAME/...`` names the policy. The
query says what the answer is like: ``status``, ``to`` (a redirect's target), ``keep`` (seconds in caches), ``image``;
``referrer`` is the referrer policy of a page. A WebSocket is opened if the service allows its handshake.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from base64 import b64decode, b64encode
from hashlib import sha1
from http import HTTPStatus
from pathlib import Path
from typing import Any

import treq
from twisted.internet import defer, endpoints, task
from twisted.internet.interfaces import IReactorCore
from twisted.logger import Logger, globalLogBeginner, textFileLogObserver
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from .faults import FAULTS

OWN_HEADERS = (
    ("Content-Type", "application/json"),
    ("Content-Language", "en"),
    ("ETag", '"1"'),
    ("Last-Modified", "Sat, 01 Nov 2025 08:00:00 GMT"),
    ("Link", '</next>; rel="next"'),
    ("X-Request-Id", "7"),
    ("X-Internal", "not for scripts"),
)
"""What every answer but a preflight's has beside the headers decided, and beside those of ``own_headers``."""

# One transparent pixel.
_IMAGE = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# RFC 6455, 1.3: the key of the handshake, with this behind it, shows that the server knows the protocol.
_SOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSED = b"\x88\x00"
"""The frame that closes a WebSocket."""

SERVER_HEADERS = ("Content-Length", "Date", "Server")
"""What the HTTP server adds."""

HARNESS = Path(__file__).with_name("harness.js")


def own_headers(keep: int = 0) -> tuple[tuple[str, str], ...]:
    """List the application's own headers.

    Args:
        keep: For how many seconds caches may keep the answer; those that may are without a cookie.
    """
    if keep:
        return (*OWN_HEADERS, ("Cache-Control", f"public, max-age={keep}"))
    return (*OWN_HEADERS, ("Cache-Control", "no-store"), ("Set-Cookie", "seen=1; Path=/"))


def _url(request: Request) -> str:
    scheme = "ws" if _is_handshake(request) else "http"
    return f"{scheme}://{request.getHeader('Host')}{request.uri.decode()}"


def _is_handshake(request: Request) -> bool:
    return request.getHeader("Upgrade") == "websocket"


class Page(Resource):
    """A blank page with the script that makes the requests."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Serve it."""
        request.setHeader("Content-Type", "text/html; charset=utf-8")
        for policy in request.args.get(b"referrer", ()):
            request.setHeader(b"Referrer-Policy", policy)
        script = HARNESS.read_bytes()
        return b'<!doctype html><link rel="icon" href="data:,"><body><script>%b</script></body>' % script


class Login(Resource):
    """Sets a cookie, for the host that is asked."""

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """Set it."""
        request.setHeader("Set-Cookie", "session=1; Path=/; SameSite=Lax; HttpOnly")
        return b""


class Answers(Resource):
    """Everything else: what the service decides about.

    Attributes:
        service: The URL to ask, or empty.
        fault: The name of the mistake to make on purpose.
        log: What was received, decided and sent.
    """

    isLeaf = True
    _logger = Logger()

    def __init__(self, reactor: IReactorCore) -> None:
        super().__init__()
        self._agent = Agent(reactor, pool=HTTPConnectionPool(reactor))
        self.service = ""
        self.fault = "none"
        self.log: list[dict[str, Any]] = []

    def render(self, request: Request) -> int:
        """Answer a request of any method."""
        answer = self._open if _is_handshake(request) else self._answer
        answering = defer.ensureDeferred(answer(request))
        answering.addErrback(self._fail, request)
        return NOT_DONE_YET

    def _fail(self, failure: Failure, request: Request) -> None:
        """Answer without any header that was decided, which no case expects."""
        self._logger.failure("No answer to {url}", failure, url=_url(request))
        request.setResponseCode(HTTPStatus.BAD_GATEWAY)
        request.finish()

    async def _answer(self, request: Request) -> None:
        entry = await self._decided(request)
        decision, received = entry["decision"], dict(entry["headers"])
        parameters = {name.decode(): values[0].decode() for name, values in request.args.items()}
        preflight = decision["kind"] == "preflight"
        status = decision["status"] if preflight else int(parameters.get("status", 200))
        lines = FAULTS[self.fault](received, [(name, value) for name, value in decision["headers"]])
        if not preflight:
            lines += own_headers(int(parameters.get("keep", 0)))
        if "to" in parameters and not preflight:
            lines.append(("Location", parameters["to"]))
        self.log.append({**entry, "status": status, "sent": lines})
        body = b"" if preflight else json.dumps({"decided for": received.get("Origin")}).encode()
        if "image" in parameters:
            body = _IMAGE
            lines = [(name, "image/gif" if name == "Content-Type" else value) for name, value in lines]
        request.setResponseCode(status)
        for name, value in lines:
            request.responseHeaders.addRawHeader(name, value)
        if status != HTTPStatus.NO_CONTENT:
            request.setHeader("Content-Length", str(len(body)))
            request.write(body)
        request.finish()

    async def _open(self, request: Request) -> None:
        """Open a WebSocket and close it at once, or refuse it: CORS does not apply, so all depends on the server."""
        entry = await self._decided(request)
        is_allowed = entry["decision"]["allowed"]
        self.log.append({**entry, "status": 101 if is_allowed else 403, "sent": []})
        if not is_allowed:
            request.setResponseCode(HTTPStatus.FORBIDDEN)
            request.finish()
            return
        key = request.requestHeaders.getRawHeaders(b"Sec-WebSocket-Key", [b""])[0] + _SOCKET_KEY
        accept = b64encode(sha1(key, usedforsecurity=False).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        assert request.channel is not None
        assert request.channel.transport is not None
        request.channel.transport.write(b"%bSec-WebSocket-Accept: %b\r\n\r\n%b" % (head, accept, _CLOSED))
        request.channel.loseConnection()

    async def _decided(self, request: Request) -> dict[str, Any]:
        """What came, and what the service decides about it."""
        headers = [(name.decode(), v.decode()) for name, vs in request.requestHeaders.getAllRawHeaders() for v in vs]
        entry = {"method": request.method.decode(), "url": _url(request), "time": time.monotonic(), "headers": headers}
        return {**entry, "decision": await self._ask(request, headers)}

    async def _ask(self, request: Request, headers: list[tuple[str, str]]) -> dict[str, Any]:
        segments = request.path.decode().split("/")
        query: dict[str, Any] = {"method": request.method.decode(), "url": _url(request), "headers": headers}
        if segments[1] == "named":
            query["policy"] = segments[2]
        answer = await treq.post(self.service, json=query, agent=self._agent)
        decision: dict[str, Any] = await answer.json()
        if answer.code != HTTPStatus.OK:
            raise RuntimeError(f"{query} got {decision}")
        return decision


class Root(Resource):
    """Chooses by path: a page, a login, or an answer."""

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers
        self.putChild(b"_page", Page())
        self.putChild(b"_login", Login())

    def getChild(self, path: bytes, request: Request) -> Resource:
        """Give what is not a page."""
        return self._answers


class Control(Resource):
    """For the tests: GET takes what was logged, PUT changes attributes of the answers."""

    isLeaf = True

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self._answers = answers

    def render_GET(self, request: Request) -> bytes:
        """Give the log, and begin a new one."""
        entries, self._answers.log = self._answers.log, []
        return json.dumps(entries).encode()

    def render_PUT(self, request: Request) -> bytes:
        """Set the attributes that the body names."""
        assert request.content is not None
        for name, value in json.loads(request.content.read()).items():
            setattr(self._answers, name, value)
        return b""


async def serve(reactor: IReactorCore, count: int) -> None:
    """Listen, and print on which ports: that of the control, then the others in ascending order.

    Args:
        reactor: Where to run.
        count: The number of ports for pages and answers.
    """
    answers = Answers(reactor)
    root = Root(answers)
    ports = []
    for resource in (Control(answers), *[root] * count):
        endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
        listening = await endpoint.listen(Site(resource))
        ports.append(listening.getHost().port)
    sys.stdout.write(f"ports {json.dumps([ports[0], *sorted(ports[1:])])}\n")
    sys.stdout.flush()
    await defer.Deferred()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    task.react(serve, [parser.parse_args().count])

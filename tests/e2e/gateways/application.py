"""An application that does CORS wrong, on purpose, and tells what it received.

Every answer has headers of CORS that are not those of any policy, a `Vary` of its own, and X-Application, by which
it is known; its body says as JSON what was received, and how many requests were until then. `.../status/NUMBER` is
answered with that status, `.../abort` not at all: the connection is closed. Every method is answered alike, OPTIONS
too.
"""

from __future__ import annotations

import json
import sys
from typing import Final

from twisted.internet import defer, endpoints, task
from twisted.internet.interfaces import IReactorCore
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

OWN_HEADERS: Final = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Credentials", "true"),
    ("Access-Control-Allow-Methods", "*, TRACE"),
    ("Access-Control-Allow-Headers", "*, x-application"),
    ("Access-Control-Allow-Private-Network", "true"),
    ("Access-Control-Expose-Headers", "*"),
    ("Access-Control-Max-Age", "86400"),
    ("Vary", "Accept-Encoding"),
    ("X-Application", "7"),
    ("Content-Type", "application/json"),
]


class Application(Resource):
    """Answers every request."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def render(self, request: Request) -> bytes | int:
        """Answer, or break off."""
        self._count += 1
        *_, parent, name = request.path.split(b"/")
        if name == b"abort":
            request.loseConnection()
            return NOT_DONE_YET
        if parent == b"status":
            request.setResponseCode(int(name))
        for header, value in OWN_HEADERS:
            request.responseHeaders.addRawHeader(header, value)
        assert request.content is not None
        headers = {
            name.decode("latin-1").lower(): [value.decode("latin-1") for value in values]
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        told = {
            "count": self._count,
            "method": request.method.decode("latin-1"),
            "target": request.uri.decode("latin-1"),
            "headers": headers,
            "body": request.content.read().decode("latin-1"),
        }
        return json.dumps(told).encode("ascii")


async def serve(reactor: IReactorCore) -> None:
    """Listen on a port that is free, and say which."""
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    listening = await endpoint.listen(Site(Application()))
    sys.stdout.write(f"port {listening.getHost().port}\n")
    sys.stdout.flush()
    await defer.Deferred()


if __name__ == "__main__":
    task.react(lambda reactor: defer.ensureDeferred(serve(reactor)))

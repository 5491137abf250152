"""A site of Twisted."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

from twisted.internet import defer, endpoints, reactor, task
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

sys.path.insert(0, str(Path(__file__).parents[4]))

from cors_service.client import DecisionClient
from cors_service.policy import read_document
from cors_service.protect.site import ProtectedResource
from tests.e2e.gateways.application import OWN_HEADERS


class Application(Resource):
    """Answers every request."""

    isLeaf = True

    def render(self, request: Request) -> bytes | int:
        """Answer at once, in pieces, or with an error."""
        *_, parent, name = request.path.split(b"/")
        for header, value in OWN_HEADERS:
            request.responseHeaders.addRawHeader(header, value)
        if parent == b"status" and name == b"500":
            raise RuntimeError("on purpose")
        if parent == b"status":
            request.setResponseCode(int(name))
        told = json.dumps(_told(request)).encode("ascii")
        if name != b"streamed":
            return told
        request.write(told[:10])
        reactor.callLater(0, _finish, request, told[10:])
        return NOT_DONE_YET


def _told(request: Request) -> dict[str, Any]:
    assert request.content is not None
    lines = request.requestHeaders.getAllRawHeaders()
    return {
        "method": request.method.decode("latin-1"),
        "target": request.uri.decode("latin-1"),
        "headers": {name.decode().lower(): [value.decode("latin-1") for value in values] for name, values in lines},
        "body": request.content.read().decode("latin-1"),
    }


def _finish(request: Request, rest: bytes) -> None:
    request.write(rest)
    request.finish()


def decider(how: str, what: str) -> Any:
    """Give what decides."""
    if how == "embedded":
        return read_document(tomllib.loads(Path(what).read_text(encoding="utf-8")))
    return DecisionClient(what, timeout=0.5)


async def serve(policies: Any) -> None:
    """Listen on a port that is free, and say which."""
    site = Site(ProtectedResource(Application(), policies, policy="catalogue"))
    listening = await endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(site)
    sys.stdout.write(f"port {listening.getHost().port}\n")
    sys.stdout.flush()
    await defer.Deferred()


if __name__ == "__main__":
    task.react(lambda _: defer.ensureDeferred(serve(decider(*sys.argv[1:]))))

"""A site of Twisted with a WebSocket, behind `ProtectedResource`: each message comes back.

`FILE POLICY` are the file and the policy that decide.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from twisted.internet import defer, endpoints, task
from twisted.internet.interfaces import IReactorCore
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request, Site
from twisted.web.static import Data
from twisted.web.websocket import WebSocketResource, WebSocketTransport

from cors_service.policy import PolicySet, read_document
from cors_service.protect.site import ProtectedResource


class Echo:
    """Sends each message back."""

    _transport: WebSocketTransport

    def negotiationStarted(self, transport: WebSocketTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def negotiationFinished(self) -> None:
        """Wait."""

    def textMessageReceived(self, message: str) -> None:
        """Send it back."""
        self._transport.sendTextMessage(message)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        """Send nothing."""

    def pongReceived(self, payload: bytes) -> None:
        """Send nothing."""

    def connectionLost(self, reason: Failure) -> None:
        """Be done."""


class Echoes:
    """Makes one for each connection."""

    def buildProtocol(self, request: Request) -> Echo:
        """Make one."""
        return Echo()


async def serve(reactor: IReactorCore, policies: PolicySet, policy: str) -> None:
    """Serve it on a port that is free, and say which."""
    root = Resource()
    root.putChild(b"", Data(b"reached", "text/plain"))
    root.putChild(b"socket", WebSocketResource(Echoes()))
    endpoint = endpoints.TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1")
    listening = await endpoint.listen(Site(ProtectedResource(root, policies, policy=policy)))
    sys.stdout.write(f"port {listening.getHost().port}\n")
    sys.stdout.flush()
    await defer.Deferred()


if __name__ == "__main__":
    _, file, policy = sys.argv
    policies = read_document(tomllib.loads(Path(file).read_text(encoding="utf-8")))
    task.react(lambda reactor: defer.ensureDeferred(serve(reactor, policies, policy)))

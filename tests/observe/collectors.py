"""A collector of reports, on a real socket, which may be in any mood."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

ANY_PORT = "tcp:0:interface=127.0.0.1"


class Collector(Resource):
    """Takes each batch once.

    Attributes:
        port: Where it listens.
        status: What it answers; None for no answer.
        headers: Further headers of its answers.
        reports: What it took, by the names of the batches.
        asked: How many reports came, each as often as it did.
        authorizations: The Authorization of each.
        paths: Where each was sent.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.status: int | None = 204
        self.headers: dict[str, str] = {}
        self.reports: dict[str, dict[str, Any]] = {}
        self.asked = 0
        self.authorizations: list[str | None] = []
        self.paths: list[bytes] = []
        self._silent: list[IRequest] = []
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    @property
    def lines(self) -> list[Any]:
        """The lines that it took."""
        return [line for report in self.reports.values() for line in report["lines"]]

    def render_POST(self, request: Any) -> bytes | int:
        """Take a report, or don't."""
        self.asked += 1
        self.paths.append(request.path)
        self.authorizations.append(request.getHeader("authorization"))
        report = json.loads(request.content.read())
        for name, value in self.headers.items():
            request.setHeader(name, value)
        if self.status is not None and 200 <= self.status < 300:
            self.reports.setdefault(report["batch"], report)
        self._told()
        if self.status is None:
            self._silent.append(request)
            request.notifyFinish().addErrback(lambda _: self._silent.remove(request))
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        return b"" if self.status == 204 else b"{}"

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        """Wait until a condition holds behind a report."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._told()
        return waiting

    def _told(self) -> None:
        done = [waiting for condition, waiting in self._waiting if condition()]
        self._waiting = [each for each in self._waiting if each[1] not in done]
        for waiting in done:
            reactor.callLater(0, waiting.callback, None)


class Counting(Site):
    """A site that knows its connections.

    Attributes:
        open: They.
    """

    def __init__(self, resource: Resource) -> None:
        super().__init__(resource)
        self.open: set[Any] = set()

    def buildProtocol(self, addr: Any) -> Any:
        """Take note of a connection until it is lost."""
        channel: Any = super().buildProtocol(addr)
        self.open.add(channel)
        lost = channel.connectionLost

        def connectionLost(reason: Any) -> None:
            self.open.discard(channel)
            lost(reason)

        channel.connectionLost = connectionLost
        return channel


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector until the block ends."""
    collector = Collector()
    site = Counting(collector)
    listening = await endpoints.serverFromString(reactor, ANY_PORT).listen(site)
    collector.port = listening.getHost().port
    try:
        yield collector
    finally:
        await listening.stopListening()
        while site.open:
            await deferLater(reactor, 0.001)

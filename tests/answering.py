"""What can be at the address of a decision service, on real sockets: the service itself, or something that is none."""

from __future__ import annotations

import itertools
import secrets
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final
from unittest.mock import patch

from twisted.internet import endpoints, reactor
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.endpoints import SSL4ServerEndpoint
from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from cors_service.access import Access
from cors_service.policy import read_document
from cors_service.server import DecisionSite
from cors_service.server.channel import DecisionChannel
from cors_service.store import LivePolicies, MemoryPolicyStore
from cors_service.web import Limits, decision_resource
from tests.certificates import Authority, Signed

ANY_PORT = "tcp:0:interface=127.0.0.1"
# Below those that the system gives to connections.
_PORTS: Final = range(15_000, 32_000)

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "policies": {
        "app": {
            "match": ["api.example/app/"],
            "rules": [
                {"origins": ["https://a.example"], "methods": ["GET", "PUT"], "credentials": True, "max_age": 60},
                {"origins": ["https://b.example"]},
            ],
        },
        "open": {"match": ["api.example/open/"], "origins": ["*"]},
    },
}
"""What the service decides by, unless a test says otherwise."""
CHANGED: dict[str, Any] = {"version": 1, "policies": {"app": {"origins": ["https://b.example"], "methods": ["PUT"]}}}
"""What it decides by later."""


class RealService(DecisionSite):
    """The decision service.

    Attributes:
        connections: How many were accepted.
        port: Where it listens, or 0 for no port.
        policies: Who holds its policies.
    """

    def __init__(
        self,
        document: Mapping[str, Any] | None = None,
        *,
        ttl: int = 0,
        where: str | None = None,
        access: Access | None = None,
    ) -> None:
        self.policies = LivePolicies(MemoryPolicyStore({}), reactor)
        if document is not None:
            self.policies.activate(read_document(document))
        tree = decision_resource(self.policies, limits=Limits(ttl=ttl), clock=reactor, access=access)
        super().__init__(tree, reactor)
        self.connections = 0
        # Between its end and its next start, no connection takes the port.
        self._where = where or f"tcp:{free_port()}:interface=127.0.0.1"
        self.port = 0
        self._listening: IListeningPort | None = None
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """Count a connection."""
        self.connections += 1
        return super().buildProtocol(addr)

    async def start(self) -> None:
        """Listen; on the port of before if it did."""
        self._listening = await endpoints.serverFromString(reactor, self._where).listen(self)
        self.port = getattr(self._listening.getHost(), "port", 0)

    async def stop(self) -> None:
        """Be gone, with all connections."""
        if self._listening is not None:
            await maybeDeferred(self._listening.stopListening)
            self._listening = None
            await self.hang_up()

    async def hang_up(self) -> None:
        """Close all connections, and wait until they are."""
        for channel in list(self.channels):
            channel.loseConnection()
        if self.channels:
            self._empty = Deferred()
            await self._empty

    def forget(self, channel: DecisionChannel) -> None:
        """Take note that a connection is closed."""
        super().forget(channel)
        if self._empty is not None and not self.channels:
            empty, self._empty = self._empty, None
            empty.callback(None)


@asynccontextmanager
async def real(
    document: Mapping[str, Any] | None = DOCUMENT,
    *,
    ttl: int = 0,
    where: str | None = None,
    access: Access | None = None,
) -> AsyncIterator[RealService]:
    """Run the service until the block ends."""
    service = RealService(document, ttl=ttl, where=where, access=access)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


class TLSService(RealService):
    """The service, letting in whom an authority has signed."""

    def __init__(self, own: Signed, clients: Authority) -> None:
        super().__init__(DOCUMENT)
        self._options = PrivateCertificate.loadPEM(own.both).options(Certificate.loadPEM(clients.certificate))

    async def start(self) -> None:
        """Listen."""
        self._listening = await SSL4ServerEndpoint(reactor, 0, self._options, interface="127.0.0.1").listen(self)
        self.port = getattr(self._listening.getHost(), "port", 0)


@asynccontextmanager
async def demanding(services: Authority, clients: Authority) -> AsyncIterator[TLSService]:
    """Run a service that one authority has signed, and that lets in whom another has, until the block ends."""
    service = TLSService(services.sign("service"), clients)
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


class Impostor(Factory):
    """Something that is not the service.

    Attributes:
        port: Where it listens.
        asked: What was sent to it.
        connections: How many were accepted.
        heard: Fires when somebody waits for the rest of an answer; for impostors that are silent or drip.
    """

    def __init__(self, talk: Callable[[Talker, bytes], None]) -> None:
        self.talk = talk
        self.asked: list[bytes] = []
        self.connections = 0
        self.open: set[Talker] = set()
        self.port = 0
        self.heard: Deferred[None] = Deferred()
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Talk over a connection."""
        self.connections += 1
        return Talker(self)

    def forget(self, talker: Talker) -> None:
        """Take note that a connection is closed."""
        self.open.discard(talker)
        if self._empty is not None and not self.open:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def told(self) -> None:
        """Take note that somebody waits."""
        if not self.heard.called:
            self.heard.callback(None)

    def closed(self) -> Deferred[None]:
        """Wait until no connection is open."""
        if not self.open:
            return succeed(None)
        self._empty = Deferred()
        return self._empty


class Talker(Protocol):
    """A connection to an impostor."""

    transport: Any

    def __init__(self, impostor: Impostor) -> None:
        self.impostor = impostor
        self.drip: LoopingCall | None = None

    def connectionMade(self) -> None:
        """Take note of it."""
        self.impostor.open.add(self)

    def dataReceived(self, data: bytes) -> None:
        """Answer."""
        self.impostor.asked.append(data)
        self.impostor.talk(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Be quiet."""
        if self.drip is not None and self.drip.running:
            self.drip.stop()
        self.impostor.forget(self)


@asynccontextmanager
async def impostor(talk: Callable[[Talker, bytes], None]) -> AsyncIterator[Impostor]:
    """Have something else listen until the block ends."""
    factory = Impostor(talk)
    listening = await endpoints.serverFromString(reactor, ANY_PORT).listen(factory)
    factory.port = listening.getHost().port
    try:
        yield factory
    finally:
        await listening.stopListening()
        for talker in list(factory.open):
            talker.transport.abortConnection()
        await factory.closed()


def answer(status: str, body: bytes, lines: str = "", *, length: int | None = None) -> bytes:
    """Write an answer."""
    told = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {told}\r\n{lines}\r\n".encode("latin-1") + body


def saying(data: bytes, *, close: bool = False) -> Callable[[Talker, bytes], None]:
    """Say this to whatever is asked."""

    def talk(talker: Talker, _: bytes) -> None:
        talker.transport.write(data)
        if close:
            talker.transport.loseConnection()

    return talk


def silent(talker: Talker, _: bytes) -> None:
    """Say nothing, ever."""
    talker.impostor.told()


def dripping(data: bytes) -> Callable[[Talker, bytes], None]:
    """Say this, then go on with a space every few milliseconds, for ever."""

    def talk(talker: Talker, _: bytes) -> None:
        drops = itertools.count(1)

        def fall() -> None:
            talker.transport.write(b" ")
            if next(drops) == 10:
                # By now, whoever reads has read some.
                talker.impostor.told()

        talker.transport.write(data)
        talker.drip = LoopingCall(fall)
        talker.drip.start(0.005)

    return talk


@contextmanager
def unreachable() -> Iterator[int]:
    """Have something listen that takes no connection, and refuses none, until the block ends; gives its port."""
    crowd = [socket.socket()]
    try:
        crowd[0].bind(("127.0.0.1", 0))
        crowd[0].listen(0)
        port: int = crowd[0].getsockname()[1]
        for _ in range(8):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
            crowd.append(waiting)
        yield port
    finally:
        for one in crowd:
            one.close()


class Resolver:
    """Stands in for the system's, where one name is concerned.

    Attributes:
        ports: Those of 127.0.0.1 that it finds for the name, each as an address of its own.
        asked: How often it was asked for the name.
        fails: Whether it finds nothing.
        may_answer: Whether it answers, rather than have everybody wait.
    """

    NAME = "cors.internal"

    def __init__(self, *ports: int) -> None:
        self.ports = ports
        self.asked = 0
        self.fails = False
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._real = socket.getaddrinfo

    def __call__(self, host: str, port: int, *args: Any, **options: Any) -> Any:
        """Look up addresses, as `socket.getaddrinfo`."""
        if host != self.NAME or options.get("flags"):
            return self._real(host, port, *args, **options)
        self.asked += 1
        # As long as a resolver that is down may take.
        self.may_answer.wait(10)
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in self.ports]


@contextmanager
def resolving(*ports: int) -> Iterator[Resolver]:
    """Have a name resolve to these ports until the block ends."""
    resolver = Resolver(*ports)
    with patch.object(socket, "getaddrinfo", resolver):
        yield resolver
    resolver.may_answer.set()


def free_port() -> int:
    """A port that nobody listens on now, and that no connection takes by chance: who is started again finds it free."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port

"""How a worker accepts connections on a socket that other processes accept on too.

The socket is one, and so is its queue: a worker that dies leaves the connections in it to the others, and a worker
that is busy does not keep any waiting. With a socket for each worker (SO_REUSEPORT) both would be otherwise.
Twisted's own ports are not made for that: adopted, they take up to a hundred connections at once, whoever else has
none, and give a socket in the file system other permissions, and remove it.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IListeningPort,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from cors_service.workers.loads import Loads

GIVE_WAY_SECONDS: Final = 0.001
"""How long a worker leaves a new connection to those that have fewer."""

MOST_IN_A_TURN: Final = 8
"""How many connections a worker takes, if no other has fewer, before it looks at those that it has."""

OUT_OF_FILES_SECONDS: Final = 0.5
"""How long a worker that can open no more files accepts nothing."""

_SHUT_BY_ANOTHER: Final = {errno.EINVAL, errno.EBADF}
_GONE: Final = {errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED, errno.EPERM, errno.EPROTO}


@implementer(IListeningPort)
class Acceptor(FileDescriptor):
    """Accepts connections on a socket, a few in each turn of the reactor, and leaves some to others."""

    reactor: Any
    _log: Final = Logger()

    def __init__(
        self,
        reactor: Any,
        listening: socket.socket,
        factory: IProtocolFactory,
        gives_way: Callable[[], bool],
        *,
        outlives_us: bool = False,
    ) -> None:
        """Make one that does nothing yet.

        Args:
            reactor: What tells that a connection is there.
            listening: The socket, which is closed at the end.
            factory: What makes protocols.
            gives_way: Says whether another worker should have the next connection.
            outlives_us: Whether the socket goes on listening when the service ends, as that of systemd.
        """
        super().__init__(reactor)
        self._socket = listening
        self._factory = factory
        self._gives_way = gives_way
        self._outlives_us = outlives_us
        self._has_waited = False
        self._is_open = True
        self._resuming: IDelayedCall | None = None

    def startListening(self) -> None:
        """Begin to accept."""
        self._factory.doStart()
        self.startReading()

    def stopListening(self) -> Deferred[None]:
        """Accept no more."""
        self.leave()
        if self.fileno() >= 0:
            self._socket.close()
            self._factory.doStop()
        return succeed(None)

    def getHost(self) -> IAddress:
        """The address of the socket."""
        name = self._socket.getsockname()
        if self._socket.family == socket.AF_UNIX:
            return UNIXAddress(name)
        kind = IPv6Address if self._socket.family == socket.AF_INET6 else IPv4Address
        return kind("TCP", *name)

    def leave(self) -> None:
        """Leave all connections to others from now on."""
        self._is_open = False
        self._pause()

    def take_the_rest(self) -> None:
        """Take all connections that wait, and shut the socket for all after the last of them.

        What others do not take would be reset when the socket is closed.
        """
        if self._outlives_us:
            self.leave()
        while self._is_open and self._accept():
            pass
        if self._is_open:
            self.leave()
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError as error:  # another worker was faster
                self._log.debug("The socket is shut already: {error}", error=error)

    def fileno(self) -> int:
        """The descriptor of the socket."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """What the reactor calls it in its log."""
        return type(self).__name__

    def doRead(self) -> None:
        """Accept connections, unless another worker should have them and was not given the time."""
        if not self._has_waited and self._gives_way():
            self._pause(GIVE_WAY_SECONDS)
            return
        self._has_waited = False
        for _ in range(MOST_IN_A_TURN):
            if not self._accept() or self._gives_way():
                break

    def connectionLost(self, reason: Failure) -> None:
        """Another worker has shut the socket: the service is about to stop."""
        self.leave()

    def _accept(self) -> bool:
        """Take up a connection; say whether there may be more."""
        try:
            # Taking it up needs a second file: without one, the connection stays in the queue, where others find it.
            second = os.dup(self._socket.fileno())
            try:
                connection, _ = self._socket.accept()
            finally:
                os.close(second)
        except OSError as error:
            if error.errno in _SHUT_BY_ANOTHER:
                self.leave()
            elif error.errno not in _GONE:
                self._log.error("Can't accept a connection: {error}", error=str(error))
                self._pause(OUT_OF_FILES_SECONDS)
            return error.errno == errno.ECONNABORTED
        with connection:
            connection.setblocking(False)
            try:
                self.reactor.adoptStreamConnection(connection.fileno(), self._socket.family, self._factory)
            except OSError as error:
                # Its client is gone already.
                self._log.debug("A connection is lost: {error}", error=error)
        return True

    def _pause(self, seconds: float | None = None) -> None:
        self.stopReading()
        if self._resuming is not None:
            self._resuming.cancel()
        self._resuming = None if seconds is None else self.reactor.callLater(seconds, self._resume)

    def _resume(self) -> None:
        self._resuming = None
        self._has_waited = True
        self.startReading()


class SharedSocket:
    """What an endpoint takes for the reactor: whatever it is told to listen on, it gets a socket that is there.

    So an endpoint that speaks TLS, or a protocol of proxies, needs not know that its socket is another process's too.
    """

    def __init__(self, reactor: Any, listening: socket.socket, gives_way: Callable[[], bool]) -> None:
        """Make one.

        Args:
            reactor: The reactor, which does all the rest.
            listening: The socket.
            gives_way: Says whether another worker should have the next connection.
        """
        self._reactor = reactor
        self._socket = listening
        self._gives_way = gives_way

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(self, port: int, factory: IProtocolFactory, **_: object) -> Acceptor:
        """Accept on the socket."""
        return self._listen(factory)

    def listenUNIX(self, address: str, factory: IProtocolFactory, **_: object) -> Acceptor:
        """Accept on the socket."""
        return self._listen(factory)

    def listenSSL(self, port: int, factory: IProtocolFactory, contextFactory: Any, **_: object) -> Acceptor:
        """Accept on the socket, and speak TLS."""
        from twisted.protocols.tls import TLSMemoryBIOFactory

        return self._listen(TLSMemoryBIOFactory(contextFactory, False, factory, self._reactor))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Acceptor:
        """Accept on the socket, which systemd listens on."""
        return self._listen(factory, outlives_us=True)

    def _listen(self, factory: IProtocolFactory, *, outlives_us: bool = False) -> Acceptor:
        acceptor = Acceptor(self._reactor, self._socket, factory, self._gives_way, outlives_us=outlives_us)
        acceptor.startListening()
        return acceptor


class PassedSockets:
    """What an endpoint takes for the reactor so that a Unix socket of systemd stays as systemd made it.

    Twisted's own port for it lets everybody connect, and removes it at the end.
    """

    def __init__(self, reactor: Any) -> None:
        """Make one.

        Args:
            reactor: The reactor, which does all the rest.
        """
        self._reactor = reactor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: IProtocolFactory) -> Any:
        """Accept on a socket that listens already."""
        if addressFamily != socket.AF_UNIX:
            return self._reactor.adoptStreamPort(fileDescriptor, addressFamily, factory)
        listening = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        listening.setblocking(False)
        acceptor = Acceptor(self._reactor, listening, factory, lambda: False, outlives_us=True)
        acceptor.startListening()
        return acceptor


def listen_on_shared(
    reactor: Any, description: str, descriptor: int, worker: int, loads: Loads, connections: Callable[[], int]
) -> IStreamServerEndpoint:
    """Make the endpoint of a worker.

    Args:
        reactor: The reactor.
        description: What the endpoint is, as Twisted writes it.
        descriptor: Of the socket that the supervisor listens on for it; it is the endpoint's from now on.
        worker: The number of the worker.
        loads: The numbers of connections.
        connections: How many connections this worker has.

    Returns:
        An endpoint that accepts on the socket.
    """

    def gives_way() -> bool:
        loads.tell(worker, connections())
        return loads.has_more_than_another(worker)

    os.set_inheritable(descriptor, False)
    listening = socket.socket(fileno=descriptor)
    listening.setblocking(False)
    shared = SharedSocket(reactor, listening, gives_way)
    if description.startswith("systemd:"):
        # Which descriptors systemd passes on is known to the first process alone.
        return AdoptedStreamServerEndpoint(shared, os.dup(descriptor), listening.family)
    endpoint: IStreamServerEndpoint = serverFromString(shared, description)
    return endpoint

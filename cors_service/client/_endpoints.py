"""Where a decision service listens."""

from __future__ import annotations

import socket
from concurrent.futures import Future
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IPolicyForHTTPS
from zope.interface import implementer

from cors_service.asking.address import Address
from cors_service.asking.lookup import Addresses, Lookup
from cors_service.client._patience import in_time

_KINDS: Final = {socket.AF_INET: TCP4ClientEndpoint, socket.AF_INET6: TCP6ClientEndpoint}


@implementer(IAgentEndpointFactory)
class ServiceEndpoint:
    """Sends every request to one service."""

    def __init__(self, address: Address, tls: IPolicyForHTTPS, timeout: float, reactor: Any) -> None:
        """Make one.

        Args:
            address: Where the service is.
            tls: The certificates for TLS.
            timeout: Seconds that a decision may take.
            reactor: The reactor.
        """
        self._reactor = reactor
        self._path = address.socket
        self._host = _HostEndpoint(Lookup(address.host, address.tcp_port), timeout, reactor)
        self._tls = tls if address.is_secure else None

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """Give what connects to it."""
        if self._path is not None:
            return UNIXClientEndpoint(self._reactor, self._path)
        if self._tls is None:
            return self._host
        return wrapClientTLS(self._tls.creatorForNetloc(uri.host, uri.port), self._host)


@implementer(IStreamClientEndpoint)
class _HostEndpoint:
    """Tries the addresses of a host, one after the other.

    Twisted's own would look the name up in a thread of the application for each connection, and try the second address
    when the time for a decision is over.
    """

    def __init__(self, lookup: Lookup, timeout: float, reactor: Any) -> None:
        self._lookup = lookup
        self._timeout = timeout
        self._reactor = reactor

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        *others, last = await self._addresses()
        for address in others:
            try:
                return await in_time(self._try(address, factory), self._timeout / (len(others) + 2), self._reactor)
            except (TimeoutError, ConnectError):
                continue
        # It has what is left: a limit for all is above.
        return await self._try(last, factory)

    def _try(self, address: tuple[Any, ...], factory: IProtocolFactory) -> Deferred[IProtocol]:
        family, *_, (host, port, *_) = address
        connecting: Deferred[IProtocol] = _KINDS[family](self._reactor, host, port).connect(factory)
        return connecting

    async def _addresses(self) -> Addresses:
        lookup = self._lookup
        if lookup.is_number:
            return lookup.known
        known = lookup.known
        try:
            looking = self._found(lookup.look())
            # Half of the time is left to use what is known.
            return await (in_time(looking, self._timeout / 2, self._reactor) if known else looking)
        except (TimeoutError, RuntimeError):
            if known:
                return known
            raise

    def _found(self, looking: Future[Addresses]) -> Deferred[Addresses]:
        """Bring what a thread finds to the reactor's."""
        found: Deferred[Addresses] = Deferred()

        def tell() -> None:
            error = looking.exception()
            if error is None:
                found.callback(looking.result())
            else:
                found.errback(error)

        looking.add_done_callback(lambda _: self._reactor.callFromThread(tell))
        return found

"""Listens on endpoints, and stops without losing an answer."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from typing import Any, Final, Self

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.tcp import Port
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service._twisted import endpoint_path
from cors_service.server.left_behind import remove_left_behind
from cors_service.server.site import DecisionSite


class CannotServe(SystemExit, Exception):
    """Ends the process without a traceback; an error to twistd, which reports it to whoever starts a daemon."""

    _log: Final = Logger()
    _reasons: tuple[str, ...] = ()

    @classmethod
    def because(cls, *reasons: str) -> Self:
        """Make one, and put the reasons into the log and on standard error."""
        for reason in reasons:
            cls._log.error("{reason}", reason=reason)
            # twistd has replaced standard error by its log by now.
            if sys.__stderr__ is not None:
                sys.__stderr__.write(f"cors-service: {reason}\n")
        made = cls(1)
        made._reasons = reasons
        return made

    def __str__(self) -> str:
        # What twistd prints for a daemon, whose standard error is gone. The status is in `code`.
        return "; ".join(self._reasons)


class Listener:
    """Listens on endpoints, once.

    Attributes:
        ports: The open ports, each with its endpoint.
    """

    _log: Final = Logger()

    def __init__(self, endpoints: Sequence[tuple[str, IStreamServerEndpoint]], factory: IProtocolFactory) -> None:
        """Make a listener.

        Args:
            endpoints: Where to listen, each endpoint with its description.
            factory: Makes the protocols.
        """
        self.ports: list[tuple[IListeningPort, IStreamServerEndpoint]] = []
        self._endpoints = endpoints
        self._factory = factory
        self._has_begun = False

    def listen(self) -> None:
        """Listen, unless that has been done.

        Raises:
            CannotServe: An endpoint can't be listened on.
        """
        if self._has_begun:
            return
        self._has_begun = True
        failures: list[str] = []
        for description, endpoint in self._endpoints:
            if path := endpoint_path(endpoint):
                remove_left_behind(path)
            listening: Deferred[IListeningPort] = endpoint.listen(self._factory)
            listening.addCallbacks(
                self._listens,
                lambda failure, what=description: failures.append(_why(what, failure)),
                callbackArgs=(endpoint,),
            )
        if failures:
            raise CannotServe.because(*failures)

    def stop(self) -> Deferred[Any]:
        """Stop listening."""
        ports, self.ports = self.ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port, _ in ports])

    def _listens(self, port: IListeningPort, endpoint: IStreamServerEndpoint) -> None:
        self.ports.append((port, endpoint))
        self._log.info("Listening on {address}", address=port.getHost())


class DecisionServer(Service):
    """Serves a site on endpoints."""

    def __init__(
        self,
        site: DecisionSite,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        *,
        drain_timeout: float,
    ) -> None:
        """Make a server.

        Args:
            site: The site to serve.
            endpoints: Where to listen, each endpoint with its description.
            drain_timeout: Seconds that requests in flight have to end when the server stops.
        """
        self._listener = Listener(endpoints, site)
        self._site = site
        self._drain_timeout = drain_timeout

    @property
    def ports(self) -> list[IListeningPort]:
        """The open ports."""
        return [port for port, _ in self._listener.ports]

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind to any port."""
        super().privilegedStartService()
        self._listener.listen()

    def startService(self) -> None:
        """Listen.

        Raises:
            CannotServe: An endpoint can't be listened on; the reason is in the log and on standard error.
        """
        super().startService()
        self._listener.listen()

    def stopService(self) -> Deferred[Any]:
        """Answer the requests in flight, accept no more connections, close."""
        super().stopService()
        return self._site.drain(self._drain_timeout, self._stop_listening)

    def _stop_listening(self) -> Deferred[Any]:
        for port, endpoint in self._listener.ports:
            # A socket that was passed in, as systemd does, goes on listening, and its queue stays.
            if isinstance(port, Port) and not isinstance(endpoint, AdoptedStreamServerEndpoint):
                _accept_waiting(port)
        return self._listener.stop()


def _accept_waiting(port: Port) -> None:
    """Accept the connections that wait in the system's queue: closing the port would reset them.

    The port is shut down at once after the last of them; in the next turn of the reactor, others would wait.
    """
    port.numberAccepts = sys.maxsize
    port.doRead()
    port.socket.shutdown(socket.SHUT_RDWR)


def _why(description: str, failure: Failure) -> str:
    error = failure.value
    cause = error.socketError if isinstance(error, CannotListenError) else error
    if cause == "Cannot acquire lock":
        cause = "another process listens on it"
    return f"cannot listen on {description}: {cause.strerror or cause if isinstance(cause, OSError) else cause}"

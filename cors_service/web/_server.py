"""Listens on endpoints, and stops without losing an answer."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IStreamServerEndpoint
from twisted.internet.tcp import Port
from twisted.logger import Logger
from twisted.python.failure import Failure

from cors_service.web._site import DecisionSite


class CannotServe(SystemExit, Exception):
    """Ends the process without a traceback, and is an error to twistd, which tells whoever started a daemon."""


class DecisionServer(Service):
    """Serves a site on endpoints.

    Attributes:
        ports: What is listened on now.
    """

    _log: Final = Logger()

    def __init__(
        self,
        site: DecisionSite,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        *,
        drain_timeout: float,
    ) -> None:
        """Make a server.

        Args:
            site: What is served.
            endpoints: Where, each with its description.
            drain_timeout: Seconds that requests in flight have to end when the server stops.
        """
        self.ports: list[IListeningPort] = []
        self._own: list[Port] = []
        self._site = site
        self._endpoints = endpoints
        self._drain_timeout = drain_timeout
        self._asked = False

    def privilegedStartService(self) -> None:
        """Listen while the process may still bind to any port."""
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """Listen.

        Raises:
            CannotServe: An endpoint can't be had; the reason is in the log and on standard error.
        """
        super().startService()
        self._listen()

    def stopService(self) -> Deferred[Any]:
        """Accept no more connections, answer what was asked, close."""
        super().stopService()
        ports, self.ports = self.ports, []
        for port in self._own:
            _take_up_the_rest(port)
        closing = gatherResults([maybeDeferred(port.stopListening) for port in ports])
        return closing.addCallback(lambda _: self._site.drain(self._drain_timeout))

    def _listen(self) -> None:
        if self._asked:
            return
        self._asked = True
        failures: list[str] = []
        for description, endpoint in self._endpoints:
            listening: Deferred[IListeningPort] = endpoint.listen(self._site)
            listening.addCallbacks(
                self._listens,
                lambda failure, what=description: failures.append(_why(what, failure)),
                callbackArgs=(endpoint,),
            )
        if failures:
            for failure in failures:
                self._log.error("{failure}", failure=failure)
                # twistd has put its log in the place of standard error by now.
                if sys.__stderr__ is not None:
                    sys.__stderr__.write(f"cors-service: {failure}\n")
            raise CannotServe(1)

    def _listens(self, port: IListeningPort, endpoint: IStreamServerEndpoint) -> None:
        self.ports.append(port)
        # A socket that was handed over, as systemd does, goes on listening, and its queue stays.
        if isinstance(port, Port) and not isinstance(endpoint, AdoptedStreamServerEndpoint):
            self._own.append(port)
        self._log.info("Listening on {address}", address=port.getHost())


def _take_up_the_rest(port: Port) -> None:
    """Take up the connections that wait in the system's queue: closing the port would reset them.

    The port is shut at once behind the last of them, and not in the next turn of the reactor, when others would wait.
    """
    port.numberAccepts = sys.maxsize
    port.doRead()
    port.socket.shutdown(socket.SHUT_RDWR)


def _why(description: str, failure: Failure) -> str:
    error = failure.value
    cause = error.socketError if isinstance(error, CannotListenError) else error
    return f"cannot listen on {description}: {cause.strerror or cause if isinstance(cause, OSError) else cause}"

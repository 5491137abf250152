"""The certificates of endpoints while the service runs: read again when told to, and looked at each day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

from cors_service.daemon.start import Endpoint
from cors_service.server.https import IReloadingEndpoint

DAY_SECONDS: Final = 24 * 3600.0


class Certificates(Service):
    """Warns at the start, after each reading, and daily, of certificates that expire soon or are not valid."""

    def __init__(self, endpoints: Iterable[Endpoint], reactor: Any, *, warns: bool = True) -> None:
        """Make one.

        Args:
            endpoints: The endpoints; those without certificates are passed over.
            reactor: Tells the time.
            warns: Whether to warn: of several workers, one does.
        """
        self._endpoints = [endpoint for _, endpoint in endpoints if IReloadingEndpoint.providedBy(endpoint)]
        self._warns = warns and bool(self._endpoints)
        self._daily = LoopingCall(self._warn)
        self._daily.clock = reactor

    def startService(self) -> None:
        """Warn, and again each day."""
        super().startService()
        if self._warns:
            self._daily.start(DAY_SECONDS)

    def stopService(self) -> None:
        """Warn no more."""
        super().stopService()
        if self._daily.running:
            self._daily.stop()

    def reload(self) -> None:
        """Read all files again; what is wrong with them is in the log."""
        for endpoint in self._endpoints:
            endpoint.reload()
        if self._warns:
            self._warn()

    def _warn(self) -> None:
        for endpoint in self._endpoints:
            endpoint.warn()

"""Tells systemd when the service is ready, reloads and stops, as sd_notify(3) describes it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final, Self

from twisted.application.service import Service
from twisted.logger import Logger

VARIABLE: Final = "NOTIFY_SOCKET"
SEND_SECONDS: Final = 1.0
"""How long a full queue of the service manager may hold up the reactor."""


class Notifier(Service):
    """Sends datagrams to the service manager; says nothing where there is none."""

    _log: Final = Logger()

    def __init__(self, address: str | None = None) -> None:
        """Make a notifier.

        Args:
            address: The path of a datagram socket; `@` in front stands for an abstract one. None for no manager.
        """
        self._address = address
        self._is_ready = False

    @classmethod
    def of(cls, environment: MutableMapping[str, str] = os.environ) -> Self:
        """Make the notifier of this process, and keep the address from the processes that it starts.

        Args:
            environment: The variables of this process; the one with the address is removed.
        """
        return cls(environment.pop(VARIABLE, None))

    def startService(self) -> None:
        """Expect to be ready some time."""
        super().startService()
        self._is_ready = False

    def ready(self) -> None:
        """Say that the service serves."""
        self._is_ready = True
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that the policies are read again; `reloaded` is to follow."""
        if self._is_ready:
            # A manager of Type=notify-reload wants to know that this is later than its signal.
            self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def reloaded(self) -> None:
        """Say that the service is as it was before, or has newer policies."""
        if self._is_ready:
            self._send("READY=1")

    def stopService(self) -> None:
        """Say that the service stops; nothing follows."""
        super().stopService()
        self._is_ready = False
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(SEND_SECONDS)
                sender.sendto(message.encode("ascii"), os.fsencode(address))
        except OSError as error:
            self._log.error("Can't tell the service manager {message!r}: {error}", message=message, error=str(error))

"""Looks up the addresses of a service's host, within the time of a decision."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

Addresses = Sequence[tuple[int, int, int, str, tuple[Any, ...]]]
"""What `socket.getaddrinfo` gives."""


class Lookup:
    """Looks a host up for all who ask its service. Several threads may use it at once.

    A resolver that is down may take its time, and can't be interrupted. So one thread looks the host up for all who
    wait, and nobody waits for its end. While it finds nothing, the last addresses are good.

    Attributes:
        known: The last addresses; none before they are found.
        is_number: Whether the host is an IP address: it is known from the start.
    """

    def __init__(self, host: str, port: int) -> None:
        """Make one. It looks nothing up until somebody needs it.

        Args:
            host: The name of the host, or its IP address, which needs no look-up.
            port: The port of the service.
        """
        self._host: Final = host
        self._port: Final = port
        self.known: Addresses = ()
        self._looking: Future[Addresses] | None = None
        self._lock = threading.Lock()
        with suppress(OSError, ValueError):
            self.known = self._found(socket.AI_NUMERICHOST)
        self.is_number: Final = bool(self.known)

    def addresses(self, seconds: float) -> Addresses:
        """Give the addresses, in the order in which to try them.

        Args:
            seconds: How long that may take; where addresses are known, half of it, which leaves time to use them.

        Raises:
            OSError: The host is not found, or not in time.
            ValueError: It can't be the name of a host.
        """
        if self.is_number:
            return self.known
        try:
            return self.look().result(seconds / 2 if self.known else seconds)
        except (TimeoutError, RuntimeError) as error:
            if self.known:
                return self.known
            why = "it takes too long" if isinstance(error, TimeoutError) else error
        # Not a TimeoutError, which would say something about connections.
        raise OSError(f"{self._host} can't be looked up: {why}")

    def look(self) -> Future[Addresses]:
        """Look the host up, unless a thread is at it.

        Returns:
            A future of the addresses, or of the last ones if there are none now. It is called back in that thread.

        Raises:
            RuntimeError: There is no thread for it.
        """
        with self._lock:
            if self._looking is None:
                looking: Future[Addresses] = Future()
                # It does not hold up the end of the process.
                threading.Thread(target=self._run, args=(looking,), name="cors-lookup", daemon=True).start()
                self._looking = looking
            return self._looking

    def _run(self, looking: Future[Addresses]) -> None:
        error: Exception | None = None
        try:
            self.known = self._found()
        except (OSError, ValueError) as failure:
            error = failure
        with self._lock:
            self._looking = None
        if error is None or self.known:
            looking.set_result(self.known)
        else:
            looking.set_exception(error)

    def _found(self, flags: int = 0) -> Addresses:
        return socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)

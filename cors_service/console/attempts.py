"""Attempts to sign in: from one address, only some of them may fail."""

from __future__ import annotations

from collections import deque
from ipaddress import IPv6Address, ip_network
from typing import Final

from twisted.internet.interfaces import IReactorTime

from cors_service.console.proxies import ip_of

MOST_FAILURES: Final = 10
"""Failures of an address within `WINDOW_SECONDS`; then it has to wait."""
WINDOW_SECONDS: Final = 60.0
MOST_ADDRESSES: Final = 10_000
_NETWORK_BITS: Final = 64


class Attempts:
    """Counts attempts that failed, by address."""

    def __init__(self, clock: IReactorTime) -> None:
        """Make one.

        Args:
            clock: The reactor.
        """
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def seconds_to_wait(self, address: str) -> int:
        """Say for how many seconds an address has to wait; 0 if it may try."""
        times = self._failures.get(_network(address))
        if times is None or len(times) < MOST_FAILURES:
            return 0
        return max(0, int(times[0] + WINDOW_SECONDS - self._clock.seconds()) + 1)

    def failed(self, address: str) -> None:
        """Take note that an attempt failed."""
        name = _network(address)
        times = self._failures.pop(name, None)
        if times is None:
            times = deque(maxlen=MOST_FAILURES)
            if len(self._failures) >= MOST_ADDRESSES:
                # The address that failed last stands last.
                del self._failures[next(iter(self._failures))]
        times.append(self._clock.seconds())
        self._failures[name] = times


def _network(address: str) -> str:
    """What one person has: an IPv4 address, or a network of IPv6; empty for this machine's sockets."""
    try:
        found = ip_of(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _NETWORK_BITS), strict=False))
    return str(found)

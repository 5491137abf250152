"""The names by which a service is asked.

A page can have its own name resolved to an address that only its visitors reach (DNS rebinding), and then reads what
answers there as its own origin. The browser still says the page's name in Host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, ip_address
from typing import Final

# A name or an address, perhaps with a port (RFC 3986, 3.2.2 and 3.2.3).
_AUTHORITY: Final = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
# How many Hosts are remembered, none longer than a name may be.
_MOST: Final = 1000
_LONGEST: Final = 262


class Hosts:
    """The names that are answered: loopback names, and those that an operator lists.

    Attributes:
        known: Some of the Hosts that are answered; the others have to be looked into.
    """

    def __init__(self, names: Iterable[str] = (), *, addresses: bool = False) -> None:
        """Make one.

        Args:
            names: Names or addresses, as in URLs, each with a port or for any port.
            addresses: Whether any address is answered, too: no page has a name that is one.

        Raises:
            ValueError: One of them is not a name.
        """
        self._names = frozenset(_normal(name) for name in names)
        self._addresses = addresses
        self.known: set[bytes] = set()

    def with_addresses(self) -> Hosts:
        """Give these names, and any address."""
        return Hosts(self._names, addresses=True)

    def answer(self, host: bytes) -> bool:
        """Whether a Host is one of these names, or empty, which that of a browser never is."""
        if host in self.known:
            return True
        if not self._is_listed(host):
            return False
        if len(self.known) < _MOST:
            self.known.add(host)
        return True

    def _is_listed(self, host: bytes) -> bool:
        if not host:
            return True
        found = _AUTHORITY.fullmatch(host.decode("latin-1").lower()) if len(host) <= _LONGEST else None
        if found is None:
            return False
        name, port = found[1].removesuffix("."), found[2]
        if _is_loopback(name) or name in self._names or (port is not None and f"{name}:{port}" in self._names):
            return True
        return self._addresses and _is_address(name)


def _normal(text: str) -> str:
    found = _AUTHORITY.fullmatch(text.lower()) if text.isascii() else None
    if found is None or len(text) > _LONGEST:
        raise ValueError(f"{text!a} is not a name or an address, such as cors.internal or cors.internal:8080")
    name = found[1].removesuffix(".")
    return name if found[2] is None else f"{name}:{found[2]}"


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    if name in {"localhost", "[::1]"} or name.endswith(".localhost"):
        return True
    try:
        return IPv4Address(name).is_loopback
    except AddressValueError:
        return False

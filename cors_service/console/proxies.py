"""A proxy that signs people in: its requests say who asks, in a header."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, cast

from twisted.internet.address import UNIXAddress

from cors_service.web.request import AnyRequest

UNIX: Final = "unix"
"""Stands for whoever can connect to a Unix socket."""
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")


class SignInProxy:
    """Who may say that a person is signed in, and how."""

    def __init__(self, header: str = "", addresses: Iterable[str] = ()) -> None:
        """Make one.

        Args:
            header: The name of the header that holds the name of the person.
            addresses: From where such a proxy comes: IP addresses, networks, or `unix`.

        Raises:
            ValueError: One of them can't be read.
        """
        named = tuple(addresses)
        if header and not _HEADER.fullmatch(header):
            raise ValueError(f"{header!a} is not the name of a header")
        self._header = header.lower().encode("ascii")
        self._is_unix = UNIX in named
        self._networks = tuple(ip_network(one) for one in named if one != UNIX)

    def person(self, request: AnyRequest) -> str | None:
        """Give the name of the person whom a proxy has signed in; None if none that is trusted says one."""
        if not self._header or not self._trusts(request):
            return None
        lines = request.requestHeaders.getRawHeaders(self._header) or ()
        # Of two lines, one may be the person's own.
        return lines[0].decode("ascii", "replace") if len(lines) == 1 and lines[0] else None

    def _trusts(self, request: AnyRequest) -> bool:
        address = cast(Any, request).getClientAddress()
        if isinstance(address, UNIXAddress):
            return self._is_unix
        return any(ip_of(address.host) in network for network in self._networks)


def client_address(request: AnyRequest) -> str:
    """Give the IP address that a request came from; empty for that of a Unix socket."""
    return getattr(cast(Any, request).getClientAddress(), "host", "")


def ip_of(text: str) -> IPv4Address | IPv6Address:
    """Read an IP address; one of IPv4 that came to a socket of IPv6 is its own.

    Raises:
        ValueError: It is none.
    """
    found = ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


NO_PROXY: Final = SignInProxy()

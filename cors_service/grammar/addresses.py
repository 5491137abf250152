"""Origin patterns of IP addresses that begin alike: `http://192.168.0.0/16`."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from msgspec import Struct

from cors_service.grammar._frame import Frame, interval_of, read_frame
from cors_service.grammar.origin import (
    DEFAULT_PORTS,
    canonical_ipv6,
    is_canonical_ipv4,
    is_canonical_ipv6,
    is_cleartext,
)

Network = IPv4Network | IPv6Network

# A scheme, an address, the length of what is fixed of it, and a port.
_RANGE: Final = re.compile(r"([^:/]*)://(\[[^\]/]*\]|[0-9.]+)/([0-9]+)((?::.*)?)", re.DOTALL)

_LOOPBACK: Final[tuple[Network, ...]] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
# https://www.iana.org/assignments/iana-ipv4-special-registry/ and its twin: nobody gets a certificate for these.
_PRIVATE: Final[tuple[Network, ...]] = (
    *_LOOPBACK,
    *map(IPv4Network, ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")),
    *map(IPv6Network, ("fc00::/7", "fe80::/10")),
)


class AddressRange(Struct, frozen=True, gc=False, tag=True, array_like=True):
    """The origins of one scheme, and of the addresses of one range, on one or several ports.

    Attributes:
        scheme: Lower-case; one with a network.
        address: The first address of the range, as browsers write it; IPv6 in brackets.
        length: How many bits all addresses of the range have in common.
        port: As written: empty, a number, a range such as `8000-8999`, or `*`.
    """

    scheme: str
    address: str
    length: int
    port: str

    @property
    def text(self) -> str:
        """The pattern as written."""
        return f"{self.scheme}://{self.address}/{self.length}{':' if self.port else ''}{self.port}"

    @property
    def ports(self) -> tuple[int, int]:
        """The lowest and the highest effective port."""
        return interval_of(self.scheme, self.port)

    @property
    def network(self) -> Network:
        """The addresses."""
        return _network(self.address, self.length)

    @property
    def is_insecure(self) -> bool:
        """Whether anybody on the network can speak for one of these origins (W3C Secure Contexts, 3.1)."""
        return is_cleartext(self.scheme, "") and not _is_within(self.network, _LOOPBACK)

    @property
    def spans_registrants(self) -> bool:
        """Whether strangers can get one of the addresses."""
        return not _is_within(self.network, _PRIVATE)


def is_range(text: str) -> bool:
    """Say whether a pattern is written as a range of addresses."""
    return _RANGE.fullmatch(text) is not None


def read_range(text: str) -> AddressRange:
    """Read `scheme://address/length`, with a port, a range of ports, `:*` or none.

    Raises:
        PolicyError: It is not a range of addresses, or is written with another address than its first.
    """
    found = _RANGE.fullmatch(text)
    assert found is not None
    _, address, digits, port = found.groups()
    frame = read_frame(text, address + port)
    if frame.scheme not in DEFAULT_PORTS:
        frame.refuse("origin-path", "has a range of addresses; the hosts of its scheme are not addresses.")
    longest = _check_address(frame)
    length = int(digits) if len(digits) <= 3 else longest + 1
    if length > longest or digits != str(length):
        frame.refuse("range-malformed", f"has no valid length after its address: a number from 0 to {longest}.")
    first = _first_of(address, length)
    if first != address:
        hint = f'Write "{frame.scheme}://{first}/{length}{port}".'
        frame.refuse("range-malformed", f"does not begin with the first address of its range, {first}.", hint)
    return AddressRange(frame.scheme, address, length, frame.port)


def _check_address(frame: Frame) -> int:
    """Give the number of bits of an address."""
    raw = frame.host.encode("ascii")
    if raw[:1] == b"[":
        if not is_canonical_ipv6(raw):
            frame.refuse("origin-ipv6-not-canonical", "has an IPv6 address that browsers write differently.")
        return 128
    if not is_canonical_ipv4(raw):
        frame.refuse("origin-ipv4-not-canonical", "has an IPv4 address that browsers write differently.")
    return 32


def _first_of(address: str, length: int) -> str:
    """The first address of the range that an address is in."""
    first = str(_network(address, length).network_address)
    return first if address[:1] != "[" else (canonical_ipv6(f"[{first}]".encode("ascii")) or b"").decode("ascii")


def _network(address: str, length: int) -> Network:
    if address[:1] == "[":
        return IPv6Network((address[1:-1], length), strict=False)
    return IPv4Network((address, length), strict=False)


def _is_within(network: Network, others: tuple[Network, ...]) -> bool:
    return any(
        network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]
        for other in others
    )

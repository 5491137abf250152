"""The origin parser: it takes what browsers serialise and nothing else, and what it takes it gives back unchanged.

An input is the value of an `Origin` header.
"""

from __future__ import annotations

import ipaddress

from cors_service.grammar.origin import (
    DEFAULT_PORTS,
    NO_PORT,
    canonical_ipv4,
    canonical_ipv6,
    ends_in_number,
    is_canonical_ipv4,
    parse_origin,
)
from tests import naive


def check(data: bytes) -> None:
    """Hold the parser against the oracle, and the canonical forms of addresses against themselves."""
    text = data.decode("latin-1")  # a character for each byte; none beyond ASCII is in an origin
    origin = parse_origin(data)
    assert (origin is not None) == (text != "null" and naive.is_origin(text))
    if origin is not None:
        port = "" if origin.port in {NO_PORT, DEFAULT_PORTS.get(origin.scheme)} else f":{origin.port}"
        assert f"{origin.scheme}://{origin.host}{port}" == text
    host = text.rpartition("://")[2]
    if host.startswith("[") and host.endswith("]"):
        _check_ipv6(host.encode("latin-1"))
    elif host.isascii():
        _check_ipv4(host.lower())


def _check_ipv4(host: str) -> None:
    """What is taken for an address is what URL parsers take for one, and its canonical form is canonical."""
    canonical = canonical_ipv4(host)
    if canonical is not None:
        assert ends_in_number(host.encode("ascii"))
        assert is_canonical_ipv4(canonical.encode("ascii"))
        assert canonical_ipv4(canonical) == canonical
    if is_canonical_ipv4(host.encode("ascii")):
        assert canonical == host


def _check_ipv6(host: bytes) -> None:
    """The canonical form of an address is the same address, and one that browsers write so."""
    canonical = canonical_ipv6(host)
    if canonical is not None:
        assert naive.is_origin(f"https://{canonical.decode('ascii')}")
        assert _address(canonical) == _address(host)


def _address(host: bytes) -> ipaddress.IPv6Address:
    return ipaddress.IPv6Address(host[1:-1].decode("ascii"))

"""The range of addresses that the author of a refused pattern probably meant."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Final

from cors_service.grammar.origin import DEFAULT_PORTS, canonical_ipv6

_START: Final = r"(?:([a-z]+)://)?"
_PORT: Final = r"(:(?:[0-9]+(?:-[0-9]+)?|\*))?"
# With a length or a mask, and a port on either side of it.
_MASKED: Final = re.compile(rf"{_START}([0-9.]+){_PORT}/([0-9.]+){_PORT}/?")
_MASKED_V6: Final = re.compile(rf"{_START}\[?([0-9a-f:]+)(?:\]{_PORT})?/([0-9]+)\]?{_PORT}/?")
# With stars or letters in the place of the last numbers.
_OPEN: Final = r"(?:\*|x{1,3})"
_STARRED: Final = re.compile(rf"{_START}((?:[0-9]+\.){{1,3}}){_OPEN}(?:\.{_OPEN})*{_PORT}/?")
_LETTERED: Final = re.compile(r"(?=(?:[0-9x]+\.){3}[0-9x]+\Z)(?:[0-9]{1,3}\.){1,3}x{1,3}(?:\.x{1,3})*")


def is_lettered(host: str) -> bool:
    """Say whether a host is an IPv4 address with letters in the place of the last numbers: `192.168.x.x`."""
    return _LETTERED.fullmatch(host) is not None


def near_range(text: str) -> str:
    """Write a range of addresses as a pattern, if a text may mean one; otherwise nothing."""
    text = text.lower()
    if found := _STARRED.fullmatch(text):
        scheme, numbers, port = found.groups("")
        return _written(scheme, numbers.removesuffix("."), str(8 * numbers.count(".")), port)
    if found := _MASKED.fullmatch(text) or _MASKED_V6.fullmatch(text):
        scheme, address, port, mask, last = found.groups("")
        return _written(scheme, address, mask, port or last)
    return ""


def _written(scheme: str, address: str, mask: str, port: str) -> str:
    if ":" not in address:
        address = ".".join([*address.split("."), "0", "0", "0"][:4])
    try:
        network = ip_network(f"{address}/{mask}", strict=False)
    except ValueError:
        return ""
    first = str(network.network_address)
    if network.version == 6:
        first = (canonical_ipv6(f"[{first}]".encode()) or b"").decode()
    scheme = scheme or "http"
    if port == f":{DEFAULT_PORTS.get(scheme)}":
        port = ""
    return f"{scheme}://{first}/{network.prefixlen}{port}"

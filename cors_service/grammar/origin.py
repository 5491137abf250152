"""Origins as browsers serialise them, read from bytes, by hand, ASCII only.

Anything that is not exactly a serialisation is not an origin: nothing is trimmed, lower-cased or repaired. A repaired
origin would be compared as one thing and echoed to the browser as another.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

MAX_ORIGIN: Final = 350
"""Bytes: a DNS name has at most 253, which leaves 97 for scheme and port. Anything longer is not an origin."""

# https://url.spec.whatwg.org/#special-scheme (without file, see below)
DEFAULT_PORTS: Final[Mapping[str, int]] = MappingProxyType({"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21})
"""The schemes with a network. Only their hosts are domains and IPv4 addresses; those of others are opaque."""
NO_PORT: Final = -1
"""The port of an origin without a port, in a scheme without a default port."""
FILE: Final = "file://"
"""The origin of files in Chromium, where an application or a flag lets them have one: `null` elsewhere, as the URL
standard leaves it open (#concept-url-origin)."""

_DIGITS: Final = b"0123456789"
_HEX: Final = _DIGITS + b"abcdef"
_LOWER: Final = b"abcdefghijklmnopqrstuvwxyz"
_SCHEME: Final = _LOWER + _DIGITS + b"+-."
_LABEL: Final = _LOWER + _LOWER.upper() + _DIGITS + b"-_"
# https://url.spec.whatwg.org/#forbidden-host-code-point; browsers send every other printable character, unchanged.
_OPAQUE_HOST: Final = bytes(set(range(0x21, 0x7F)) - set(b"#/:<>?@[\\]^|"))
# https://url.spec.whatwg.org/#forbidden-domain-code-point, and upper-case letters, which browsers write in lower case.
_HOST: Final = bytes(set(_OPAQUE_HOST) - set(b"%") - set(_LOWER.upper()))

# Anybody on the network can read and forge the traffic of these schemes.
_CLEARTEXT: Final = frozenset({"http", "ws", "ftp"})

# Nearly every origin: https, a name, no port. This alone checks documents with a million origins, and most requests;
# `parse_origin` gives the same answer. A last label that begins with a letter is not a number.
_COMMON: Final = re.compile(r"https://(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*")


class Origin(Struct, frozen=True, gc=False):
    """A tuple origin (HTML, #concept-origin-tuple).

    Attributes:
        scheme: Lower-case, such as `https`.
        host: As serialised; an IPv6 address in its brackets; empty for files.
        port: The effective port, 0 to 65535: the one written or the scheme's default; NO_PORT if neither exists.
    """

    scheme: str
    host: str
    port: int


def is_common(text: str) -> bool:
    """Say whether this is the origin of an https site with a name of letters, digits and hyphens, and no port."""
    return len(text) <= MAX_ORIGIN and _COMMON.fullmatch(text) is not None


def read_origin(text: str) -> Origin | None:
    """Read an origin from text, as `parse_origin` does from bytes; text outside ASCII is not an origin."""
    if is_common(text):
        return Origin("https", text[8:], 443)
    try:
        return parse_origin(text.encode("ascii"))
    except UnicodeEncodeError:
        return None


def parse_origin(raw: bytes) -> Origin | None:
    """Read the serialisation of a tuple origin (RFC 6454, 6.2; HTML, #ascii-serialisation-of-an-origin).

    Args:
        raw: The bytes of an `Origin` header's value. `null` is not a tuple origin.

    Returns:
        The origin, or None if no browser could have serialised these bytes: upper case in a scheme or in the host of
        a scheme with a network, a default port written out, an IP address that is not in its canonical form, a path,
        user information, a byte outside printable ASCII, a file with a host, or more than MAX_ORIGIN bytes.
    """
    if len(raw) > MAX_ORIGIN:
        return None
    scheme, separator, authority = raw.partition(b"://")
    if not separator or not scheme[:1].islower() or scheme.translate(None, _SCHEME):
        return None
    name = scheme.decode("ascii")
    default = DEFAULT_PORTS.get(name, NO_PORT)
    if default == NO_PORT and name == "file":
        return None if authority else Origin(name, "", NO_PORT)
    if authority[:1] == b"[":
        host, bracket, rest = authority.partition(b"]")
        host += bracket
        if not is_canonical_ipv6(host) or (rest and rest[:1] != b":"):
            return None
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(b":")
        if not host or host.translate(None, _HOST if default != NO_PORT else _OPAQUE_HOST):
            return None
        if default != NO_PORT and ends_in_number(host) and not is_canonical_ipv4(host):
            return None
    if not colon:
        return Origin(name, host.decode("ascii"), default)
    number = parse_port(port)
    if number is None or number == default:
        return None
    return Origin(name, host.decode("ascii"), number)


def is_insecure_origin(text: str) -> bool:
    """Say whether anybody on the network can speak for this well-formed origin (W3C Secure Contexts, 3.1)."""
    scheme, _, authority = text.partition("://")
    if scheme not in _CLEARTEXT:
        return False
    host = authority.partition("]")[0] + "]" if authority[:1] == "[" else authority.partition(":")[0]
    return not is_loopback(host)


def is_cleartext(scheme: str, host: str) -> bool:
    """Say whether anybody on the network can speak for the origins of a scheme and a host."""
    return scheme in _CLEARTEXT and not is_loopback(host)


def is_loopback(host: str) -> bool:
    """Say whether this host is the machine itself."""
    if host == "localhost" or host.endswith(".localhost") or host == "[::1]":
        return True
    return host.startswith("127.") and is_canonical_ipv4(host.encode("ascii"))


def parse_port(raw: bytes) -> int | None:
    """Read a serialised port: ASCII digits without a leading zero, 0 to 65535; None for anything else."""
    if not 1 <= len(raw) <= 5 or raw.translate(None, _DIGITS) or (raw[0] == 0x30 and len(raw) > 1):
        return None
    number = int(raw)
    return number if number <= 65535 else None


def is_label(raw: bytes) -> bool:
    """Say whether a wildcard may stand for this label: letters, digits, `-`, `_`."""
    return bool(raw) and not raw.translate(None, _LABEL)


def ends_in_number(host: bytes) -> bool:
    """Say whether URL parsers take this host for an IPv4 address (URL, #ends-in-a-number-checker)."""
    last = host.removesuffix(b".").rpartition(b".")[2]
    if last[:2] == b"0x":
        return not last[2:].translate(None, _HEX)
    return bool(last) and not last.translate(None, _DIGITS)


def is_canonical_ipv4(host: bytes) -> bool:
    """Say whether the host is an IPv4 address as the URL standard serialises it: `127.0.0.1`, not `127.1`."""
    pieces = [parse_port(piece) for piece in host.split(b".")]
    return len(pieces) == 4 and all(piece is not None and piece <= 255 for piece in pieces)


def canonical_ipv4(host: str) -> str | None:
    """Write an IPv4 address, in any form that URL parsers take (URL, #concept-ipv4-parser), as browsers do.

    Returns:
        Four decimal numbers, `127.0.0.1` for `0x7f.1`; None if the host is not such an address.
    """
    *leading, last = host.removesuffix(".").split(".")
    try:
        numbers = [_ipv4_number(piece) for piece in leading]
        rest = _ipv4_number(last)
    except ValueError:
        return None
    room = 256 ** (4 - len(numbers)) if len(numbers) < 4 else 0
    if any(number > 255 for number in numbers) or rest >= room:
        return None
    return ".".join(map(str, [*numbers, *rest.to_bytes(4 - len(numbers))]))


def _ipv4_number(piece: str) -> int:
    """Read one part of an address: decimal, octal behind `0`, hexadecimal behind `0x` (URL, #ipv4-number-parser)."""
    digits, base = (piece[2:] or "0", 16) if piece[:2] in {"0x", "0X"} else (piece, 8 if piece[:1] == "0" else 10)
    # int() takes prefixes, signs, underscores and digits of every script.
    if not digits or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(piece)
    return int(digits, base)


def is_canonical_ipv6(host: bytes) -> bool:
    """Say whether this is a bracketed IPv6 address as the URL standard serialises it."""
    return canonical_ipv6(host) == host


def canonical_ipv6(host: bytes) -> bytes | None:
    """Serialise a bracketed IPv6 address (URL, #concept-ipv6-serializer); None if it is not an address.

    `str` of an `ipaddress.IPv6Address` will not do: newer versions of Python write mapped IPv4 addresses
    in dotted form, browsers don't.
    """
    try:
        address = ipaddress.IPv6Address(host[1:-1].decode("ascii"))
    except ValueError:
        return None
    if address.scope_id is not None:
        return None
    pieces = [f"{int.from_bytes(address.packed[i : i + 2]):x}" for i in range(0, 16, 2)]
    start, length = _longest_zero_run(pieces)
    text = ":".join(pieces)
    if length > 1:
        text = f"{':'.join(pieces[:start])}::{':'.join(pieces[start + length :])}"
    return f"[{text}]".encode("ascii")


def _longest_zero_run(pieces: list[str]) -> tuple[int, int]:
    """Find the first of the longest runs of zero pieces (URL, #concept-ipv6-serializer, step 2)."""
    best, length = 0, 0
    for start in range(len(pieces)):
        run = 0
        while start + run < len(pieces) and pieces[start + run] == "0":
            run += 1
        if run > length:
            best, length = start, run
    return best, length

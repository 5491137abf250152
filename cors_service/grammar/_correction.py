"""Writes an origin as browsers do, and leaves out what stands around it."""

from __future__ import annotations

import re

import idna

from cors_service.grammar.origin import DEFAULT_PORTS, canonical_ipv4, canonical_ipv6, is_loopback


def corrected(text: str) -> str:
    """Write a pattern without a path and the like, and as browsers write origins.

    Returns:
        What may be a pattern, or not; of what nobody can correct, the same.
    """
    scheme, separator, authority = text.partition("://")
    if not separator:
        scheme, authority = "", text.lstrip("/")
    scheme = scheme.lower()
    if not scheme or scheme in DEFAULT_PORTS:
        authority = authority.lower()
    authority = re.split(r"[/#\\]|(?<=.)\?(?!\.)", authority, maxsplit=1)[0].rpartition("@")[2]
    host, bracket, port = authority.rpartition("]")
    name, colon, number = port.partition(":")
    if authority == "null":
        return ""
    written = _canonical_host(host + bracket + name, not scheme or scheme in DEFAULT_PORTS)
    scheme = scheme or _scheme_for(written)
    if colon and number == str(DEFAULT_PORTS.get(scheme)):
        colon = number = ""
    return f"{scheme}://{written}{colon}{number}"


def _scheme_for(host: str) -> str:
    """The scheme of an origin that was written without: nearly nobody has certificates for addresses."""
    is_address = host[:1] == "[" or canonical_ipv4(host) is not None
    return "http" if is_address or (host.isascii() and is_loopback(host)) else "https"


def _canonical_host(host: str, has_network: bool) -> str:
    """Write a host as browsers do, if that can be known; leave anything else as it is."""
    if host[:1] == "[":
        return (canonical_ipv6(host.encode("ascii", "replace")) or b"?").decode("ascii")
    prefix = host[:2] if host[:2] in {"*.", "?."} else ""
    host = host.removeprefix(prefix)
    if not has_network:
        return prefix + host
    try:
        host = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return prefix + host
    return prefix + (canonical_ipv4(host) or host)

"""What the author of a refused pattern probably meant."""

from __future__ import annotations

import re

import idna

from cors_service.grammar.mistakes import PolicyError
from cors_service.grammar.origin import DEFAULT_PORTS, canonical_ipv4, canonical_ipv6
from cors_service.grammar.wildcard import read_wildcard


def suggestion(text: str) -> str:
    """Say what the author probably meant, or nothing: a suggestion must itself be right."""
    scheme, separator, authority = text.lower().partition("://")
    if not separator:
        scheme, authority = "https", scheme
    if authority == "null":
        return ""
    if "*" in scheme or "?" in scheme:
        return _for_both_schemes(text.partition("://")[2])
    authority = re.split(r"[/#\\]|(?<=.)\?(?!\.)", authority, maxsplit=1)[0].rpartition("@")[2]
    host, bracket, port = authority.rpartition("]")
    name, colon, number = port.partition(":")
    if colon and number == str(DEFAULT_PORTS.get(scheme)):
        colon = number = ""
    candidate = f"{scheme}://{_canonical_host(host + bracket + name, scheme in DEFAULT_PORTS)}{colon}{number}"
    # Unless nothing was corrected.
    return f'Write "{candidate}".' if candidate != text and _is_right(candidate) else ""


def _for_both_schemes(authority: str) -> str:
    # A default port belongs to one scheme only.
    is_right = all(_is_right(f"{scheme}://{authority}") for scheme in ("http", "https"))
    return f'Write "{{http,https}}://{authority}".' if is_right else ""


def _is_right(text: str) -> bool:
    try:
        read_wildcard(text)
    except PolicyError:
        return False
    return True


def _canonical_host(host: str, special: bool) -> str:
    """Write a host as browsers do, if that can be known; leave anything else as it is."""
    if host[:1] == "[":
        return (canonical_ipv6(host.encode("ascii", "replace")) or b"?").decode("ascii")
    prefix = host[:2] if host[:2] in {"*.", "?."} else ""
    host = host.removeprefix(prefix)
    try:
        host = host if host.isascii() else idna.encode(host, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return prefix + host
    return prefix + ((canonical_ipv4(host) if special else None) or host)

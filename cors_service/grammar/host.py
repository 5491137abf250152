"""The hosts by which a service may be called: `tools.example.com`, `*.example.com`, `localhost:*`."""

from __future__ import annotations

from typing import Final

from cors_service.grammar.match import ANY_HOST, parse_match
from cors_service.grammar.mistakes import PolicyError, shown

ANY_PORT: Final = ":*"
"""Follows a host that may be called on any port."""

_WRITE: Final = 'Write a name or an address, as in "tools.example.com", "*.example.com" or "localhost:*".'
# A hint that is longer is not shown.
_LONGEST: Final = 300


def check_host(text: str) -> None:
    """Check `host`, `host:port` or `host:*`; the host is written as in a match, and is one that can be known.

    Raises:
        PolicyError: It is something else (`host-malformed`); the hint says what to write.
    """
    if "/" in text:
        what = "has a scheme; a host is called by http and https alike." if "://" in text else "has a path."
        raise _malformed(text, what)
    authority = text.removesuffix(ANY_PORT)
    try:
        match = parse_match(f"{authority}/")
    except PolicyError as error:
        raise _malformed(text, "is not a host, with or without a port.") from error
    if match.binds or match.host == ANY_HOST:
        raise _malformed(text, "is any host: a page that makes its own name lead here could call it.")


def _malformed(text: str, what: str) -> PolicyError:
    candidate = text.rpartition("://")[2].partition("/")[0].rpartition("@")[2].lower()
    host, colon, port = candidate.rpartition(":")
    candidate = f"{host.removesuffix('.')}:{port}" if colon else candidate.removesuffix(".")
    hint = _WRITE
    if candidate != text and len(candidate) <= _LONGEST and _is_host(candidate):
        hint = f'Write "{candidate}".'
    return PolicyError("host-malformed", f"{shown(text)} {what}", hint=hint, value=text)


def _is_host(text: str) -> bool:
    try:
        check_host(text)
    except PolicyError:
        return False
    return True

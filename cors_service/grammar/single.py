"""Origin patterns without alternatives: one origin, or a pattern for several."""

from __future__ import annotations

from cors_service.grammar._near_range import is_lettered
from cors_service.grammar._punycode import has_impossible_label
from cors_service.grammar.addresses import AddressRange, is_range, read_range
from cors_service.grammar.bound import BoundHost, is_bound, read_bound
from cors_service.grammar.origin import DEFAULT_PORTS, FILE, read_origin
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard, is_host, is_opaque_host, read_wildcard

Single = str | Wildcard | Glob | AnyHost | AddressRange | BoundHost
"""An exact origin is its serialisation, since there may be a million."""


def read_single(text: str) -> Single:
    """Read a pattern.

    Raises:
        PolicyError: It is not one; the code says what is wrong, and the hint may say what to write.
    """
    if is_exact(text):
        return text
    if is_bound(text):
        return read_bound(text)
    return read_range(text) if is_range(text) else read_wildcard(text)


def is_exact(text: str) -> bool:
    """Say whether this is one origin that a policy may list, as browsers serialise it.

    Policies allow fewer characters in hosts than browsers do: letters, digits, `.`, `-` and `_`. So a slip of the pen
    (`https://a.example,b.example`) is refused, and the characters of patterns stay free.
    """
    origin = read_origin(text)
    if origin is None:
        return False
    raw = origin.host.encode("ascii")
    if text == FILE or raw[:1] == b"[":
        return True
    if origin.scheme in DEFAULT_PORTS:
        return is_host(raw) and not has_impossible_label(origin.host) and not is_lettered(origin.host)
    return is_opaque_host(raw)

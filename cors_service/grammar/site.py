"""The site of an origin: a scheme and a registered domain (HTML, #obtain-a-site)."""

from __future__ import annotations

from cors_service.grammar.origin import DEFAULT_PORTS, ends_in_number, read_origin
from cors_service.grammar.registrants import registered


def site_of(origin: str) -> tuple[str, str] | None:
    """Give the scheme and the registered domain of an origin, or its host where that has none.

    Args:
        origin: The origin, serialised.

    Returns:
        The site; None for an opaque origin, which has no site but its own.
    """
    read = read_origin(origin)
    if read is None or not read.host:
        return None
    is_name = read.scheme in DEFAULT_PORTS and read.host[:1] != "[" and not ends_in_number(read.host.encode("ascii"))
    domain = registered(read.host.removesuffix(".")) if is_name else None
    return read.scheme, domain or read.host


def same_site(one: str, other: str, *, schemeless: bool = False) -> bool:
    """Say whether two origins are same site (HTML, #same-site).

    Args:
        one: An origin, serialised.
        other: Another one.
        schemeless: Whether the schemes may differ.
    """
    sites = site_of(one), site_of(other)
    if sites[0] is None or sites[1] is None:
        return False
    return sites[0][1] == sites[1][1] and (schemeless or sites[0][0] == sites[1][0])

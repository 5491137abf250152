"""What no header of CORS decides, and no policy mends."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from cors_service.explain._asking import Asked
from cors_service.explain.explanation import ExchangeStep
from cors_service.grammar.mistakes import cut
from cors_service.grammar.origin import is_insecure_origin, is_loopback, read_origin

_LONGEST: Final = 300
# https://wicg.github.io/local-network-access/#non-public-ip-address-blocks, which are not all that nobody routes.
_LOCAL: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


def steps(asked: Asked) -> Iterator[ExchangeStep]:
    """Say what else browsers look at."""
    origin = asked.request.url_origin
    if origin is None or asked.request.same_origin:
        return
    if asked.exchange.redirected_from is not None:
        before = cut(asked.exchange.redirected_from, _LONGEST)
        message = (
            f"Its Origin is null because it was redirected from {before}, across origins. Have the page request this "
            "URL directly, with its own origin: null is everybody's."
        )
        yield ExchangeStep("elsewhere", "note", message)
    if asked.is_mixed:
        message = (
            "This is mixed content: a page loaded over https may not make requests over http, so the browser sends "
            "nothing. No header helps: serve the URL over https."
        )
        if _is_local(origin):
            message += " Chromium sends it once the user lets the page reach the local network (Local Network Access)."
        yield ExchangeStep("elsewhere", "stops", message)
    elif asked.request.origin.startswith("https://") and origin.startswith("http://"):
        message = "Browsers treat this machine itself as secure (WebKit since 2025), so this is not mixed content."
        yield ExchangeStep("elsewhere", "note", message)
    if not asked.is_mixed and _is_local(origin) and not _is_local(asked.request.origin):
        asks = "asks the user for permission (Local Network Access): no header grants it."
        if is_insecure_origin(asked.request.origin):
            asks = "blocks this (Local Network Access): only pages over https may ask the user for permission."
        message = f"The URL is on a local network. If the page is not, Chromium {asks}"
        yield ExchangeStep("elsewhere", "note", message)


def _is_local(origin: str) -> bool:
    """Whether an origin is of this machine or of a local network, as far as its name says."""
    read = read_origin(origin)
    host = read.host if read is not None else ""
    if is_loopback(host) or host.endswith(".local"):
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return any((mapped or address) in network for network in _LOCAL)

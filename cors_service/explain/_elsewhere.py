"""What no header of CORS decides, and no policy mends."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from cors_service.explain._asking import Asked
from cors_service.explain.explanation import ExchangeStep
from cors_service.grammar.origin import is_loopback, read_origin


def steps(asked: Asked) -> Iterator[ExchangeStep]:
    """Say what else browsers look at."""
    origin = asked.request.url_origin
    if origin is None or asked.request.same_origin:
        return
    if asked.is_mixed:
        message = (
            "This is mixed content: a page loaded over https may not make requests over http, so the browser sends "
            "nothing. No header helps: serve the URL over https."
        )
        yield ExchangeStep("elsewhere", "stops", message)
    elif asked.request.origin.startswith("https://") and origin.startswith("http://"):
        message = "Browsers treat this machine itself as secure (WebKit since 2025), so this is not mixed content."
        yield ExchangeStep("elsewhere", "note", message)
    if _is_local(origin) and not _is_local(asked.request.origin):
        message = (
            "The URL is on a local network. If the page is not, Chromium asks the user for permission (Local Network "
            "Access): no header grants it."
        )
        yield ExchangeStep("elsewhere", "note", message)


def _is_local(origin: str) -> bool:
    """Whether an origin is of this machine or of a local network, as far as its name says."""
    read = read_origin(origin)
    host = read.host if read is not None else ""
    if is_loopback(host) or host.endswith(".local"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_private or address.is_link_local

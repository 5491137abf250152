"""What is refused about the head of a request: whatever two readers of it may read in different ways."""

from __future__ import annotations

import re
from typing import Final

from cors_service.web.request import HeaderLines

HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
"""A Host about which no two readers can disagree (RFC 9110, 7.2)."""


def malformed_head(headers: HeaderLines, version: bytes) -> str | None:
    """Find what proxies and servers are known to read in different ways (RFC 9112, 3.2 and 6.1).

    Args:
        headers: Those of the request.
        version: Its version of HTTP, as in its first line.

    Returns:
        A sentence for the client; None if there is nothing.
    """
    hosts = headers.getRawHeaders(b"host") or ()
    encodings = headers.getRawHeaders(b"transfer-encoding")
    # HTTP/1.0 has no Transfer-Encoding and does not need a Host.
    is_old = version == b"HTTP/1.0"
    if len(hosts) > 1 or not (hosts or is_old) or not all(map(HOST.fullmatch, hosts)):
        return "The request must have exactly one valid Host."
    if encodings and (is_old or [one.lower() for one in encodings] != [b"chunked"]):
        return "The one Transfer-Encoding that is understood is chunked."
    return None

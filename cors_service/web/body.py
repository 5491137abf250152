"""The bodies of requests."""

from __future__ import annotations

from typing import Final

from cors_service.web.answer import JSON
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest

MOST_PARTS: Final = 100_000
"""How many of the characters of `_PARTS` a body may have, in strings as well.

JSON is parsed in one go, and a value takes up to a third of a microsecond: this many take less than 30 ms. A batch of
1000 queries with all their headers has a quarter of it.
"""
_PARTS: Final = b"[{,:"


def json_body(request: AnyRequest, most: int, most_parts: int | None = MOST_PARTS) -> bytes:
    """The body of a request that says that it is JSON.

    Args:
        request: The request.
        most: Bytes that it may have.
        most_parts: How many of `[{,:` it may have; None where it is not parsed while others wait.

    Raises:
        Problem: It has more bytes than `most`, says that it is something else, or has more values than any batch.
    """
    body = request.content.read(most + 1)
    if len(body) > most:
        raise Problem(413, "body-too-large", f"The body is larger than {most} bytes.")
    headers = request.requestHeaders
    media_types = headers.getRawHeaders(b"content-type") or [b""]
    media_type = (media_types[0] or b"application/json").partition(b";")[0].strip().lower()
    is_json = media_type == b"application/json" or media_type.endswith(b"+json")
    if not is_json or len(media_types) > 1 or headers.hasHeader(b"content-encoding"):
        detail = "The body must be JSON: send it with Content-Type: application/json."
        raise Problem(415, "not-json", detail, {"Accept": JSON})
    # What comes before each value and after each name.
    if most_parts is not None and len(body) > most_parts and sum(map(body.count, _PARTS)) > most_parts:
        detail = f"The body has more than {most_parts} of the characters {' '.join(_PARTS.decode())}"
        raise Problem(413, "body-too-large", f"{detail}, which no batch of queries needs.")
    return body

"""The bodies of requests."""

from __future__ import annotations

from cors_service.web.answer import JSON
from cors_service.web.problem import Problem
from cors_service.web.request import AnyRequest


def json_body(request: AnyRequest, most: int) -> bytes:
    """The body of a request that says that it is JSON.

    Raises:
        Problem: It has more bytes than `most`, or says that it is something else.
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
    return body

"""Entity tags: answers that a client may hold already (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from cors_service.web.answer import JSON, Answer
from cors_service.web.request import AnyRequest

# A tag in a list of them, compared weakly: a comma may stand in it.
_TAG: Final = re.compile(rb'(?<![^\s,])(?:W/)?("[!#-~\x80-\xff]*")')


def tag_headers(parts: Sequence[str], cache_control: str) -> dict[str, str]:
    """Make the headers of an answer that has an ETag of what its body is made of.

    Args:
        parts: Where all of them are equal, so are the bodies.
        cache_control: For how long a client may keep the answer.
    """
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=12)
    return {"ETag": f'"{digest.hexdigest()}"', "Cache-Control": cache_control}


def is_held(request: AnyRequest, headers: Mapping[str, str]) -> bool:
    """Whether the client holds the body of an answer with this ETag."""
    held = b",".join(request.requestHeaders.getRawHeaders(b"if-none-match") or ())
    return bool(held) and (held.strip() == b"*" or headers["ETag"].encode("ascii") in _TAG.findall(held))


def tagged(body: bytes, cache_control: str) -> Answer:
    """Make an answer of JSON that has an ETag of its body."""
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    return Answer(200, JSON, body, {"ETag": tag, "Cache-Control": cache_control})


def unless_held(request: AnyRequest, answer: Answer) -> Answer:
    """Replace a tagged answer by a 304 where the client holds its body."""
    return Answer(304, JSON, b"", answer.headers) if is_held(request, answer.headers) else answer


def tagged_unless_held(request: AnyRequest, body: bytes, cache_control: str) -> Answer:
    """Answer with an ETag of the body, or with 304 where the client holds that body."""
    return unless_held(request, tagged(body, cache_control))

"""Who sends a request: known by a token, or by the certificate of the connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from cors_service.access.callers import Access, Caller
from cors_service.web.request import AnyRequest

TOKEN_HEADER: Final = b"x-cors-token"
"""Where gateways put their token: `Authorization` may be that of the request that they received."""

# https://www.rfc-editor.org/rfc/rfc6750#section-2.1
_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")


def known_callers(request: AnyRequest, access: Access) -> Iterator[Caller]:
    """The known callers that a request shows to be from: one, as a rule."""
    tokens = [*_only(request, TOKEN_HEADER), *map(_bearer, _only(request, b"authorization"))]
    for token in filter(None, tokens):
        caller = access.by_token(token)
        if caller is not None:
            yield caller
    subject = _subject(request) if access.certificates else None
    caller = None if subject is None else access.by_subject(subject)
    if caller is not None:
        yield caller


def _only(request: AnyRequest, name: bytes) -> tuple[bytes, ...]:
    """The value of a header that stands once."""
    lines = request.requestHeaders.getRawHeaders(name) or ()
    return tuple(lines) if len(lines) == 1 else ()


def _bearer(authorization: bytes) -> bytes:
    found = _BEARER.fullmatch(authorization)
    return found[1] if found else b""


def _subject(request: AnyRequest) -> str | None:
    """The subject of the certificate that the connection of a request was made with; TLS has verified it."""
    ask = getattr(getattr(request, "transport", None), "getPeerCertificate", None)
    certificate = ask() if ask is not None else None
    if certificate is None:
        return None
    subject: str = certificate.to_cryptography().subject.rfc4514_string()
    return subject

"""What the application of Django answers, over WSGI and ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

OWN = {"Access-Control-Allow-Origin": "*", "Vary": "Cookie"}


def page(request: Any) -> HttpResponse:
    """Answer, and do CORS wrong."""
    return HttpResponse(f"{request.method} page".encode(), headers=OWN)


def error(request: Any) -> HttpResponse:
    """Fail."""
    raise RuntimeError("on purpose")


async def later() -> AsyncIterator[bytes]:
    """Give pieces as ASGI wants them."""
    for piece in PIECES:
        yield piece


PIECES = [b"one ", b"two ", b"three"]


def stream(request: Any) -> StreamingHttpResponse:
    """Answer in pieces."""
    return StreamingHttpResponse(later() if isinstance(request, ASGIRequest) else iter(PIECES), headers=OWN)


urlpatterns = [path("app/", page), path("app/error", error), path("app/stream", stream)]

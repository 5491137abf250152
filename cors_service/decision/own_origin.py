"""The origin of a service itself, as a URL of it says."""

from __future__ import annotations

from cors_service.decision._urls import parse_url
from cors_service.decision.query import BadQuery


def own_origin(url: str) -> str | None:
    """Give the origin of the URL of a request, serialised; None if the URL is not usable."""
    try:
        return parse_url(url).origin
    except BadQuery:
        return None

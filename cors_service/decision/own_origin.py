"""The origin of a service itself, as a URL of it says."""

from __future__ import annotations

from cors_service.decision._urls import parse_site


def own_origin(url: str) -> str | None:
    """Give the origin of the URL of a request, serialised, whatever its path; None if no page can have it."""
    site = parse_site(url)
    return None if site is None else site.origin

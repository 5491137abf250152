"""The answer to a preflight."""

from __future__ import annotations

from cors_service.decision import Decision


def preflight_lines(decision: Decision) -> list[tuple[str, str]]:
    """The header lines of the answer. It has no body; a 204 must not even have a Content-Length (RFC 9110, 8.6)."""
    return [*decision.headers, *([] if decision.status == 204 else [("Content-Length", "0")])]

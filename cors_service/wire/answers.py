"""Answers: a decision, or an error in its place."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from cors_service.decision import Decision
from cors_service.wire.json_text import write_json

PROBLEM: Final = "application/problem+json"
"""The media type of an error (RFC 9457)."""

LONGEST_TTL: Final = 3600
"""Seconds for which a decision may be used again at most.

A grant that is revoked lives on for as long; and so does a wrong decision, if something else has answered in the
service's place. An hour also bridges every restart and most outages.
"""


def write_decision(decision: Decision, ttl: int) -> bytes:
    """Write a decision as the JSON of the API.

    Args:
        decision: The decision.
        ttl: For how many seconds a caller may use it again.
    """
    return b'%b,"ttl":%d}' % (write_json(decision)[:-1], ttl)


def problem_fields(status: int, code: str, detail: str) -> dict[str, object]:
    """Give the members of an error (RFC 9457, 3.1), and its code."""
    return {
        "type": f"urn:cors-service:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }

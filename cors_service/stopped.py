"""What a client gets whose request a guard stops, as a problem, or as JSON-RPC has errors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from cors_service.decision import Decision, Reason
from cors_service.decision.decision import Headers
from cors_service.decision.enforced import without_grants
from cors_service.wire.answers import PROBLEM, problem_fields
from cors_service.wire.json_text import write_json

UNDECIDED: Final = "undecided"
"""The reason code of a refusal for want of a decision; no service gives it."""

# A server's own error (https://www.jsonrpc.org/specification#error_object); SDKs of MCP use it for this, too.
_RPC_CODE: Final = -32000
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"
_DETAILS: Final = {
    "host-not-allowed": "The service may not be called by this host.",
    "cross-site": "A page of another origin sent this request.",
    "origin-missing": "This request has no Origin.",
    "fetch-metadata-malformed": "The Sec-Fetch-Site of this request is malformed.",
    UNDECIDED: "Nothing can be decided about this request.",
}


class Stopped(Struct, frozen=True):
    """What is answered in the place of a service.

    Attributes:
        status: The HTTP status.
        media_type: That of the body.
        body: The body.
        headers: What else there is to send: the headers of the decision that grant nothing.
    """

    status: int
    media_type: str
    body: bytes
    headers: Headers

    @property
    def lines(self) -> list[tuple[str, str]]:
        """All header lines. No cache may keep this: it depends on what `Vary` does not list."""
        length = str(len(self.body))
        sent = [("Content-Type", self.media_type), ("Content-Length", length), ("Cache-Control", "no-store")]
        return [*sent, *self.headers]


def stopped(decision: Decision, *, speaks_rpc: bool) -> Stopped:
    """Say to a client that its request was stopped, and no more than it may know.

    Args:
        decision: A decision that stops it.
        speaks_rpc: Whether the client takes JSON-RPC (see `speaks_rpc`).
    """
    reason = decision.reason if decision.guard is None else decision.guard.reason
    # It comes later, perhaps.
    status = 503 if reason.code == UNDECIDED else 403
    media_type, body = error_body(status, reason.code, detail_of(reason), speaks_rpc=speaks_rpc)
    return Stopped(status, media_type, body, without_grants(decision.headers))


def error_body(status: int, code: str, detail: str, *, speaks_rpc: bool) -> tuple[str, bytes]:
    """Write an error, and give its media type.

    The JSON-RPC form has no id, as the Model Context Protocol has it
    (https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning).
    """
    if not speaks_rpc:
        return PROBLEM, write_json(problem_fields(status, code, detail))
    error = {"code": _RPC_CODE, "message": detail, "data": {"code": code}}
    return _JSON, write_json({"jsonrpc": "2.0", "error": error})


def detail_of(reason: Reason) -> str:
    """Give the sentence for the client; that of the reason is for whoever runs the service."""
    what = "has no access at all" if reason.is_about_origin else "may not do this"
    return _DETAILS.get(reason.code, f"This origin {what}.")


def speaks_rpc(accepts: Iterable[str]) -> bool:
    """Whether a client takes JSON-RPC, by its Accept lines: those of MCP take an event stream with each request.

    So does an EventSource, whose page never sees the body of an error.
    """
    types = (part.partition(";")[0].strip().lower() for line in accepts for part in line.split(","))
    return _EVENTS in types

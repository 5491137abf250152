"""What to do where there is no decision: no access, and never no site."""

from __future__ import annotations

from typing import Final

from cors_service.decision import Decision, Query, Reason
from cors_service.decision.decision import Headers, Kind

UNDECIDED: Final = "undecided"
"""The reason code of what takes the place of a decision that can't be had; no service gives it."""

_VARY: Final[Headers] = (("Vary", "Origin"),)
_VARY_PREFLIGHT: Final[Headers] = (("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),)


def undecided(query: Query, why: str) -> Decision:
    """Refuse what a page asks for because no decision can be had.

    Args:
        query: What was asked.
        why: A sentence for people.

    Returns:
        A refusal without CORS headers, which no cache may give to others; where no page is involved, nothing changes.
    """
    reason = Reason(UNDECIDED, why)
    if query.is_preflight:
        return Decision("preflight", False, 403, reason, _VARY_PREFLIGHT, query.policy or "", None, "")
    kind: Kind = "actual" if query.origins else "no-origin"
    return Decision(kind, False if query.origins else None, None, reason, _VARY, query.policy or "", None, "")

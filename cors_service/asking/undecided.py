"""What to do without a decision: give no access, but always serve the site."""

from __future__ import annotations

from typing import Final

from cors_service.decision import Decision, GuardVerdict, Query, Reason
from cors_service.decision.decision import Headers, Kind
from cors_service.stopped import UNDECIDED

_VARY: Final[Headers] = (("Vary", "Origin"),)
_VARY_PREFLIGHT: Final[Headers] = (("Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),)


def undecided(query: Query, why: str, *, guarded: bool = False) -> Decision:
    """Refuse what a page asks for, for want of a decision.

    Args:
        query: The query.
        why: Why there is no decision, in a sentence for people.
        guarded: Whether a guard may be meant: then it stops the request.

    Returns:
        A refusal without CORS headers, which caches keep for the same origin only; without a page, nothing changes.
    """
    reason = Reason(UNDECIDED, why)
    guard = GuardVerdict(False, "enforce", reason) if guarded else None
    if query.is_preflight:
        return Decision("preflight", False, 403, reason, _VARY_PREFLIGHT, query.policy or "", None, "", guard)
    kind: Kind = "actual" if query.origins else "no-origin"
    return Decision(kind, False if query.origins else None, None, reason, _VARY, query.policy or "", None, "", guard)

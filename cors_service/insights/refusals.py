"""Which origins are refused most, why, and what to write."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal

from msgspec import Struct

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.insights.lines import Form
from cors_service.insights.sums import Sums

_LISTED: Final = 100
# Without the names of headers, which the log does not hold, the policies can't be asked again about other reasons.
_ASKED_AGAIN: Final = frozenset(
    {"origin-not-allowed", "origin-refused", "origin-malformed", "method-not-allowed", "method-malformed"}
)


class Refused(Struct, frozen=True):
    """Requests of an origin that were refused for one reason.

    Attributes:
        policy: The name of the policy; null if none was found.
        origin: The origin as the log has it; null if there was none.
        origins: Its form: `full`, `site` or `hashed`.
        reason: The code of the reason.
        method: The method, if that is what the reason is about; null otherwise.
        count: How many there were.
        last: When the last one was.
        now: What the policies say today; null if that can't be known.
        hint: What to write to allow it; empty if nothing helps, or it is not known.
    """

    policy: str | None
    origin: str | None
    origins: Form
    reason: str
    method: str | None
    count: int
    last: str
    now: Literal["allowed", "refused"] | None
    hint: str


def most_refused(sums: Sums) -> list[Refused]:
    """List what was refused most, 100 at most."""
    return list(islice(_refused(sums), _LISTED))


def _refused(sums: Sums) -> Iterator[Refused]:
    for (policy, origin, origins, reason, method), count, last in sums.refusals:
        now, hint = None, ""
        if reason in _ASKED_AGAIN and origins == "full":
            now, hint = _asked_again(sums.active, policy, origin, method)
        yield Refused(policy, origin, origins, reason, method or None, count, last, now, hint)


def _asked_again(
    active: ActivePolicies | None, policy: str | None, origin: str | None, method: str
) -> tuple[Literal["allowed", "refused"] | None, str]:
    if active is None or policy is None or origin is None:
        return None, ""
    try:
        decision = active.advise(Query(method or "GET", policy=policy, origins=(origin,)))
    except BadQuery:
        return None, ""
    if decision.reason.code == "origin-needs-url":
        return None, ""
    return ("allowed", "") if decision.allowed else ("refused", decision.reason.hint)

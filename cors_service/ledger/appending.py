"""The entry of a change that is about to be made."""

from __future__ import annotations

from datetime import UTC, datetime

from cors_service.ledger.entry import NO_ENTRY, Entry, Head, Signed
from cors_service.ledger.kept import About, Plan


def appended(head: Head | None, plan: Plan, about: About, seconds: float) -> Signed:
    """Make the entry that follows the newest one.

    Args:
        head: The newest change; None if there is none.
        plan: The change.
        about: What its entry says beside.
        seconds: When it is made, since 1970.
    """
    return Signed.of(
        Entry(
            seq=1 if head is None else head.seq + 1,
            previous=NO_ENTRY if head is None else head.entry,
            at=rfc3339(seconds),
            author=about.author,
            approver=about.approver,
            reason=about.reason,
            request_id=about.request_id,
            proposal=about.proposal,
            revision=plan.revision,
            wider=about.wider,
            narrower=about.narrower,
            witness=about.witness,
            changes=plan.changes,
        )
    )


def rfc3339(seconds: float) -> str:
    """Write a time in UTC, with milliseconds.

    Args:
        seconds: Since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

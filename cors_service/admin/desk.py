"""What the resources of the admin process have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct, field
from twisted.internet.interfaces import IReactorTime

from cors_service.admin.audit import Audit
from cors_service.admin.changes import Changes
from cors_service.admin.proposals import Proposals
from cors_service.admin.replicas import Replicas
from cors_service.limits import DEFAULT_TTL
from cors_service.web.access import IAccess
from cors_service.web.hosts import Hosts
from cors_service.web.turns import Turns

_MOST_REMEMBERED: Final = 100
"""Changes that took something back, about which it is known for how long browsers remember it."""


class Desk(Struct, kw_only=True):
    """What the resources share.

    Attributes:
        ids: The names of answers.
        clock: The reactor.
        turns: Where answers are made that take long.
        changes: Reads and changes the store.
        replicas: What replicas report.
        proposals: Changes that wait for a second person.
        audit: Writes down who did what.
        body: Bytes that the body of a request may have.
        access: Who may do what; None where only this machine can connect, and may do everything.
        hosts: The names by which the process is asked; None for any.
        decision_ttl: Seconds for which the callers of replicas may use a decision again.
        preflights: By the numbers of the last changes that took something back, for how many seconds browsers may
            remember it.
    """

    ids: Iterator[bytes]
    clock: IReactorTime
    turns: Turns
    changes: Changes
    replicas: Replicas
    proposals: Proposals
    audit: Audit
    body: int
    access: IAccess | None = None
    hosts: Hosts | None = None
    decision_ttl: int = DEFAULT_TTL
    preflights: dict[int, int] = field(default_factory=dict)

    def remember_preflights(self, seq: int, seconds: int) -> None:
        """Take note for how long browsers may remember what a change took back."""
        self.preflights[seq] = seconds
        if len(self.preflights) > _MOST_REMEMBERED:
            del self.preflights[min(self.preflights)]

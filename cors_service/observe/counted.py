"""What is counted together: decisions that agree in all that is told of them."""

from __future__ import annotations

from typing import Final, Self

from msgspec import Struct

from cors_service.decision import Decision, Query

UNDECIDED: Final = "undecided"
"""The kind of a query without a decision; its reason is the code of what is wrong with it."""

LONGEST_ORIGIN: Final = 512
"""Characters of an origin that are told; the longest host has 253. Callers may send any text as an origin."""
LONGEST_METHOD: Final = 64
"""Characters of a method that are told."""


class Counted(Struct, frozen=True, cache_hash=True, array_like=True, gc=False):
    """What decisions have in common that are counted together.

    Attributes:
        kind: That of the decisions, or UNDECIDED.
        allowed: Whether they allow; None where no page is involved, or nothing was decided.
        reason: The code of their reason.
        policy: The name of the policy that decided; None for none.
        rule: The number of the rule that decided; None for none.
        method: That of the requests, perhaps cut; for preflights, the one that they ask for.
        revision: The revision that decided; None for none.
        origin: The one Origin of the requests, perhaps cut; None for none or several.
    """

    kind: str
    allowed: bool | None
    reason: str
    policy: str | None = None
    rule: int | None = None
    method: str = ""
    revision: str | None = None
    origin: str | None = None

    @classmethod
    def decided(cls, query: Query, decision: Decision) -> Self:
        """Say what a decision is counted with."""
        kind, origins = decision.kind, query.origins
        origin = origins[0] if len(origins) == 1 else None
        method = query.request_methods[0] if kind == "preflight" else query.method
        if (origin is not None and len(origin) > LONGEST_ORIGIN) or len(method) > LONGEST_METHOD:
            origin, method = origin and origin[:LONGEST_ORIGIN], method[:LONGEST_METHOD]
        return cls(
            kind,
            decision.allowed,
            decision.reason.code,
            decision.policy,
            decision.rule,
            method,
            decision.revision,
            origin,
        )

    @classmethod
    def undecided(cls, query: Query, code: str, revision: str | None) -> Self:
        """Say what a query is counted with that can't be decided.

        Args:
            query: The query. The policy that it names may not exist.
            code: That of what is wrong with it.
            revision: Of the policies that are active.
        """
        origin = query.origins[0][:LONGEST_ORIGIN] if len(query.origins) == 1 else None
        method = query.request_methods[0] if query.is_preflight else query.method
        return cls(UNDECIDED, None, code, None, None, method[:LONGEST_METHOD], revision, origin)


class Series(Struct, frozen=True, cache_hash=True, array_like=True, gc=False):
    """A count that goes on for as long as the service does.

    Attributes:
        name: What is counted.
        labels: What distinguishes it from others of the name.
    """

    name: str
    labels: tuple[str, ...] = ()

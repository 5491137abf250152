"""Which origins wildcards and other open patterns really served."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from cors_service.insights.sums import Sums

_LISTED: Final = 20


class ServedOrigin(Struct, frozen=True):
    """An origin that a pattern served.

    Attributes:
        origin: The origin.
        count: Decisions about it.
        last: When the last one was.
    """

    origin: str
    count: int
    last: str


class Wildcard(Struct, frozen=True):
    """A pattern that stands for any number of origins, and those that came.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        pattern: As a document has it.
        count: Decisions about its origins.
        origins: Those that came most, 20 at most.
        origins_count: How many came.
        complete: Whether that is all; otherwise others may have come, too, and counts may be too small.
    """

    policy: str
    rule: int
    pattern: str
    count: int
    origins: list[ServedOrigin]
    origins_count: int
    complete: bool


def served_by_wildcards(sums: Sums) -> list[Wildcard]:
    """List the open patterns by what they served, the most used first."""
    came: dict[tuple[str, int, str], list[ServedOrigin]] = {}
    for (policy, number, pattern, origin), count, last in sums.served:
        came.setdefault((policy, number, pattern), []).append(ServedOrigin(origin, count, last))
    told_apart = not (sums.other or sums.served.missing)
    found = [
        Wildcard(
            policy,
            number,
            pattern,
            sum(one.count for one in origins),
            origins[:_LISTED],
            len(origins),
            complete=told_apart and sums.is_whole(policy, number),
        )
        for (policy, number, pattern), origins in came.items()
    ]
    return sorted(found, key=lambda one: (-one.count, one.policy, one.rule, one.pattern))

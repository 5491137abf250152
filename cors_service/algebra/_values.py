"""What a comparison of two policy sets gives."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from cors_service.decision import BadQuery, Decision, Query

Direction = Literal["wider", "narrower", "other"]
Answer = Decision | BadQuery
"""What a query gets: a decision, or no policy decides about it."""


class Difference(Struct, frozen=True, kw_only=True):
    """Something that two policy sets decide differently.

    Attributes:
        direction: `wider` if the second set lets through, or lets pages read or do, what the first does not; `narrower`
            the other way round; `other` for what is neither.
        policy: The name of the policy.
        what: One of `origin`, `method`, `request-header`, `exposed-header`, `credentials`, `timing`, `embedding`,
            `guard`, `policy`, `url`, and of those that are always `other`: `max-age`, `status`, `caching`.
        sentence: The difference for people, in a sentence.
        witness: A query that shows it.
        before: What the first set answers to it.
        after: What the second set answers to it.
    """

    direction: Direction
    policy: str
    what: str
    sentence: str
    witness: Query
    before: Answer
    after: Answer


class Unknown(Struct, frozen=True):
    """Something that was not compared as a whole. It counts as wider.

    Attributes:
        policy: The name of the policy.
        sentence: What was not compared and why, for people.
    """

    policy: str
    sentence: str


class Comparison(Struct, frozen=True):
    """All that two policy sets decide differently.

    Attributes:
        differences: By policy, in the order of the names; for each policy the wider ones first.
        unknown: What was not compared as a whole.
        reaches: The names of the policies that decide otherwise, or about other URLs, or may; None if any may.
    """

    differences: tuple[Difference, ...]
    unknown: tuple[Unknown, ...] = ()
    reaches: frozenset[str] | None = frozenset()

    @property
    def is_wider(self) -> bool:
        """Whether something is let through that was not, or may be."""
        return bool(self.unknown) or any(one.direction == "wider" for one in self.differences)

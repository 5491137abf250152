"""A policy set without mistakes, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from cors_service.policy import PolicySet
from cors_service.policy.change import Seq
from cors_service.policy.draft import Draft
from cors_service.policy.revision import revision as revision_of


class Seen(Struct, frozen=True, kw_only=True):
    """Which change of a store made a policy set; the first attributes are those of the head that named it.

    Attributes:
        seq: The number of the change.
        entry: The hash of its entry.
        format: The version of the document format that can say what is in the set.
        at: When it was made.
        origin: Which history it belongs to; None if the store does not say.
    """

    seq: Seq
    entry: str
    format: int
    at: str
    origin: str | None = None


class GoodSet(Struct, frozen=True):
    """A policy set without mistakes.

    Attributes:
        policy_set: The policies.
        revision: Their revision.
        loaded_at: When all of them were read last without mistakes, in seconds since 1970.
        documents: The documents that they come from, by their names in the source; none if the source is one document,
            or has none.
        since: When each document was found to have a newer version, in seconds since 1970, by its name.
        seen: The change of a store that made it; None for documents.
    """

    policy_set: PolicySet
    revision: str
    loaded_at: float
    documents: Mapping[str, Draft] = {}
    since: Mapping[str, float] = {}
    seen: Seen | None = None

    @classmethod
    def of(cls, policy_set: PolicySet, loaded_at: float, documents: Mapping[str, Draft] | None = None) -> Self:
        """Make one of policies, and compute their revision."""
        return cls(policy_set, revision_of(policy_set), loaded_at, documents or {})

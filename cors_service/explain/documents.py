"""The documents of a policy set with their texts, which can be edited."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

from cors_service.decision import ActivePolicies
from cors_service.policy import PolicyError, PolicySet, Source
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts


class Documents:
    """Documents, read.

    Attributes:
        sources: Their texts.
        policy_set: What they hold together.
        active: The same, ready to decide.
    """

    def __init__(self, sources: Sequence[Source], *, unreadable: Iterable[PolicyError] = ()) -> None:
        """Read documents.

        Args:
            sources: The texts.
            unreadable: A mistake for each document that could not be read.

        Raises:
            InvalidPolicies: With every mistake of every document.
        """
        self._become([*map(Draft, sources)], unreadable)

    def _become(self, drafts: list[Draft], unreadable: Iterable[PolicyError] = ()) -> None:
        self._drafts = drafts
        self.sources = [draft.source for draft in drafts if draft.source is not None]
        self.policy_set: PolicySet = read_drafts(drafts, unreadable=unreadable)
        self.active = ActivePolicies(self.policy_set)

    def index_of(self, policy: str) -> int:
        """Give the index of the document that has a policy; 0 if none has it."""
        return next((index for index, draft in enumerate(self._drafts) if policy in draft.policies), 0)

    def replaced(self, index: int, text: str) -> Self:
        """Give the same documents with another text of one of them.

        Raises:
            InvalidPolicies: With every mistake of every document.
        """
        source = self.sources[index]
        drafts = [*self._drafts]
        drafts[index] = Draft(Source(source.name, source.format, text))
        other = type(self).__new__(type(self))
        other._become(drafts)
        return other

"""What the documents of a good set define and use together, so that a few of them can be replaced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from copy import copy
from typing import Self

from cors_service.policy.draft import MOST_ORIGINS, Draft, ReadPolicy
from cors_service.policy.model import PolicySet


class Tables:
    """What the documents of a good set define and use together.

    Attributes:
        policies: By name, in the order of their names.
    """

    def __init__(self, policy_set: PolicySet, drafts: Collection[Draft]) -> None:
        self.policies = dict(policy_set.policies)
        self._matches: dict[str, str] = {
            match.key: policy.name for policy in self.policies.values() for match in policy.match
        }
        self._sets = {key: one for draft in drafts for key, one in draft.sets.items()}
        self._uses = Counter(key for draft in drafts for read in draft.policies.values() for key in read.uses)
        self._weight = sum(draft.weight_with(self._sets) for draft in drafts)

    def copy(self) -> Self:
        """Give tables that can be replaced in, while these stay."""
        other = copy(self)
        # `replace` makes policies of its own.
        other._matches = self._matches.copy()
        other._uses = self._uses.copy()
        return other

    def replace(self, old: Sequence[Draft], new: Sequence[Draft]) -> list[str] | None:
        """Replace some documents by others.

        Returns:
            The names of the policies that they define, sorted. None if the set is not good any more, or if only a look
            at all documents can tell: then the tables are useless.
        """
        if any(draft.sets for draft in (*old, *new)):
            return None
        for draft in old:
            self._weight -= draft.weight_with(self._sets)
        for draft in new:
            self._weight += draft.weight_with(self._sets)
        if self._weight > MOST_ORIGINS or not all(map(self._is_good, new)):
            return None
        gone, coming = _policies(old), _policies(new)
        for read in gone.values():
            self._forget(read)
        is_clash = any(name in self.policies and name not in gone for name in coming)
        if is_clash or len(coming) < sum(len(draft.policies) for draft in new):
            return None
        if not all(map(self._take, coming.values())) or not all(self._uses[key] for key in self._sets):
            return None
        policies = self.policies.copy()  # the last set keeps its own
        for name in gone.keys() - coming.keys():
            del policies[name]
        is_in_order = coming.keys() <= policies.keys()
        policies |= {name: read.policy for name, read in coming.items() if read.policy is not None}
        self.policies = policies if is_in_order else dict(sorted(policies.items()))
        return sorted(gone.keys() | coming.keys()) if policies else None

    def _is_good(self, draft: Draft) -> bool:
        return draft.is_complete and not draft.mistakes and not draft.misuse(self._sets, is_complete=True)

    def _forget(self, read: ReadPolicy) -> None:
        self._uses.subtract(read.uses)
        for match in read.matches:
            if match is not None:
                self._matches.pop(match.key, None)

    def _take(self, read: ReadPolicy) -> bool:
        """Add what a policy uses; False if one of its matches is another's."""
        self._uses.update(read.uses)
        assert read.policy is not None
        name = read.policy.name
        return all(self._matches.setdefault(match.key, name) == name for match in read.policy.match)


def _policies(drafts: Iterable[Draft]) -> dict[str, ReadPolicy]:
    return {name: read for draft in drafts for name, read in draft.policies.items()}

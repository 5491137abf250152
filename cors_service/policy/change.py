"""From one policy set to the next: what differs, and nothing of what stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import compress, filterfalse
from operator import is_not
from typing import Annotated, Final, Self, TypeVar

from msgspec import Meta, Struct

from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.grammar.pattern import OriginPattern, SetName
from cors_service.policy.model import Policy, PolicySet
from cors_service.policy.revision import revision as revision_of

LARGEST_SEQ: Final = (1 << 53) - 1
"""The largest number that a change of a store may have: programs that read JSON may round larger ones."""
Seq = Annotated[int, Meta(ge=0, le=LARGEST_SEQ)]
"""The number of a change of a store; 0 as long as there is none."""

_Part = TypeVar("_Part")


class Behind(Struct, frozen=True, array_like=True):
    """A document with a newer version than the one that is active.

    Attributes:
        document: Its name for people, the same as in the `file` of mistakes.
        since: When that was found, in seconds since 1970.
        is_kept: Whether an earlier version of it is active; if not, none of it is.
    """

    document: str
    since: float
    is_kept: bool


class Change(Struct, frozen=True, kw_only=True):
    """The difference between two policy sets.

    Attributes:
        base: The revision of the first set; None if that is empty.
        revision: The revision of the second set.
        policies: Policies that are new or differ, or use a set that is new or differs.
        removed: The names of policies that no longer exist.
        origin_sets: Origin sets that are new or differ, by name.
        removed_sets: The names of origin sets that no longer exist.
        header_sets: Header sets that are new or differ, by name.
        removed_header_sets: The names of header sets that no longer exist.
        loaded_at: When the second set was read at its source, in seconds since 1970; None for just now.
        mistakes: What is wrong with newer policies, which the second set stands in for; None if there are none.
        behind: The documents with newer versions that are not in the second set.
        snapshot_problem: Why the second set could not be written into the snapshot; None if there is nothing to say.
        seq: The number of the change in its store that made the second set; None where changes have no numbers.
    """

    base: str | None
    revision: str
    policies: tuple[Policy, ...] = ()
    removed: tuple[str, ...] = ()
    origin_sets: Mapping[str, tuple[OriginPattern, ...]] = {}
    removed_sets: tuple[str, ...] = ()
    header_sets: Mapping[str, tuple[str, ...]] = {}
    removed_header_sets: tuple[str, ...] = ()
    loaded_at: float | None = None
    mistakes: InvalidPolicies | None = None
    behind: tuple[Behind, ...] = ()
    snapshot_problem: str | None = None
    seq: int | None = None

    @classmethod
    def whole(
        cls,
        policy_set: PolicySet,
        *,
        revision: str | None = None,
        loaded_at: float | None = None,
        mistakes: InvalidPolicies | None = None,
        behind: tuple[Behind, ...] = (),
        seq: int | None = None,
    ) -> Self:
        """Make the change that leads from nothing to a policy set.

        Args:
            policy_set: The policy set.
            revision: Its revision; computed by default.
            loaded_at: See the attribute.
            mistakes: See the attribute.
            behind: See the attribute.
            seq: See the attribute.
        """
        return cls(
            base=None,
            revision=revision_of(policy_set) if revision is None else revision,
            policies=tuple(policy_set.policies.values()),
            origin_sets=policy_set.origin_sets,
            header_sets=policy_set.header_sets,
            loaded_at=loaded_at,
            mistakes=mistakes,
            behind=behind,
            seq=seq,
        )

    @classmethod
    def between(cls, base: str | None, before: PolicySet | None, revision: str, after: PolicySet) -> Self:
        """Compare two policy sets.

        Args:
            base: The revision of the first.
            before: The first; None if that is empty.
            revision: The revision of the second.
            after: The second.
        """
        old: Mapping[str, Policy] = before.policies if before else {}
        old_sets: Mapping[str, tuple[OriginPattern, ...]] = before.origin_sets if before else {}
        old_headers: Mapping[str, tuple[str, ...]] = before.header_sets if before else {}
        sets = {name: origins for name, origins in after.origin_sets.items() if old_sets.get(name) != origins}
        header_sets = {name: names for name, names in after.header_sets.items() if old_headers.get(name) != names}
        changed = {policy.name for policy in others(old, after.policies) if old.get(policy.name) != policy}
        if sets:
            names = set(map(SetName, sets))
            changed.update(policy.name for policy in after.policies.values() if _uses(policy, names))
        if header_sets:
            policies = after.policies.values()
            changed.update(policy.name for policy in policies if not header_sets.keys().isdisjoint(policy.uses_headers))
        return cls(
            base=base,
            revision=revision,
            policies=tuple(after.policies[name] for name in sorted(changed)),
            removed=tuple(filterfalse(after.policies.__contains__, old)),
            origin_sets=sets,
            removed_sets=tuple(filterfalse(after.origin_sets.__contains__, old_sets)),
            header_sets=header_sets,
            removed_header_sets=tuple(filterfalse(after.header_sets.__contains__, old_headers)),
        )


def others(before: Mapping[str, _Part], after: Mapping[str, _Part]) -> Iterator[_Part]:
    """Give the parts that are new or not the same object as before; 100,000 unchanged parts cost milliseconds."""
    parts = after.values()
    return compress(parts, map(is_not, map(before.get, after), parts))


def _uses(policy: Policy, sets: set[SetName]) -> bool:
    return any(not sets.isdisjoint(rule.origins) for rule in policy.rules)

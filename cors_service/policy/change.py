"""From one policy set to the next: what is other, and nothing of what stays."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cors_service.policy.model import Policy, PolicySet


class Change(Struct, frozen=True, kw_only=True):
    """What makes one policy set of another.

    Attributes:
        base: The revision of the set that is changed; None for a set of nothing.
        revision: The revision of the set that it becomes.
        policies: Those that are new or other, or use an origin set that is.
        removed: The names of those that are no more.
        origin_sets: Those that are new or other, by name.
        removed_sets: The names of those that are no more.
    """

    base: str | None
    revision: str
    policies: tuple[Policy, ...] = ()
    removed: tuple[str, ...] = ()
    origin_sets: Mapping[str, tuple[str, ...]] = {}
    removed_sets: tuple[str, ...] = ()

    @classmethod
    def between(cls, base: str | None, before: PolicySet | None, revision: str, after: PolicySet) -> Change:
        """Compare two policy sets.

        Args:
            base: The revision of the first.
            before: The first; None for a set of nothing.
            revision: The revision of the second.
            after: The second.
        """
        old: Mapping[str, Policy] = before.policies if before else {}
        old_sets: Mapping[str, tuple[str, ...]] = before.origin_sets if before else {}
        sets = {name: origins for name, origins in after.origin_sets.items() if old_sets.get(name) != origins}
        users = {f"@{name}" for name in sets}
        return cls(
            base=base,
            revision=revision,
            policies=tuple(
                policy
                for name, policy in after.policies.items()
                if ((was := old.get(name)) is not policy and was != policy) or (users and _uses(policy, users))
            ),
            removed=tuple(name for name in old if name not in after.policies),
            origin_sets=sets,
            removed_sets=tuple(name for name in old_sets if name not in after.origin_sets),
        )


def _uses(policy: Policy, patterns: set[str]) -> bool:
    return any(not patterns.isdisjoint(rule.origins) for rule in policy.rules)

"""What changed from one policy set to the next, for workers that are some sets behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from cors_service.policy import PolicySet
from cors_service.policy.change import Change

_STEPS: Final = 100
_LARGE: Final = 10_000
"""Changes of a step from which on older ones are forgotten: whoever is behind it might as well get everything."""


class _Step(NamedTuple):
    """A change from one policy set to the next.

    Attributes:
        base: The revision of the first.
        policies: Whether each policy that changed was in the first, by name.
        origin_sets: The same of the origin sets.
        header_sets: The same of the header sets.
    """

    base: str
    policies: Mapping[str, bool]
    origin_sets: Mapping[str, bool]
    header_sets: Mapping[str, bool]


class History:
    """The changes that led to a policy set."""

    def __init__(self) -> None:
        self._steps: deque[_Step] = deque(maxlen=_STEPS)

    def add(self, before: PolicySet, change: Change) -> None:
        """Remember a change.

        Args:
            before: The policy set that it begins at.
            change: What leads to the next one.
        """
        assert change.base is not None
        changed = [*(policy.name for policy in change.policies), *change.removed]
        if len(changed) > _LARGE:
            self._steps.clear()
        self._steps.append(
            _Step(
                change.base,
                {name: name in before.policies for name in changed},
                {name: name in before.origin_sets for name in (*change.origin_sets, *change.removed_sets)},
                {name: name in before.header_sets for name in (*change.header_sets, *change.removed_header_sets)},
            )
        )

    def since(self, base: str, revision: str, now: PolicySet) -> Change | None:
        """Put the changes since a revision together.

        Args:
            base: The revision.
            revision: The revision of the policy set to which the last change led.
            now: That policy set.

        Returns:
            The change that leads there; None if the revision is not remembered.
        """
        steps = list(self._since(base))
        if not steps:
            return None
        # Whether something was there at the beginning, the first step that mentions it says.
        policies = {name: was for step in steps for name, was in step.policies.items()}
        origin_sets = {name: was for step in steps for name, was in step.origin_sets.items()}
        header_sets = {name: was for step in steps for name, was in step.header_sets.items()}
        return Change(
            base=base,
            revision=revision,
            policies=tuple(now.policies[name] for name in policies if name in now.policies),
            removed=tuple(name for name, was in policies.items() if was and name not in now.policies),
            origin_sets={name: now.origin_sets[name] for name in origin_sets if name in now.origin_sets},
            removed_sets=tuple(name for name, was in origin_sets.items() if was and name not in now.origin_sets),
            header_sets={name: now.header_sets[name] for name in header_sets if name in now.header_sets},
            removed_header_sets=tuple(name for name, was in header_sets.items() if was and name not in now.header_sets),
        )

    def _since(self, base: str) -> Iterator[_Step]:
        """The steps since a revision, the last one first."""
        steps = list(reversed(self._steps))
        bases = [step.base for step in steps]
        return iter(steps[: bases.index(base) + 1] if base in bases else [])

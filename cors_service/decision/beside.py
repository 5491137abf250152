"""Two versions of a policy beside each other: whether both decide alike about a query that one has decided about.

Most changes leave most of what a policy answers as it is. To know that, finding the other version's rule is enough.
"""

from __future__ import annotations

from msgspec import Struct, structs

from cors_service.decision._compiled import CompiledPolicy
from cors_service.decision._grant import Grant
from cors_service.decision._origins import Origins
from cors_service.decision.active import ActivePolicies
from cors_service.decision.decision import Decision
from cors_service.decision.query import Query

# What differs between two versions, and is looked at for each query; and what is the same or else makes them different.
_RULES = frozenset({"grants", "origins"})


class Beside(Struct, frozen=True):
    """Two versions of a policy that differ in their rules alone.

    Attributes:
        origins: Finds the rule of the second version; None if both have the same origins.
        before: For each rule of the first version, what it grants.
        after: The same of the second version.
    """

    origins: Origins | None
    before: tuple[int, ...]
    after: tuple[int, ...]

    def is_alike(self, query: Query, decision: Decision) -> bool:
        """Say whether the second version decides as the first does, but for the number of the rule.

        Args:
            query: The query.
            decision: What the first version decided about it.
        """
        if len(query.origins) != 1 or decision.kind not in {"actual", "preflight"}:
            return True
        number = decision.rule
        if self.origins is None:
            return number is None or self.before[number - 1] == self.after[number - 1]
        index = self.origins.find(query.origins[0])
        if number is None or index < 0:
            return number is None and index < 0
        return self.before[number - 1] == self.after[index]


def beside(before: ActivePolicies, after: ActivePolicies, name: str) -> Beside | None:
    """Put two versions of a policy beside each other.

    Returns:
        Both; None if there is one only, or if more than their rules is different or depends on the request's host.
    """
    first, second = before._policies.get(name), after._policies.get(name)
    # A policy of another class looks at more than the rule.
    if type(first) is not CompiledPolicy or type(second) is not CompiledPolicy:
        return None
    if first.public is not None or second.public is not None:
        return None
    fields = [field for field in structs.asdict(first) if field not in _RULES]
    if any(getattr(first, field) != getattr(second, field) for field in fields):
        return None
    known: dict[object, int] = {}
    numbers = [
        tuple(known.setdefault(_granted(grant), len(known)) for grant in policy.grants) for policy in (first, second)
    ]
    return Beside(None if _has_same_origins(before, after, name) else second.origins, *numbers)


def _has_same_origins(before: ActivePolicies, after: ActivePolicies, name: str) -> bool:
    sets = before.policy_set, after.policy_set
    first, second = (each.policies[name] for each in sets)
    return (
        [rule.origins for rule in first.rules] == [rule.origins for rule in second.rules]
        # Whether an expression covers cleartext origins depends on these, too.
        and all(
            (one.credentials, one.dangerously_allow) == (other.credentials, other.dangerously_allow)
            for one, other in zip(first.rules, second.rules, strict=True)
        )
        and all(sets[0].origin_sets[one] == sets[1].origin_sets[one] for one in first.uses)
    )


def _granted(grant: Grant) -> object:
    """What a rule grants, whatever its number is."""
    return tuple(getattr(grant, name) for name in Grant.__slots__ if name != "number")

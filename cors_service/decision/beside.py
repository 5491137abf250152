"""Two versions of a policy beside each other: whether both decide alike about a query that one has decided about.

Most changes leave most of what a policy answers as it is. To know that, finding the other version's rule is enough.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct, structs

from cors_service.decision._compiled import CompiledPolicy
from cors_service.decision._grant import Grant
from cors_service.decision._origins import Origins
from cors_service.decision.active import ActivePolicies
from cors_service.decision.decision import Decision
from cors_service.decision.query import Query
from cors_service.grammar.pattern import OriginPattern

_MOST_COMPARED: Final = 5000
"""Patterns of a rule in both versions; comparing more would keep requests waiting."""
# What is looked at for each query. Where anything else differs, two versions are not put beside each other.
_RULES: Final = frozenset({"grants", "origins"})


class Beside(Struct, frozen=True):
    """Two versions of a policy that differ in their rules alone.

    Attributes:
        origins: Finds the rule of the second version.
        changed: The origins that only one version lists, where nothing else about their origins differs; None where it
            may.
        before: For each rule of the first version, what it grants.
        after: The same of the second version.
    """

    origins: Origins
    changed: frozenset[str] | None
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
        origin, number = query.origins[0], decision.rule
        if self.changed is not None and origin not in self.changed:
            return number is None or self.before[number - 1] == self.after[number - 1]
        index = self.origins.find(origin)
        if number is None or index < 0:
            return number is None and index < 0
        return self.before[number - 1] == self.after[index]


def beside(before: ActivePolicies, after: ActivePolicies, name: str) -> Beside | None:
    """Put two versions of a policy beside each other.

    Returns:
        Both; None if there is one only, or if more than their rules is different or depends on the request's host.
    """
    first, second = before.compiled.get(name), after.compiled.get(name)
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
    return Beside(second.origins, _changed(before, after, name), *numbers)


def _changed(before: ActivePolicies, after: ActivePolicies, name: str) -> frozenset[str] | None:
    """The exact origins that only one version of a policy lists; None if it is more, or takes long to find out."""
    sets = before.policy_set, after.policy_set
    first, second = (each.policies[name].rules for each in sets)
    # Whether an expression covers cleartext origins depends on these, too.
    heads = [[(rule.credentials, rule.dangerously_allow) for rule in rules] for rules in (first, second)]
    if heads[0] != heads[1]:
        return None
    changed: set[OriginPattern] = set()
    for rules in zip(first, second, strict=True):
        if sum(each.size(rule) for each, rule in zip(sets, rules, strict=True)) > _MOST_COMPARED:
            return None
        one, other = (set(each.each_pattern(rule)) for each, rule in zip(sets, rules, strict=True))
        changed |= one ^ other
    exact = frozenset(pattern for pattern in changed if isinstance(pattern, str))
    return exact if len(exact) == len(changed) else None


def _granted(grant: Grant) -> object:
    """What a rule grants, whatever its number is."""
    return tuple(getattr(grant, name) for name in Grant.__slots__ if name != "number")

"""Compares two policy sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from cors_service.algebra._engines import Engines
from cors_service.algebra._policies import Found, Pair, Side
from cors_service.algebra._urls import URLs
from cors_service.algebra._values import Comparison, Difference, Unknown
from cors_service.algebra._where import ByName
from cors_service.algebra._words import sentence
from cors_service.policy import PolicySet
from cors_service.policy.change import Change
from cors_service.policy.model import Policy

_ORDER: Final = {"wider": 0, "narrower": 1, "other": 2}


def compare(before: PolicySet, after: PolicySet) -> Comparison:
    """Compare two policy sets.

    Args:
        before: The first.
        after: The second.

    Returns:
        Everything that they decide differently, over all queries that name a policy or a URL; for a difference that
        many queries show, one of them. Policies whose rules, origins and headers are the same cost next to nothing.
    """
    changed = _changed(before, after)
    engines = Engines(_part(before, changed), _part(after, changed))
    differences: list[Difference] = []
    unknown: list[Unknown] = []
    for name in changed:
        sides = Side(before.policies.get(name), before), Side(after.policies.get(name), after)
        where = ByName(name, [side.policy for side in sides if side.policy])
        pair = Pair(*sides, engines, where)
        differences += _in_words(name, pair.compare())
        unknown += pair.unknown
    urls = URLs(before, after)
    for name, found in urls.compare():
        differences += _in_words(name, found)
    differences.sort(key=lambda one: (one.policy, _ORDER[one.direction]))
    # A policy may find that URLs are taken from it without a difference that names it.
    reaches = None if urls.reaches is None else urls.reaches.union(changed)
    return Comparison(tuple(differences), (*unknown, *urls.unknown), reaches)


def _changed(before: PolicySet, after: PolicySet) -> list[str]:
    """The names of the policies that differ, or use sets that do."""
    change = Change.between(None, before, "", after)
    return sorted({*change.removed, *(policy.name for policy in change.policies)})


def _part(policy_set: PolicySet, names: Iterable[str]) -> PolicySet:
    """Some policies of a set."""
    some: list[Policy] = [policy_set.policies[name] for name in names if name in policy_set.policies]
    return PolicySet.of(some, policy_set.origin_sets, policy_set.header_sets)


def _in_words(name: str, found: Iterable[Found]) -> Iterator[Difference]:
    for one in found:
        finding = one.finding
        yield Difference(
            direction=finding.effect.direction,
            policy=name,
            what=one.what,
            sentence=sentence(one),
            witness=finding.query,
            before=finding.before,
            after=finding.after,
        )

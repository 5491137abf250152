"""What policies have that nobody used, as far as the lines reach."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeVar

from msgspec import Struct

from cors_service.grammar.pattern import SetName, expanded, write_pattern
from cors_service.grammar.tokens import normalize_method
from cors_service.insights.lines import instant_of, seconds_of
from cors_service.insights.sums import RuleSums, Sums
from cors_service.policy import PolicySet
from cors_service.policy.model import Rule
from cors_service.policy.words import rule_in_words

UNSEEN_DAYS: Final = 90
"""Days after which an origin that is not seen is worth a question."""
_LISTED: Final = 1000
_DAY: Final = 24 * 3600

_Item = TypeVar("_Item")


class UnusedRule(Struct, frozen=True):
    """A rule that decided about nothing.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        words: What it grants, and to whom.
    """

    policy: str
    rule: int
    words: str


class UnseenOrigin(Struct, frozen=True):
    """An origin, or another pattern, that a rule lists and nobody came by.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        pattern: As a document has it.
        last: When the origin was seen last; null if never.
    """

    policy: str
    rule: int
    pattern: str
    last: str | None


class UnaskedGrant(Struct, frozen=True):
    """What a rule grants that nobody asked for.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        any_method: Whether it grants every method.
        methods: Methods that it lists and nobody used; HEAD counts as GET.
        asked: Methods that somebody used.
        headers: Request headers that nobody asked about: all that it grants, if there was no preflight; null if there
            were some, since lines do not say which headers they ask about.
    """

    policy: str
    rule: int
    any_method: bool
    methods: tuple[str, ...]
    asked: tuple[str, ...]
    headers: tuple[str, ...] | None


class UnknownUse(Struct, frozen=True):
    """Decisions that keep it from being known what of a rule, or of a policy, somebody used.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule that decided about masked origins, from 1; null if another revision decided, and
            it may be any.
        count: How many decisions there were.
    """

    policy: str
    rule: int | None
    count: int


class Unused(Struct, frozen=True):
    """What nobody used, unless decisions did that are not told apart.

    Each list has 1,000 entries at most; beside it is their number.

    Attributes:
        policies: Policies that nobody asked for.
        policies_count: Their number.
        rules: Rules of other policies that decided about nothing.
        rules_count: Their number.
        origins: Origins and other patterns of other rules that were not seen for some time.
        origins_count: Their number.
        sets: Origin sets with no pattern that anybody used.
        sets_count: Their number.
        grants: What the other rules grant and nobody asked for.
        grants_count: Their number.
        unknown: Of which rules it is not known which origins they serve, so that neither these nor the sets that they
            use are listed; of which policies nothing is known.
        unknown_count: Their number.
        headers_unknown: Of how many rules it is not known which headers nobody asked about.
        days: Days for which an origin must not have been seen.
        complete: Whether the lines reach back so far.
    """

    policies: list[str]
    policies_count: int
    rules: list[UnusedRule]
    rules_count: int
    origins: list[UnseenOrigin]
    origins_count: int
    sets: list[str]
    sets_count: int
    grants: list[UnaskedGrant]
    grants_count: int
    unknown: list[UnknownUse]
    unknown_count: int
    headers_unknown: int
    days: int
    complete: bool


def unused(sums: Sums, policy_set: PolicySet, days: int = UNSEEN_DAYS) -> Unused:
    """Find what nobody used.

    Args:
        sums: What the lines say, about this set of policies.
        policy_set: The policies.
        days: Days for which an origin must not have been seen.
    """
    since = instant_of(seconds_of(sums.end) - days * _DAY) if sums.end else ""
    policies, policies_count = _some(name for name in policy_set.policies if name not in sums.asked)
    rules, rules_count = _some(_rules(sums, policy_set))
    origins, origins_count = _some(_origins(sums, policy_set, since))
    sets, sets_count = _some(_sets(sums, policy_set))
    grants, grants_count = _some(_grants(sums, policy_set))
    unknown, unknown_count = _some(_unknown(sums, policy_set))
    return Unused(
        policies=policies,
        policies_count=policies_count,
        rules=rules,
        rules_count=rules_count,
        origins=origins,
        origins_count=origins_count,
        sets=sets,
        sets_count=sets_count,
        grants=grants,
        grants_count=grants_count,
        unknown=unknown,
        unknown_count=unknown_count,
        headers_unknown=sum(
            bool(rule.request_headers and rule_sums.preflights)
            for _, _, rule, rule_sums in _used_rules(sums, policy_set)
        ),
        days=days,
        complete=bool(sums.begin) and sums.begin <= since,
    )


def _some(items: Iterator[_Item]) -> tuple[list[_Item], int]:
    first = list(islice(items, _LISTED))
    return first, len(first) + sum(1 for _ in items)


def _unknown(sums: Sums, policy_set: PolicySet) -> Iterator[UnknownUse]:
    for name, policy in policy_set.policies.items():
        if sums.unplaced_of[name]:
            yield UnknownUse(name, None, sums.unplaced_of[name])
        for number in range(1, len(policy.rules) + 1):
            found = sums.rules.get((name, number))
            if found is not None and found.masked:
                yield UnknownUse(name, number, found.masked)


def _rules(sums: Sums, policy_set: PolicySet) -> Iterator[UnusedRule]:
    for name, policy in policy_set.policies.items():
        for number, rule in enumerate(policy.rules, 1):
            if name in sums.asked and (name, number) not in sums.rules and not sums.unplaced_of[name]:
                yield UnusedRule(name, number, rule_in_words(rule, policy_set))


def _used_rules(sums: Sums, policy_set: PolicySet) -> Iterator[tuple[str, int, Rule, RuleSums]]:
    for name, policy in policy_set.policies.items():
        for number, rule in enumerate(policy.rules, 1):
            found = sums.rules.get((name, number))
            if found is not None:
                yield name, number, rule, found


def _origins(sums: Sums, policy_set: PolicySet, since: str) -> Iterator[UnseenOrigin]:
    served = {(policy, number, pattern) for (policy, number, pattern, _), _, _ in sums.served}
    for name, number, rule, _ in _used_rules(sums, policy_set):
        if not sums.is_whole(name, number):
            continue
        seen = sums.exact.get((name, number), {})
        for pattern in dict.fromkeys(expanded(policy_set.each_pattern(rule))):
            text = write_pattern(pattern)
            if isinstance(pattern, str):
                last = seen.get(text)
                if last is None or last < since:
                    yield UnseenOrigin(name, number, text, last)
            elif (name, number, text) not in served and not sums.served.missing:
                yield UnseenOrigin(name, number, text, None)


def _sets(sums: Sums, policy_set: PolicySet) -> Iterator[str]:
    came: dict[tuple[str, int], set[str]] = {key: set(seen) for key, seen in sums.exact.items()}
    for (used, number, pattern, _), _, _ in sums.served:
        came.setdefault((used, number), set()).add(pattern)
    users: dict[str, list[tuple[str, int]]] = {}
    for name, policy in policy_set.policies.items():
        for number, rule in enumerate(policy.rules, 1):
            for listed in rule.origins:
                if isinstance(listed, SetName):
                    users.setdefault(listed.name, []).append((name, number))
    for set_name, patterns in policy_set.origin_sets.items():
        listed_patterns = tuple(expanded(patterns))
        if sums.served.missing and not all(isinstance(pattern, str) for pattern in listed_patterns):
            continue
        texts = frozenset(map(write_pattern, listed_patterns))
        if all(sums.is_whole(*user) and came.get(user, set()).isdisjoint(texts) for user in users.get(set_name, ())):
            yield set_name


def _grants(sums: Sums, policy_set: PolicySet) -> Iterator[UnaskedGrant]:
    for name, number, rule, found in _used_rules(sums, policy_set):
        if rule.refuse or sums.unplaced_of[name]:
            continue
        asked = {normalize_method(method) for method in (*found.preflights, *found.requests) if method}
        methods = tuple(
            method
            for method in rule.methods
            if method != "*" and method not in asked and not (method == "HEAD" and "GET" in rule.methods)
        )
        granted = policy_set.headers(rule.request_headers)
        headers = None if granted and found.preflights else granted
        any_method = "*" in rule.methods
        if methods or headers or any_method:
            yield UnaskedGrant(name, number, any_method, methods, tuple(sorted(asked)), headers)

"""A policy set for people, policy by policy: in a few lines, or who may do what."""

from __future__ import annotations

from collections.abc import Iterator

from cors_service.grammar.mistakes import plural
from cors_service.policy.model import Policy, PolicySet
from cors_service.policy.words import rule_in_words


def summarize(policy_set: PolicySet) -> str:
    """Write a line for each policy, and one that counts them."""
    lines = [_line(policy, policy_set) for policy in policy_set.policies.values()]
    return "\n".join([*lines, _count(policy_set)])


def describe(policy_set: PolicySet) -> Iterator[str]:
    """Write the same lines, and after that for each policy one for each of its rules: who may do what."""
    for policy in policy_set.policies.values():
        yield _line(policy, policy_set)
        for number, rule in enumerate(policy.rules, 1):
            yield f"  {number}. {rule_in_words(rule, policy_set)}"
    yield _count(policy_set)


def counted(count: int, one: str, many: str) -> str:
    """Write a number of things."""
    return f"{count} {plural(count, one, many)}"


def _count(policy_set: PolicySet) -> str:
    return f"{counted(len(policy_set.policies), 'policy', 'policies')}, no mistakes."


def _line(policy: Policy, policy_set: PolicySet) -> str:
    patterns = sum(policy_set.size(rule) for rule in policy.rules)
    refusing = sum(rule.refuse for rule in policy.rules)
    rules = counted(len(policy.rules), "rule", "rules")
    if refusing:
        rules += f" ({counted(refusing, 'refuses', 'refuse')})"
    parts = [rules, counted(patterns, "origin pattern", "origin patterns")]
    if policy.static:
        parts.append("static")
    if policy.guard is not None:
        parts.append("guarded" if policy.guard.mode == "enforce" else "guarded in report mode")
    if policy.match:
        parts.append(f"matches {' '.join(match.text for match in policy.match)}")
    return f"{policy.name}: {', '.join(parts)}"

"""A policy set in a few lines for people."""

from __future__ import annotations

from cors_service.policy.model import Policy, PolicySet


def summarize(policy_set: PolicySet) -> str:
    """Write a line for each policy, and one that counts them."""
    count = len(policy_set.policies)
    lines = [_line(policy, policy_set) for policy in policy_set.policies.values()]
    return "\n".join([*lines, f"{_counted(count, 'policy', 'policies')}, no mistakes."])


def _line(policy: Policy, policy_set: PolicySet) -> str:
    patterns = sum(len(policy_set.patterns(rule)) for rule in policy.rules)
    refusing = sum(rule.refuse for rule in policy.rules)
    rules = _counted(len(policy.rules), "rule", "rules")
    if refusing:
        rules += f" ({_counted(refusing, 'refuses', 'refuse')})"
    parts = [rules, _counted(patterns, "origin pattern", "origin patterns")]
    if policy.static:
        parts.append("static")
    if policy.guard is not None:
        parts.append("guarded" if policy.guard.mode == "enforce" else "guarded in report mode")
    if policy.match:
        parts.append(f"matches {' '.join(match.text for match in policy.match)}")
    return f"{policy.name}: {', '.join(parts)}"


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"

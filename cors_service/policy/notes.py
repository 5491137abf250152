"""What policies say without effect, or with one that surprises: no mistakes, but worth a look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from cors_service.grammar.expression import Expression
from cors_service.grammar.mistakes import shown
from cors_service.grammar.pattern import OriginPattern, is_insecure, write_pattern
from cors_service.policy._coverage import Coverage
from cors_service.policy._dangers import dangers_of
from cors_service.policy.model import Policy, PolicySet, Rule

LONG_MAX_AGE: Final = 3600
"""Seconds for which a browser may remember a grant with cookies without a note."""

_MOST_COMPARED: Final = 10_000
"""Patterns of a policy that are compared with each other; nobody writes more by hand."""
_MOST_NAMED: Final = 20
"""Covered patterns of a rule about which it is said what covers them; of the rest, only that something does."""
_INSECURE: Final = "insecure-origins"

# https://fetch.spec.whatwg.org/#cors-safelisted-request-header: with usual values. Content-Type is usually JSON.
_NOT_ASKED: Final = frozenset({"accept", "accept-language", "content-language"})
# https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
_ALWAYS_READ: Final = frozenset(
    {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}
)


class Note(Struct, frozen=True):
    """Something to look at in a rule.

    Attributes:
        code: One of CODES.
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        message: What there is to see, a sentence for people.
        hint: What to do.
    """

    code: str
    policy: str
    rule: int
    message: str
    hint: str

    def __str__(self) -> str:
        return f"policy {self.policy}, rule {self.rule}: {self.message} {self.hint} [{self.code}]"


CODES: Final = frozenset({"lifts-nothing", "pattern-covered", "never-asked", "already-granted", "long-max-age"})
"""The closed set of codes. Codes are API; messages are not."""


def notes_on(policy_set: PolicySet) -> Iterator[Note]:
    """Find what is worth a look in a policy set, policy by policy.

    It takes time in proportion to the patterns, and little for exact origins, since there may be a million.
    """
    for policy in policy_set.policies.values():
        for number, rule in enumerate(policy.rules, 1):
            for code, message, hint in _of_rule(rule, policy_set):
                yield Note(code, policy.name, number, message, hint)
        for number, code, message, hint in _covered(policy, policy_set):
            yield Note(code, policy.name, number, message, hint)


_Finding = tuple[str, str, str]


def _of_rule(rule: Rule, policy_set: PolicySet) -> Iterator[_Finding]:
    for danger in rule.dangerously_allow:
        if not _lifts(danger, rule, policy_set):
            message = f"dangerously_allow has {danger}, and no origin of the rule needs it."
            yield "lifts-nothing", message, "Remove it, so that a review sees those that count."
    yield from _of_methods(rule.methods)
    yield from _of_request_headers(policy_set.headers(rule.request_headers))
    yield from _of_exposed_headers(policy_set.headers(rule.expose_headers))
    if rule.credentials and rule.max_age is not None and rule.max_age > LONG_MAX_AGE:
        message = f"With cookies, browsers remember a grant for {rule.max_age} seconds after it is taken back."
        yield "long-max-age", message, f"Write max_age = {LONG_MAX_AGE} or less."


def _lifts(danger: str, rule: Rule, policy_set: PolicySet) -> bool:
    """Whether a rule would be refused without a danger that its author has lifted."""
    rest = frozenset(rule.dangerously_allow) - {danger}
    for pattern in policy_set.each_pattern(rule):
        if isinstance(pattern, str) and pattern.startswith("https://"):
            continue
        if danger == _INSECURE and rule.credentials and _may_be_insecure(pattern):
            return True
        if any(dangers_of(pattern, rule.credentials, rest, examples=False)):
            return True
    return False


def _may_be_insecure(pattern: OriginPattern) -> bool:
    # With the danger lifted, an expression covers cleartext origins, too, where it matches them.
    return is_insecure(pattern) or (isinstance(pattern, Expression) and pattern.may_be_cleartext)


def _of_methods(methods: Sequence[str]) -> Iterator[_Finding]:
    others = [method for method in methods if method != "*"]
    if "*" in methods and others:
        yield "already-granted", f"methods has * and {_listed(others)}.", "* grants every method: remove the others."
    for method in others:
        # Browsers upper-case six methods, which are so here, and no others.
        if method != method.upper():
            message = f"Methods are case-sensitive: {method} does not allow {method.upper()}."
            yield "never-asked", message, f'Write "{method.upper()}".'


def _of_request_headers(names: Sequence[str]) -> Iterator[_Finding]:
    covering = tuple(name[:-1] for name in names if name[-1:] == "*")
    for name in names:
        wider = [prefix for prefix in covering if name.startswith(prefix) and name != f"{prefix}*"]
        # No prefix covers authorization (Fetch, #cors-non-wildcard-request-header-name).
        if wider and name != "authorization":
            yield "already-granted", f"request_headers has {wider[0]}* and {name}.", f'Remove "{name}".'
        elif name in _NOT_ASKED:
            message = f"Browsers don't ask about {name}, unless a page gives it an unusual value."
            yield "never-asked", message, f'Remove "{name}".'


def _of_exposed_headers(names: Sequence[str]) -> Iterator[_Finding]:
    for name in names:
        if name in _ALWAYS_READ:
            yield "already-granted", f"Pages may always read {name}.", f'Remove "{name}" from expose_headers.'
        elif name != "*" and "*" in names:
            yield "already-granted", f"expose_headers has * and {name}.", f'Remove "{name}".'


def _covered(policy: Policy, policy_set: PolicySet) -> Iterator[tuple[int, str, str, str]]:
    """Find patterns that others of the same rule cover, or those of earlier rules that grant."""
    earlier = Coverage()
    compared = 0
    for number, rule in enumerate(policy.rules, 1):
        compared += policy_set.size(rule)
        if compared > _MOST_COMPARED:
            return
        patterns = policy_set.patterns(rule)
        # Exact origins alone can't cover each other.
        if len(policy.rules) == 1 and all(isinstance(one, str) for one in patterns):
            patterns = [] if len(set(patterns)) == len(patterns) else patterns
        # What a rule refuses is left to later rules: in an incident one is added, and those that it overrules stay.
        growing = Coverage() if rule.refuse else earlier
        for named, (pattern, others) in enumerate(
            _covered_in(patterns, earlier, growing, cleartext=rule.covers_cleartext)
        ):
            by = _what_covers(pattern, others) if named < _MOST_NAMED else "other patterns cover it"
            message = f"{shown(write_pattern(pattern))} has no effect: {by}."
            yield number, "pattern-covered", message, "Remove it."


def _covered_in(
    patterns: Sequence[OriginPattern], earlier: Coverage, growing: Coverage, *, cleartext: bool
) -> Iterator[tuple[OriginPattern, Sequence[OriginPattern]]]:
    """Give the patterns of a rule that have no effect, each with those of the rule that may cover it.

    Args:
        patterns: Those of the rule.
        earlier: What earlier rules cover.
        growing: The same, or nothing; the patterns are added to it.
        cleartext: Whether expressions of the rule cover the cleartext origins that they match.
    """
    kept: list[OriginPattern] = []
    for pattern in patterns:
        covered = earlier.covers(pattern, cleartext=cleartext)
        if covered or (growing is not earlier and growing.covers(pattern, cleartext=cleartext)):
            yield pattern, kept
        else:
            growing.add(pattern, cleartext=cleartext)
            kept.append(pattern)
    # A later pattern can cover an earlier one, too, if it is not exact.
    if len(kept) < 2 or all(isinstance(one, str) for one in kept[1:]):
        return
    behind = Coverage()
    for pattern in reversed(kept):
        if behind.covers(pattern):
            yield pattern, [one for one in kept if one is not pattern]
        else:
            behind.add(pattern)


def _what_covers(pattern: OriginPattern, others: Sequence[OriginPattern]) -> str:
    for one in others:
        if _covers([one], pattern):
            return "it is listed twice" if one == pattern else f"{shown(write_pattern(one))} covers it"
    return "other patterns cover it" if _covers(others, pattern) else "an earlier rule covers it"


def _covers(patterns: Sequence[OriginPattern], pattern: OriginPattern) -> bool:
    coverage = Coverage()
    for one in patterns:
        coverage.add(one)
    return coverage.covers(pattern)


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items)

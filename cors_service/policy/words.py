"""A rule in words: who may do what."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from cors_service.grammar.pattern import ANY, NULL, Pattern, write_pattern
from cors_service.policy.model import PolicySet, Rule

_SHOWN: Final = 4
"""Items of a list that are written out; the rest are counted."""
_EVERYBODY: Final = "everybody"


def rule_in_words(rule: Rule, policy_set: PolicySet) -> str:
    """Say who may do what by a rule, in a sentence that does not grow with its number of origins."""
    who = origins_in_words(rule.origins)
    if rule.refuse:
        return f"{who}: no access"
    cookies = "with cookies" if rule.credentials else "without cookies"
    parts = [f"may use {_methods(rule.methods)} {cookies}"]
    if headers := policy_set.headers(rule.request_headers):
        parts.append(f"may send {_headers(headers)}")
    if exposed := policy_set.headers(rule.expose_headers):
        parts.append(f"may read {_headers(exposed)}")
    if rule.timing:
        parts.append("may measure how long requests take")
    return f"{who} {', '.join(parts)}"


def origins_in_words(origins: Sequence[Pattern]) -> str:
    """Name the first of some origin patterns, and count the others."""
    return in_words(map(_origin, islice(origins, _SHOWN + 1)), len(origins))


def in_words(items: Iterable[str], count: int) -> str:
    """Write a list as people do.

    Args:
        items: The first items, at least as many as are shown.
        count: How many there are.
    """
    known = list(islice(items, _SHOWN + 1))
    if count > len(known) or len(known) > _SHOWN:
        return f"{', '.join(known[: _SHOWN - 1])} and {count - _SHOWN + 1:,} more"
    *first, last = known
    return f"{', '.join(first)} and {last}" if first else last


def _origin(pattern: Pattern) -> str:
    if pattern == ANY:
        return _EVERYBODY
    return "pages of the origin null" if pattern == NULL else write_pattern(pattern)


def _methods(methods: tuple[str, ...]) -> str:
    return "every method" if "*" in methods else _all_in_words(methods)


def _headers(names: tuple[str, ...]) -> str:
    if "*" not in names:
        return _all_in_words(names)
    others = [name for name in names if name != "*"]
    return _all_in_words(["every header", *others])


def _all_in_words(items: Sequence[str]) -> str:
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last

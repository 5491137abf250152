"""Checks what applications hand to clients and middleware, while they start: no request should find a mistake."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from cors_service.grammar.mistakes import cut, shown
from cors_service.grammar.similar import similar_first
from cors_service.policy import PolicySet

_LONGEST_LIST: Final = 300


def check_name(name: str | None) -> None:
    """Check that something can be the name of a policy, which only the service knows.

    Raises:
        TypeError: It is not a string.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f'policy must be the name of a policy, such as "catalogue", not {shown(name)}')


def check_policy(name: str | None, policy_set: PolicySet) -> None:
    """Check that a policy set has a policy.

    Args:
        name: The name of the policy; None if the URL finds it.
        policy_set: The policies.

    Raises:
        TypeError: The name is not a string.
        ValueError: It has none of that name; the message lists those that it has.
    """
    check_name(name)
    if name is not None and name not in policy_set.policies:
        raise ValueError(unknown_policy(name, policy_set.policies))


def unknown_policy(name: str, known: Collection[str]) -> str:
    """Say that there is no policy of a name, and which there are."""
    names = cut(", ".join(similar_first(name, known)), _LONGEST_LIST)
    return f"There is no policy {shown(name)}. The policies are: {names}."


def not_policies(policies: object, expected: str, client: str) -> TypeError:
    """Make the error for what can't decide.

    Args:
        policies: What was given.
        expected: What can decide, as the end of a sentence.
        client: The name of the client for this kind of application.
    """
    if isinstance(policies, str):
        hint = f'write {client}("{cut(policies)}")' if policies.isprintable() else f'write {client}("http://...")'
    elif isinstance(policies, dict):
        hint = "write read_document(...) for a dictionary"
    else:
        hint = f"{type(policies).__name__} is neither"
    return TypeError(f"policies must be {expected}; {hint}")


def check_limits(timeout: float, cache_size: int) -> None:
    """Check the limits of a client.

    Raises:
        TypeError: One of them is not a number.
        ValueError: One of them is negative, or not finite.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout must be a number of seconds, such as 0.2, not {shown(timeout)}")
    if isinstance(cache_size, bool) or not isinstance(cache_size, int):
        raise TypeError(f"cache_size must be a whole number, such as 1000, not {shown(cache_size)}")
    if not 0 <= timeout < math.inf:
        raise ValueError(f"timeout must be a number of seconds from 0, not {timeout}")
    if cache_size < 0:
        raise ValueError(f"cache_size must be a number from 0, not {cache_size}")

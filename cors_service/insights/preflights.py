"""What preflights cost, and how few there could be with a longer max_age.

A line of the log says neither which browser asked nor for which URL, so that it is not known how many preflights
a longer max_age would have saved. How many would have been sent in any case can be known: one of each origin
whenever what its browsers may have kept was over. Were all requests those of one browser for one URL, the model of its
preflight cache would count so many, and no fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from cors_service.browser.browsers import MAX_AGE_CAPS
from cors_service.browser.cache import preflight_max_age
from cors_service.decision import ActivePolicies, Query
from cors_service.decision.decision import Headers
from cors_service.insights._moments import MINUTE, Moments
from cors_service.insights.sums import RuleSums, Sums
from cors_service.policy.notes import LONG_MAX_AGE

NONE_KNOWN: Final = "No preflight is known to have been allowed by today's rules."
"""What is said where nothing costs anything; preflights of other rules may have been allowed."""

_MAX_AGE: Final = "Access-Control-Max-Age"
_CHOICES: Final = tuple(sorted(MAX_AGE_CAPS.values()))


class Kept(Struct, frozen=True):
    """What comes of a max_age in one browser.

    Attributes:
        browser: `chromium`, `firefox` or `webkit`.
        seconds: For how long it keeps an answer, so for how long a revoked grant lives on.
        preflights: How many there were, with the rule's max_age; with a longer one, the least number that there would
            have been if everybody used this browser.
    """

    browser: str
    seconds: int
    preflights: int


class Choice(Struct, frozen=True):
    """A max_age that the rule has, or could have.

    Attributes:
        max_age: In seconds; null for none.
        browsers: What comes of it in each browser.
    """

    max_age: int | None
    browsers: tuple[Kept, ...]


class RuleCost(Struct, frozen=True):
    """What the preflights of a rule cost.

    Attributes:
        policy: The name of the policy.
        rule: The number of the rule, from 1.
        preflights: Preflights that it allowed.
        requests: Requests that it allowed with methods that had preflights.
        credentials: Whether the rule allows credentials; then a max_age of more than an hour is worth a note.
        choices: What the rule has, and longer ones.
    """

    policy: str
    rule: int
    preflights: int
    requests: int
    credentials: bool
    choices: tuple[Choice, ...]


def costs_of(sums: Sums) -> list[RuleCost]:
    """Say for each rule that allowed preflights what they cost, the most expensive first; nothing without policies."""
    active = sums.active
    if active is None:
        return []
    slack = sums.longest + MINUTE
    found = [
        _cost(active, policy, number, rule, slack)
        for (policy, number), rule in sums.rules.items()
        if rule.preflights.total() and policy in active.policy_set.policies
    ]
    return sorted(found, key=lambda cost: (-cost.preflights, cost.policy, cost.rule))


def is_long(cost: RuleCost, choice: Choice) -> bool:
    """Say whether a max_age is one that `cors-service check` has a note on."""
    return cost.credentials and (choice.max_age or 0) > LONG_MAX_AGE


def fewest_preflights(origins: Iterable[Moments], kept: float, slack: float = 0.0) -> int:
    """Say how many preflights there would have been at least.

    Args:
        origins: For each origin, when it sent preflights.
        kept: For how many seconds browsers keep what they get.
        slack: How many seconds after the begin of its minute a preflight may have been sent.
    """
    return sum(moments.apart(kept + slack) for moments in origins)


def _cost(active: ActivePolicies, policy: str, number: int, sums: RuleSums, slack: float) -> RuleCost:
    rule = active.policy_set.policies[policy].rules[number - 1]
    # Which of the other requests needed one is not written; those of a method without preflights did not.
    requests = sum(count for method, count in sums.requests.items() if method in sums.preflights)
    preflights = sums.preflights.total()
    headers = _answer(active, policy, sums, rule.max_age)
    choices = [Choice(rule.max_age, tuple(Kept(browser, kept, preflights) for browser, kept in _kept(headers)))]
    for max_age in _CHOICES:
        if max_age > (rule.max_age or 0):
            longer = ((_MAX_AGE, str(max_age)), *(line for line in headers if line[0] != _MAX_AGE))
            browsers = tuple(
                Kept(browser, kept, min(preflights, fewest_preflights(sums.moments.values(), kept, slack)))
                for browser, kept in _kept(longer)
            )
            choices.append(Choice(max_age, browsers))
    return RuleCost(policy, number, preflights, requests, rule.credentials, tuple(choices))


def _answer(active: ActivePolicies, policy: str, sums: RuleSums, max_age: int | None) -> Headers:
    """The headers of the answer to a preflight that was seen; those that matter, if it needs the URL."""
    method = max(sums.preflights, key=lambda method: (sums.preflights[method], method))
    if sums.example is not None:
        query = Query("OPTIONS", policy=policy, origins=(sums.example,), request_methods=(method,))
        decision = active.decide(query)
        if decision.allowed:
            return decision.headers
    return () if max_age is None else ((_MAX_AGE, str(max_age)),)


def _kept(headers: Headers) -> Iterator[tuple[str, int]]:
    for browser, cap in MAX_AGE_CAPS.items():
        yield browser.value, preflight_max_age(headers, cap, browser)

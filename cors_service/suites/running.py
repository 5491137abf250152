"""Runs suites: checks what comes of each request against what its case expects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from cors_service.decision import ActivePolicies
from cors_service.policy.model import PolicySet
from cors_service.suites.cases import Case, Expectation, Suite
from cors_service.suites.exchange import Exchange, exchange

Rules = frozenset[tuple[str, int]]
"""Rules, by their policy and number."""


class Failure(Struct, frozen=True):
    """A request with another result than was expected.

    Attributes:
        exchange: What came of it.
        problems: What is different, each a sentence.
        hint: What to write in the policy, if the decision or its guard was a refusal.
    """

    exchange: Exchange
    problems: tuple[str, ...]
    hint: str


class Outcome(Struct, frozen=True):
    """What came of a case.

    Attributes:
        case: The case.
        count: The number of its requests.
        failures: Those that failed.
    """

    case: Case
    count: int
    failures: tuple[Failure, ...]


class Run(Struct, frozen=True):
    """What came of a suite.

    Attributes:
        suite: The suite.
        policy_set: The policies that it tested.
        outcomes: By case, in order.
        reached: The rules that decided about some request.
    """

    suite: Suite
    policy_set: PolicySet
    outcomes: tuple[Outcome, ...]
    reached: Rules

    @property
    def has_failures(self) -> bool:
        """Whether any request failed."""
        return any(outcome.failures for outcome in self.outcomes)


def run(suite: Suite, active: ActivePolicies) -> Run:
    """Run a suite against policies."""
    reached: set[tuple[str, int]] = set()
    outcomes = tuple(_outcome(case, active, reached) for case in suite.cases)
    return Run(suite, active.policy_set, outcomes, frozenset(reached))


def rules_of(policy_set: PolicySet) -> Rules:
    """List the rules of a policy set."""
    return frozenset(
        (name, number) for name, policy in policy_set.policies.items() for number in range(1, len(policy.rules) + 1)
    )


def _outcome(case: Case, active: ActivePolicies, reached: set[tuple[str, int]]) -> Outcome:
    failures: list[Failure] = []
    count = 0
    for page in case.pages():
        count += 1
        done = exchange(page, active)
        reached.update((done.decision.policy, number) for number in done.rules)
        if problems := tuple(_problems(done, case.expectation)):
            failures.append(Failure(done, problems, _hint(done, active)))
    return Outcome(case, count, tuple(failures))


def _hint(done: Exchange, active: ActivePolicies) -> str:
    if done.decision.allowed is not False and done.stopped_by is None:
        return ""
    advised = active.advise(done.query)
    of_guard = advised.guard.reason.hint if advised.guard is not None and done.stopped_by is not None else ""
    return of_guard or advised.reason.hint


def _problems(done: Exchange, expected: Expectation) -> Iterator[str]:
    rule = done.decision.rule
    if done.is_readable != expected.readable:
        yield f"expected {_seen(expected.readable)}, and the page is {_seen(done.is_readable)}"
    if expected.reason is not None and expected.reason not in done.codes:
        yield f"expected the reason {expected.reason}, and it is {' or '.join(dict.fromkeys(done.codes))}"
    if expected.rule is not None and rule != expected.rule:
        yield f"expected rule {expected.rule} to decide, and {_rule(rule)} does"
    if not done.is_readable:
        return
    yield from _problems_of_headers(done, expected)
    if expected.timing is not None and done.may_measure != expected.timing:
        yield f"expected that the page {_may(expected.timing)} measure, and it {_may(done.may_measure)}"


def _problems_of_headers(done: Exchange, expected: Expectation) -> Iterator[str]:
    readable = done.readable((*expected.may_read, *expected.may_not_read))
    hidden = _listed(name for name in expected.may_read if name.lower() not in readable)
    shown = _listed(name for name in expected.may_not_read if name.lower() in readable)
    if hidden:
        yield f"expected that the page may read {hidden}, and it can't"
    if shown:
        yield f"expected that the page can't read {shown}, and it may"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _seen(readable: bool) -> str:
    return "readable" if readable else "blocked"


def _may(can: bool) -> str:
    return "may" if can else "can't"


def _rule(number: int | None) -> str:
    return "no rule" if number is None else f"rule {number}"

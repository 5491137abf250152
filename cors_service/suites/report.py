"""What came of suites, for people: what a page asked, what was decided, what the browser said, the rule at work."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from cors_service.decision import Decision, Query
from cors_service.decision.query import CIRCUMSTANCES
from cors_service.policy.model import PolicySet
from cors_service.policy.words import rule_in_words
from cors_service.suites.exchange import Exchange
from cors_service.suites.running import Failure, Outcome, Rules, Run, rules_of

_SHOWN: Final = 3
"""Failed requests of a case that are shown; the rest are counted."""
_RULES_SHOWN: Final = 20
_WIDTH: Final = 100
_BLOCKED: Final = " has been blocked by CORS policy: "


def progress_of(run: Run) -> str:
    """Write a line for a suite, with a dot for each case that passed and an F for each that failed."""
    return f"{run.suite.name} {''.join('F' if outcome.failures else '.' for outcome in run.outcomes)}"


def failures_of(run: Run, source: str) -> Iterator[str]:
    """Write a part for each case that failed.

    Args:
        run: What came of a suite.
        source: The path of its policies.
    """
    for outcome in run.outcomes:
        if outcome.failures:
            title = f" {outcome.case.name} ({place_of(run, outcome)}) "
            yield "\n".join([title.center(_WIDTH, "_"), failures_in_words(outcome, run.policy_set, source)])


def place_of(run: Run, outcome: Outcome) -> str:
    """Say where a case is."""
    return run.suite.name if outcome.case.line is None else f"{run.suite.name}:{outcome.case.line}"


def failures_in_words(outcome: Outcome, policy_set: PolicySet, source: str) -> str:
    """Say what is wrong with a case that failed, request by request."""
    parts = [_failure(failure, policy_set, source) for failure in outcome.failures[:_SHOWN]]
    more = len(outcome.failures) - _SHOWN
    return "\n\n".join([*parts, *([f"and {more} more of {outcome.count} requests"] if more > 0 else [])])


def coverage_of(runs: Iterable[Run]) -> tuple[Rules, Rules, PolicySet]:
    """Say which rules a policy set has, which of them no case of its suites reached, and give the set."""
    reached: set[tuple[str, int]] = set()
    for run in runs:
        reached |= run.reached
        policy_set = run.policy_set
    rules = rules_of(policy_set)
    return rules, rules - reached, policy_set


def coverage_in_words(source: str, runs: Sequence[Run]) -> str:
    """Name the rules of a policy set that no case of its suites reached."""
    rules, missed, policy_set = coverage_of(runs)
    share = f"{len(rules) - len(missed)} of {len(rules)} rules of {source} were reached"
    if not missed:
        return f"{share}."
    lines = [f"  {_rule_at_work(policy_set, name, number)}" for name, number in sorted(missed)[:_RULES_SHOWN]]
    more = len(missed) - _RULES_SHOWN
    return "\n".join([f"{share}; no case reached", *lines, *([f"  and {more} more"] if more > 0 else [])])


def summary_of(runs: Sequence[Run]) -> str:
    """Count cases and requests."""
    outcomes = [outcome for run in runs for outcome in run.outcomes]
    failed = sum(bool(outcome.failures) for outcome in outcomes)
    requests = sum(outcome.count for outcome in outcomes)
    failures = sum(len(outcome.failures) for outcome in outcomes)
    counts = [f"{failed} failed"] * bool(failed) + [f"{len(outcomes) - failed} passed"]
    cases = "case" if len(outcomes) == 1 else "cases"
    which = f", {failures} of {requests} requests failed" if failures else f", {requests} requests"
    return f"{len(outcomes)} {cases}: {', '.join(counts)}{which}"


def _failure(failure: Failure, policy_set: PolicySet, source: str) -> str:
    done = failure.exchange
    rows = [*(("problem", problem) for problem in failure.problems), *_decisions(done, failure.hint)]
    rows.append(("browser", _browser(done)))
    rows.append(("rule", _rule_at_work(policy_set, done.decision.policy, done.decision.rule)))
    rows.append(("see it", command_for(done, source)))
    return "\n".join([done.page.in_words(), *(f"  {name:<9}  {text}" for name, text in rows)])


def _decisions(done: Exchange, hint: str) -> Iterator[tuple[str, str]]:
    guard = done.stopped_by
    own_hint = hint if guard is None else ""
    if done.preflight is not None:
        yield "preflight", _decided(done.preflight, own_hint if done.decision is done.preflight else "")
    if done.decision is done.actual:
        yield "request", _decided(done.actual, own_hint)
    if guard is not None:
        yield "guard", f"stops it with a 403 [{guard.code}]: {_sentences(guard.message, hint)}"


def _decided(decision: Decision, hint: str) -> str:
    words = {True: "allowed", False: "refused", None: "not a CORS request"}[decision.allowed]
    status = f", {decision.status}" if decision.status else ""
    return f"{words}{status} [{decision.reason.code}]: {_sentences(decision.reason.message, hint)}"


def _sentences(message: str, hint: str) -> str:
    return f"{message} {hint}".rstrip()


def _browser(done: Exchange) -> str:
    verdict = done.verdict
    if verdict.allowed and done.stopped_by is not None:
        return f"lets the page read that 403, and not what it asks for ({verdict.clause})"
    if verdict.allowed:
        return f"lets the page read the answer ({verdict.clause})"
    _, found, sentence = verdict.console.partition(_BLOCKED)
    return f"{sentence if found else verdict.console} [{verdict.step}] ({verdict.clause}: {verdict.anchor})"


def _rule_at_work(policy_set: PolicySet, policy: str, number: int | None) -> str:
    if number is None:
        return f"policy {policy} has none for this origin"
    rule = policy_set.policies[policy].rules[number - 1]
    return f"{policy}, rule {number}: {rule_in_words(rule, policy_set)}"


def command_for(done: Exchange, source: str) -> str:
    """Write the command that shows the decision on which a verdict depends."""
    query = done.query
    words = ["cors-service", "decide", "--policies", source]
    if query.policy is not None:
        words += ["--policy", query.policy]
    if query.url is not None:
        words += ["--url", query.url]
    words += [word for origin in query.origins for word in ("--origin", origin)]
    if not query.request_methods and query.method != "GET":
        words += ["--method", query.method]
    words += [word for method in query.request_methods for word in ("--request-method", method)]
    words += [word for names in query.request_headers for word in ("--request-headers", names)]
    if done.decision.guard is not None:
        words += _circumstances(query)
    return shlex.join(words)


def _circumstances(query: Query) -> Iterator[str]:
    for name, attribute in CIRCUMSTANCES.items():
        for value in getattr(query.circumstances, attribute, ()):
            yield from ("-H", f"{name.title()}: {value}")

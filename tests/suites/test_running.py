"""Tests of what comes of cases: a browser judges the headers that policies decide."""

from __future__ import annotations

import pytest

from cors_service.browser.verdict import Step
from cors_service.suites.cases import Page
from cors_service.suites.exchange import exchange
from cors_service.suites.running import rules_of, run
from tests.suites.texts import ACTIVE, failures, outcome, suite

ADMIN = 'policy = "app"\norigins = ["https://admin.example.com"]\n'
EVIL = 'policy = "app"\norigins = ["https://evil.app.example.com"]\n'
OWN = 'url = "https://app.example.com/api/"\norigins = ["https://app.example.com"]\n'
ANYBODY = 'policy = "open"\norigins = ["https://a.example"]\n'


@pytest.mark.parametrize(
    "case",
    [
        f'{ADMIN}methods = ["PUT"]\nheaders = ["content-type", "traceparent"]\ncredentials = true\nexpect = "readable"',
        f'{ADMIN}expect = "readable"\nrule = 2\nreason = "allowed"\nmay_read = ["ETag", "expires"]',
        f'{ADMIN}methods = ["DELETE"]\nexpect = "blocked"\nreason = "method-not-allowed"\nrule = 2',
        f'{ADMIN}headers = ["x-other"]\nexpect = "blocked"\nreason = "header-not-allowed"',
        f'{ADMIN}methods = ["TRACE"]\nexpect = "blocked"\nreason = "method-forbidden"',
        f'{ADMIN}expect = "readable"\ntiming = false',
        f'{ANYBODY}expect = "readable"\ntiming = true\nmay_read = ["x-page"]',
        f'{ANYBODY}credentials = true\nexpect = "blocked"\nreason = "acao-wildcard-with-credentials"',
        f'{EVIL}expect = "blocked"\nreason = "origin-refused"\nrule = 1',
        f'{OWN}methods = ["DELETE"]\nexpect = "readable"\nreason = "same-origin"',
    ],
)
def test_passes(case: str) -> None:
    """A case passes if its expectations hold."""
    assert failures(case) == ()


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (f'{ADMIN}methods = ["DELETE"]\nexpect = "readable"', "expected readable, and the page is blocked"),
        (f'{ADMIN}expect = "blocked"', "expected blocked, and the page is readable"),
        (
            f'{ADMIN}methods = ["DELETE"]\nexpect = "blocked"\nreason = "origin-not-allowed"',
            "expected the reason origin-not-allowed, and it is method-not-allowed or acao-missing",
        ),
        (f'{ADMIN}expect = "readable"\nrule = 1', "expected rule 1 to decide, and rule 2 does"),
        (
            'policy = "app"\norigins = ["https://b.example"]\nexpect = "blocked"\nrule = 1',
            "expected rule 1 to decide, and no rule does",
        ),
        (f'{ADMIN}expect = "readable"\nmay_read = ["x-page"]', "expected that the page may read x-page, and it can't"),
        (f'{ADMIN}expect = "readable"\nmay_not_read = ["etag"]', "expected that the page can't read etag, and it may"),
        (f'{ADMIN}expect = "readable"\ntiming = true', "expected that the page may measure, and it can't"),
        (f'{ANYBODY}expect = "readable"\ntiming = false', "expected that the page can't measure, and it may"),
    ],
)
def test_fails(case: str, problem: str) -> None:
    """A case with an expectation that does not hold fails, and says which."""
    [failure] = failures(case)
    assert failure.problems == (problem,)


def test_each_request_by_itself() -> None:
    """Of requests that lists multiply to, those fail that differ, and no others."""
    run = outcome(f'{ADMIN}methods = ["GET", "PUT", "DELETE"]\ncredentials = [true, false]\nexpect = "readable"')
    [done] = run.outcomes
    assert (done.count, [one.exchange.page.method for one in done.failures]) == (6, ["DELETE", "DELETE"])


def test_hint() -> None:
    """A refusal that was not expected says what to write in the policy."""
    [failure] = failures(f'{ADMIN}headers = ["x-other"]\nexpect = "readable"')
    assert failure.hint == 'Add "x-other" to request_headers.'


def test_preflight_only_where_browsers_send_one() -> None:
    """A page that sets nothing unusual causes no preflight, so that only the answer itself counts."""
    plain = exchange(Page("app", None, "https://admin.example.com", "POST", (), False), ACTIVE)
    assert (plain.preflight, plain.verdict.step, plain.actual.allowed) == (None, Step.ACAO_MISSING, False)
    asked = exchange(Page("app", None, "https://admin.example.com", "PUT", (), False), ACTIVE)
    assert asked.preflight is not None
    assert [query.method for query in asked.queries] == ["OPTIONS", "PUT"]
    assert (asked.verdict.allowed, asked.query) == (True, asked.queries[1])


def test_same_origin() -> None:
    """A page of the URL's own origin reads everything, and nothing of CORS is asked."""
    page = Page(None, "https://app.example.com/api/", "https://app.example.com", "PATCH", (("x-a", "1"),), True)
    own = exchange(page, ACTIVE)
    assert (own.preflight, own.verdict.step) == (None, Step.SAME_ORIGIN)
    assert own.readable(("x-b",)) == {"x-b", "vary"}


def test_coverage() -> None:
    """The rules that decided about some request count as reached, those of refusals, too."""
    cases = f'[[cases]]\n{ADMIN}methods = ["DELETE"]\nexpect = "blocked"\n[[cases]]\n{ANYBODY}expect = "readable"\n'
    reached = run(suite(cases), ACTIVE).reached
    assert reached == {("app", 2), ("open", 1)}
    assert rules_of(ACTIVE.policy_set) - reached == {("app", 1)}

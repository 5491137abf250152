"""The test of the test: an application that makes a mistake with the headers decided is found out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from .cases import Case, all_cases
from .comparison import Row, report
from .prediction import Service, predict, predict_from
from .setting import Application, attempt
from .webdriver import Chromium

READ_THOUGH_REFUSED = "the decisions say blocked, the browser read"
BLOCKED_THOUGH_ALLOWED = "the decisions say read, the browser blocked"
OTHER_HEADERS_READ = "the script reads other headers than predicted"

EFFECTS = {
    "reflected_origin": [READ_THOUGH_REFUSED],
    "credentials_spelled_true": [BLOCKED_THOUGH_ALLOWED],
    "any_origin": [BLOCKED_THOUGH_ALLOWED],
    "origin_with_slash": [BLOCKED_THOUGH_ALLOWED],
    "repeated_origin": [BLOCKED_THOUGH_ALLOWED],
    "several_origins": [BLOCKED_THOUGH_ALLOWED],
    "null_origin": [BLOCKED_THOUGH_ALLOWED, READ_THOUGH_REFUSED],
    "malformed_lists": [BLOCKED_THOUGH_ALLOWED, OTHER_HEADERS_READ],
    "wildcard_lists": [OTHER_HEADERS_READ],
}
"""What each mistake must lead to, at least; a dropped Vary shows in caches alone: test_shared_cache.py."""


def some_cases(ports: Sequence[int], run: str) -> list[Case]:
    """A part of all cases that every mistake shows in."""
    cases = all_cases(ports, run)
    telling = [case for case in cases if case.group in {"credentials", "exposed"}][::3]
    telling += [case for case in cases if case.group == "context" and case.context == "data"][::3]
    return sorted(telling, key=lambda case: (case.page, case.context))


def try_with(fault: str, chromium: Chromium, application: Application, service: Service) -> list[Row]:
    """Try these cases while the application makes a mistake."""
    cases = some_cases(application.ports, fault)
    predictions = [predict(case, service) for case in cases]
    application.change(fault=fault)
    outcomes = attempt(chromium, application, cases)
    return [Row(*row) for row in zip(cases, predictions, outcomes, strict=True)]


@pytest.mark.parametrize("fault", EFFECTS)
def test_mistakes_are_found_out(fault: str, chromium: Chromium, application: Application, service: Service) -> None:
    """The comparison reports what the mistake leads to; about the headers sent, model and browser still agree."""
    rows = try_with(fault, chromium, application, service)
    for effect in EFFECTS[fault]:
        assert effect in report(rows)
    by_what_was_sent = [
        replace(row, prediction=predict_from(row.outcome.received, row.case, row.prediction)) for row in rows
    ]
    assert report(by_what_was_sent) == ""


def test_nothing_is_found_without_a_mistake(chromium: Chromium, application: Application, service: Service) -> None:
    """The same cases agree where the application sends what was decided."""
    assert report(try_with("none", chromium, application, service)) == ""

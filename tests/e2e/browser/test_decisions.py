"""Browser, model and decisions agree about what a page gets to read, over the whole document."""

from __future__ import annotations

from collections import Counter

import pytest

from cors_service.decision.decision import REASONS

from .cases import all_cases
from .comparison import Row, report, write_table
from .prediction import Service, predict
from .setting import Application, attempt
from .webdriver import Chromium

LEAST_DECISIONS = 300
UNREACHABLE = {"multiple-origins", "origin-malformed", "origin-needs-url", "method-malformed", "header-malformed"}
"""Reasons that no browser gives cause to, nor the application, which always sends the URL."""


@pytest.fixture(scope="module")
def rows(chromium: Chromium, setting: tuple[Application, Service]) -> list[Row]:
    """Every case, tried once."""
    application, service = setting
    cases = sorted(all_cases(application.ports), key=lambda case: (case.page, case.context))
    predictions = [predict(case, service) for case in cases]
    outcomes = attempt(chromium, application, cases)
    return [Row(*row) for row in zip(cases, predictions, outcomes, strict=True)]


def different_decisions(rows: list[Row]) -> Counter[str]:
    """Count the decisions by kind that differ in more than the URL."""
    seen = set()
    for row in rows:
        for entry in row.outcome.received:
            asked = {name.lower(): value for name, value in entry["headers"]}
            facts = [asked.get(name) for name in ("origin", "access-control-request-method")]
            facts.append(asked.get("access-control-request-headers"))
            decision = entry["decision"]
            seen.add((decision["kind"], decision["policy"], entry["method"], *facts))
    return Counter(kind for kind, *_ in seen)


def test_browser_model_and_decision_agree_each_time(rows: list[Row], chromium: Chromium) -> None:
    """What the browser sends, blocks and lets scripts read is what the model predicts and the service decides."""
    count = different_decisions(rows)
    agreeing = sum(not row.mismatches for row in rows)
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
    heading = f"# Chromium {chromium.version}: {agreeing} of {len(rows)} cases agree\n\n"
    heading += f"{count.total()} different decisions: {kinds}."
    write_table(rows, heading)
    assert report(rows) == ""


def test_there_are_many_different_decisions(rows: list[Row]) -> None:
    """The agreement is about hundreds of decisions of every kind, allowed and refused, for every reason."""
    assert different_decisions(rows).total() >= LEAST_DECISIONS
    assert set(different_decisions(rows)) == {"preflight", "actual", "same-origin", "no-origin"}
    assert {reason for row in rows for reason in row.prediction.reasons} == REASONS - UNREACHABLE
    read = Counter(row.outcome.result["read"] for row in rows)
    assert min(read[True], read[False]) >= LEAST_DECISIONS / 2


def test_cookies_come_with_credentials_alone(rows: list[Row]) -> None:
    """Requests with credentials carried the cookie, so that what was decided about them was about a user's data."""
    cookies: dict[str, list[bool]] = {"omit": [], "include": []}
    for row in rows:
        if row.case.group == "credentials" and row.case.has_cookie is not None and row.outcome.result["read"]:
            answered = dict(row.outcome.received[-1]["headers"])
            cookies.setdefault(row.case.credentials, []).append("session=1" in answered.get("Cookie", ""))
    assert len(cookies["omit"]) >= 10
    assert not any(cookies["omit"])
    assert len(cookies["include"]) >= 10
    assert all(cookies["include"])

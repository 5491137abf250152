"""Browsers, model and decisions agree about what a page gets to read, over the whole document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from cors_service.browser import ENGINES, Behaviour
from cors_service.decision.decision import REASONS

from .cases import all_cases
from .comparison import Row, report, write_table
from .everywhere import Stage, in_each_engine, on_stage
from .prediction import predict
from .setting import attempt

LEAST_DECISIONS = 300
UNREACHABLE = {"multiple-origins", "origin-malformed", "origin-needs-url", "method-malformed", "header-malformed"}
"""Reasons that no browser gives cause to, nor the application, which always sends the URL."""


@dataclass(frozen=True)
class Tried:
    """Every case, tried once.

    Attributes:
        version: Of the browser.
        rows: The cases, and what came of them.
    """

    version: str
    rows: list[Row]


def try_all(stage: Stage) -> Tried:
    """Let a browser try every case."""
    cases = sorted(all_cases(stage.application.ports), key=lambda case: (case.page, case.context))
    predictions = [predict(case, stage.service, stage.browser.engine) for case in cases]
    outcomes = attempt(stage.browser, stage.application, cases)
    rows = [Row(*row) for row in zip(cases, predictions, outcomes, strict=True)]
    return Tried(stage.browser.version, rows)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Behaviour, Future[Tried]]]:
    """Every case in every engine."""
    with in_each_engine(on_stage(try_all), tmp_path_factory) as tried:
        yield tried


@pytest.fixture(params=ENGINES, ids=[engine.value for engine in ENGINES])
def engine(request: pytest.FixtureRequest) -> Behaviour:
    """Each engine."""
    engine: Behaviour = request.param
    return engine


@pytest.fixture
def tried(engine: Behaviour, everything: Mapping[Behaviour, Future[Tried]]) -> Tried:
    """Every case in one engine."""
    return everything[engine].result()


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


def test_browser_model_and_decision_agree_each_time(engine: Behaviour, tried: Tried) -> None:
    """What a browser sends, blocks, prints and lets scripts read is what model and service say of it."""
    rows = tried.rows
    count = different_decisions(rows)
    agreeing = sum(not row.mismatches for row in rows)
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(count.items()))
    heading = f"# {engine.value.capitalize()} {tried.version}: {agreeing} of {len(rows)} cases agree\n\n"
    heading += f"{count.total()} different decisions: {kinds}."
    write_table(rows, heading, engine.value)
    assert report(rows) == ""


def test_there_are_many_different_decisions(tried: Tried) -> None:
    """The agreement is about hundreds of decisions of every kind, allowed and refused, for every reason."""
    rows = tried.rows
    assert different_decisions(rows).total() >= LEAST_DECISIONS
    assert set(different_decisions(rows)) == {"preflight", "actual", "same-origin", "no-origin"}
    assert {reason for row in rows for reason in row.prediction.reasons} == REASONS - UNREACHABLE
    read = Counter(row.outcome.result["read"] for row in rows)
    assert min(read[True], read[False]) >= LEAST_DECISIONS / 2


def test_cookies_come_with_credentials_alone(tried: Tried) -> None:
    """Requests with credentials carried the cookie, so that what was decided about them was about a user's data."""
    rows = tried.rows
    cookies: dict[str, list[bool]] = {"omit": [], "include": []}
    for row in rows:
        if row.case.group == "credentials" and row.case.has_cookie is not None and row.outcome.result["read"]:
            answered = dict(row.outcome.received[-1]["headers"])
            cookies.setdefault(row.case.credentials, []).append("session=1" in answered.get("Cookie", ""))
    assert len(cookies["omit"]) >= 10
    assert not any(cookies["omit"])
    assert len(cookies["include"]) >= 10
    assert all(cookies["include"])

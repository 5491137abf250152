"""The test of the test: an application that makes a mistake with the headers decided is found out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

import pytest

from cors_service.browser import ENGINES, Behaviour

from .cases import Case, Table, all_cases
from .comparison import Row, report
from .everywhere import Stage, in_each_engine, on_stage
from .prediction import predict, predict_from
from .setting import attempt

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


Tried = Mapping[Behaviour, Future[dict[str, list[Row]]]]
"""In each engine, what came of some cases with each mistake."""


def some_cases(ports: Sequence[int], run: str) -> list[Case]:
    """A part of all cases that every mistake shows in, on few pages."""
    table = Table(ports)
    cases = [case for case in all_cases(ports, run) if case.page in {table.app, table.stranger}]
    telling = [case for case in cases if case.group in {"credentials", "exposed"}][::3]
    telling += [case for case in cases if case.group == "context" and case.context == "data"][::3]
    return sorted(telling, key=lambda case: (case.page, case.context))


def try_with(fault: str, stage: Stage) -> list[Row]:
    """Try these cases while the application makes a mistake."""
    engine = stage.browser.engine
    cases = some_cases(stage.application.ports, fault)
    predictions = [predict(case, stage.service, engine) for case in cases]
    stage.application.change(fault=fault)
    outcomes = attempt(stage.browser, stage.application, cases)
    return [Row(*row) for row in zip(cases, predictions, outcomes, strict=True)]


def try_each(stage: Stage) -> dict[str, list[Row]]:
    """Try these cases with each mistake, and without."""
    return {fault: try_with(fault, stage) for fault in ("none", *EFFECTS)}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tried]:
    """Each mistake in every engine."""
    with in_each_engine(on_stage(try_each), tmp_path_factory) as found:
        yield found


@pytest.mark.parametrize("engine", ENGINES, ids=[engine.value for engine in ENGINES])
@pytest.mark.parametrize("fault", EFFECTS)
def test_mistakes_are_found_out(fault: str, engine: Behaviour, tried: Tried) -> None:
    """The comparison reports what the mistake leads to; about the headers sent, model and browser still agree."""
    rows = tried[engine].result()[fault]
    for effect in EFFECTS[fault]:
        assert effect in report(rows)
    by_what_was_sent = [
        replace(row, prediction=predict_from(row.outcome.received, row.case, row.prediction, engine)) for row in rows
    ]
    assert report(by_what_was_sent) == ""


@pytest.mark.parametrize("engine", ENGINES, ids=[engine.value for engine in ENGINES])
def test_nothing_is_found_without_a_mistake(engine: Behaviour, tried: Tried) -> None:
    """The same cases agree where the application sends what was decided."""
    assert report(tried[engine].result()["none"]) == ""

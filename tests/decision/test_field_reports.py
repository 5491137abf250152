"""Tests that what people in production reported, and could not say, is read and decided rightly now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cors_service.decision import ActivePolicies, BadQuery, Decision
from cors_service.policy import InvalidPolicies, PolicySet, Source, read_sources
from cors_service.web.problem import Problem
from cors_service.wire.queries import read_query
from tests import corpus

Case = dict[str, Any]

_CASES: list[Case] = json.loads(Path(corpus.__file__).with_name("field-reports.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['id']} {case['kind']}")
def test_field_report(case: Case) -> None:
    """A document of a report loads or is refused as it must be, and each of its queries is answered rightly."""
    if case.get("refused"):
        with pytest.raises(InvalidPolicies) as refused:
            _read(case)
        _judge_message(refused.value.report(), case)
        return
    active = ActivePolicies(_read(case))
    for ask in case["asks"]:
        _judge(active, ask)


def test_all_cases() -> None:
    """The reports are whole, and each is of its own."""
    assert len({case["id"] for case in _CASES}) == len(_CASES) == 40


def _read(case: Case) -> PolicySet:
    return read_sources([Source("report.toml", "toml", case["document"])])


def _judge(active: ActivePolicies, ask: Case) -> None:
    """Fail unless the answer to a query is the one that a report demands."""
    try:
        decision = active.decide(read_query(ask["query"]))
    except BadQuery as error:
        problem = Problem.of(error)
        assert "not_allowed" in ask or ask.get("status") == problem.status
        _judge_message(problem.detail, ask)
        return
    assert "status" not in ask, f"{ask['status']} instead of {decision}"
    if "not_allowed" in ask:
        assert decision.allowed is False
    for key in ask.keys() & {"allowed", "kind"}:
        assert ask[key] == getattr(decision, key)
    _judge_headers(decision, ask)
    _judge_message(decision.reason.message, ask)


def _judge_headers(decision: Decision, ask: Case) -> None:
    headers = dict(decision.headers)
    for name, value in ask.get("headers", {}).items():
        assert value == headers.get(name)
    if ask.get("no_vary_origin"):
        assert "Origin" not in headers.get("Vary", "").split(", ")
    if "timing" in ask:
        assert sorted(ask["timing"]) == sorted(headers.get("Timing-Allow-Origin", "").split(", "))


def _judge_message(message: str, expected: Case) -> None:
    assert [words for words in expected.get("message_mentions", ()) if words not in message] == []
    assert [words for words in expected.get("message_lacks", ()) if words in message] == []

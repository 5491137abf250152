"""What came of a visit, as JSON for programs, in ASCII: what a site sent can't reach a terminal as it is."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import zip_longest
from typing import Any, Final

from cors_service.browser import Behaviour
from cors_service.browser.headers import byte_lowercase, get
from cors_service.decision import Decision
from cors_service.doctor.exchanges import Exchange
from cors_service.doctor.judging import Diagnosis
from cors_service.doctor.verdicts import verdict_of

SCHEMA: Final[dict[str, Any]] = json.loads(
    files("cors_service.doctor").joinpath("schema.json").read_text(encoding="utf-8")
)
"""The JSON Schema (2020-12) of what `in_json` writes."""


def in_json(diagnosis: Diagnosis) -> str:
    """Write what was asked and found."""
    findings = [
        {
            "code": finding.code,
            "evidence": list(finding.evidence),
            "sentence": finding.sentence,
            "mend": finding.mend,
        }
        for finding in diagnosis.findings
    ]
    requests = [
        _request(exchange, decision, diagnosis.engine)
        for exchange, decision in zip_longest(diagnosis.exchanges, diagnosis.decisions)
    ]
    return json.dumps({"findings": findings, "requests": requests}, indent=1)


def _request(exchange: Exchange, decision: Decision | None, engine: Behaviour) -> dict[str, object]:
    question, answer, verdict = exchange.question, exchange.answer, verdict_of(exchange, engine)
    return {
        "role": question.role,
        "method": question.method,
        "url": question.url,
        "headers": question.lines,
        "status": None if answer is None else answer.status,
        "answer": None if answer is None else [(name, value.strip(" \t")) for name, value in answer.lines],
        "failure": exchange.failure or None,
        "verdict": None if verdict is None else {"step": verdict.step, "allowed": verdict.allowed},
        "policy": None if decision is None else _policy(exchange, decision),
    }


def _policy(exchange: Exchange, decision: Decision) -> dict[str, object]:
    lines = () if exchange.answer is None else exchange.answer.lines
    names = {byte_lowercase(name) for name, _ in (*lines, *decision.headers)}
    cors = sorted(name for name in names if name.startswith("access-control-"))
    return {
        "name": decision.policy,
        "allowed": decision.allowed,
        "reason": decision.reason.code,
        "headers": decision.headers,
        "differs": [name for name in cors if _members(lines, name) != _members(decision.headers, name)],
    }


def _members(lines: tuple[tuple[str, str], ...], name: str) -> list[str] | None:
    """The value of a header as the members of a list, in any order and case."""
    value = get(lines, name)
    return None if value is None else sorted(byte_lowercase(member.strip(" \t")) for member in value.split(","))

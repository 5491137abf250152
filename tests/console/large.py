"""A large console: 10,000 policies, 20 replicas, and the decisions of a day."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cors_service.insights.lines import instant_of
from tests.admin.trees import NINE
from tests.console.visits import ConsoleOffice
from tests.insights.logs import REFUSED, written

ORIGIN = "https://app-1.example.com"
PAGES = (
    "/",
    "/?of=24h",
    "/?of=7d",
    "/policies",
    "/policies?page=100",
    "/policies?q=service",
    f"/policies?q={quote(ORIGIN)}",
    f"/policies?q={quote('https://api-77.example.com/service-77/x')}",
    "/policies/service-77",
    "/history",
    "/history/2",
    "/history/compare?from=2&to=1",
    "/playground",
    f"/playground?page={quote(ORIGIN)}&url={quote('https://api-77.example.com/service-77/x')}&method=PUT",
    "/change",
    "/change?policy=service-77",
    "/inbox",
)
"""What somebody may open."""


def large_office(directory: Path, *, policies: int = 10_000, replicas: int = 20, lines: int = 20_000) -> ConsoleOffice:
    """Make one.

    Args:
        directory: Where it may be.
        policies: How many there are.
        replicas: How many report.
        lines: How many lines they report, over a day.
    """
    document = {"version": 1, "policies": {f"service-{number}": _policy(number) for number in range(policies)}}
    (directory / "policies").mkdir()
    (directory / "data").mkdir()
    (directory / "policies" / "all.json").write_text(json.dumps(document), encoding="utf-8")
    office = ConsoleOffice(directory)
    changed = _policy(77)
    changed["rules"][0]["max_age"] = 60
    assert office.caller().put("policies/service-77", changed).status == 200
    revision = office.desk.changes.kept.head.revision
    share = 20_000
    for batch in range(0, lines, share):
        told = [json.loads(_line(number)) for number in range(batch, min(batch + share, lines))]
        replica = {"instance": f"eu-{batch // share % replicas}", "version": "1", "revision": revision}
        report = {"version": 1, "replica": replica, "batch": str(batch), "lines": told}
        assert office.caller().send("POST", "reports", report).status == 204
    for number in range(replicas):
        replica = {"instance": f"eu-{number}", "version": "1", "revision": revision}
        assert office.caller().send("POST", "reports", {"version": 1, "replica": replica}).status == 204
    return office


def _policy(number: int) -> dict[str, Any]:
    rules = [
        {"origins": [f"https://app-{number}.example.com", f"https://*.team-{number}.example.com"], "methods": ["GET"]},
        {"origins": ["https://*.example.org"] if number % 3 else ["https://app-1.example.com"]},
    ]
    return {"match": [f"api-{number}.example.com/service-{number}/"], "rules": rules}


def _line(number: int) -> bytes:
    at = NINE - number * 86_400 // 1_000_000 - 60
    times: dict[str, Any] = {"begin": instant_of(at), "to": instant_of(at + 10), "last": instant_of(at + 10)}
    policy = f"service-{number % 10_000}"
    if number % 3:
        return written(**times, policy=policy, origin=f"https://app-{number % 10_000}.example.com", rule=1)
    return written(**{**times, **REFUSED, "policy": policy, "origin": f"https://knocks-{number % 7001}.example"})

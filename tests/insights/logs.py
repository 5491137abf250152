"""Lines of a roll-up log for tests."""

from __future__ import annotations

import json
from typing import Any

from cors_service.decision import ActivePolicies, Query
from cors_service.insights.findings import Findings, findings_of
from cors_service.insights.lines import Line, instant_of, read_line, seconds_of
from cors_service.insights.sums import Sums
from cors_service.policy import Source, read_sources

BEGIN = seconds_of("2026-08-01T00:00:00Z")
DAY = 24 * 3600

REFUSED: dict[str, Any] = {"allowed": False, "reason": "origin-not-allowed", "rule": None}
"""What is different of a line about requests of an origin that no rule covers."""

UNDECIDED: dict[str, Any] = {
    "kind": "undecided",
    "policy": None,
    "rule": None,
    "allowed": None,
    "reason": "unknown-policy",
}
"""What is different of a line about questions without a decision."""

OTHERS = (
    b'{"type": "other", "version": 1, "instance": "here", "from": "2026-08-02T00:00:00Z", '
    b'"to": "2026-08-02T00:00:10Z", "count": 5}'
)
"""A line about decisions that were not told apart."""

POLICIES = """
version = 1

[origin_sets]
partners = ["https://shop.partner.example", "https://*.partner.example"]
nobody = ["https://nobody.example"]

[policies.app]
[[policies.app.rules]]
origins = ["https://app.example.com", "https://{en,de}.example.com"]
methods = ["GET", "POST", "PUT", "DELETE"]
request_headers = ["content-type", "x-trace"]
credentials = true

[[policies.app.rules]]
origins = ["@partners", "https://pr-*.builds.example.com"]
methods = ["GET", "PUT"]
request_headers = ["content-type"]
max_age = 600

[[policies.app.rules]]
origins = ["@nobody"]

[policies.quiet]
origins = ["https://quiet.example.com"]
"""


def active(text: str = POLICIES) -> ActivePolicies:
    """Compile policies."""
    return ActivePolicies(read_sources([Source("policies.toml", "toml", text)]))


def written(at: float = 0.0, begin: str | None = None, **members: Any) -> bytes:
    """Write a line.

    Args:
        at: Seconds from BEGIN to the begin of its interval.
        begin: The same as a text.
        members: What is different from an allowed GET of the app; a member that is None is null.
    """
    line = {
        "type": "decisions",
        "version": 1,
        "instance": "here",
        "from": instant_of(BEGIN + at) if begin is None else begin,
        "to": instant_of(BEGIN + at + 10),
        "revision": "sha256:0",
        "policy": "app",
        "rule": 1,
        "origin": "https://app.example.com",
        "kind": "actual",
        "method": "GET",
        "allowed": True,
        "reason": "allowed",
        "count": 1,
        "first": instant_of(BEGIN + at + 1),
        "last": instant_of(BEGIN + at + 9),
    }
    return json.dumps({**line, **members}).encode()


def line(at: float = 0.0, **members: Any) -> Line:
    """Make a line; see `written`."""
    return read_line(written(at, **members))


def decided(policies: ActivePolicies, query: Query, at: float = 0.0, count: int = 1) -> bytes:
    """Write the line about decisions that these policies make."""
    decision = policies.decide(query)
    return written(
        at,
        revision=decision.revision,
        policy=decision.policy,
        rule=decision.rule,
        origin=query.origins[0] if query.origins else None,
        kind=decision.kind,
        method=query.request_methods[0] if decision.kind == "preflight" else query.method,
        allowed=decision.allowed,
        reason=decision.reason.code,
        count=count,
    )


def asked(origin: str, method: str = "GET", policy: str = "app") -> Query:
    """Make the query of a request."""
    return Query(method, policy=policy, origins=(origin,))


def preflight(origin: str, method: str = "PUT", policy: str = "app", headers: tuple[str, ...] = ()) -> Query:
    """Make the query of a preflight."""
    return Query("OPTIONS", policy=policy, origins=(origin,), request_methods=(method,), request_headers=headers)


def found(*lines: bytes, policies: ActivePolicies | None = None) -> Findings:
    """Say what follows from lines."""
    sums = Sums(policies)
    sums.add_all(map(read_line, lines))
    return findings_of(sums)

"""Tests of adding up lines, and of what follows."""

from __future__ import annotations

import random

import pytest

from cors_service.insights.findings import Undecided, findings_of
from cors_service.insights.lines import read_line
from cors_service.insights.sums import Sums
from tests.insights.logs import (
    BEGIN,
    DAY,
    OTHERS,
    REFUSED,
    UNDECIDED,
    active,
    asked,
    decided,
    found,
    line,
    preflight,
    written,
)


def test_nothing() -> None:
    """Without lines there is nothing to say, and it is said."""
    findings = found(policies=active())
    assert (findings.begin, findings.end, findings.decisions, findings.seconds) == (None, None, 0, 0)
    assert findings.preflight_share is None
    assert findings.unused is not None
    assert findings.unused.policies == ["app", "quiet"]


def test_counts() -> None:
    """Decisions are counted by kind, policy and revision, those that were not told apart with them."""
    findings = found(
        written(count=3),
        written(count=2, kind="preflight", method="PUT", instance="there"),
        written(count=4, kind="preflight", allowed=False, reason="origin-not-allowed", rule=None, revision="sha256:1"),
        written(count=1, kind="undecided", allowed=None, policy=None, rule=None, reason="no-policy-for-url"),
        OTHERS,
        b'{"type": "seen"}',
    )
    assert findings.decisions == 15
    assert findings.other == 5
    assert findings.instances == 2
    assert findings.count_of("preflight") == 6
    assert findings.count_of("preflight", allowed=False) == 4
    assert findings.preflight_share == 6 / 9
    assert [(one.name, one.count) for one in findings.policies] == [("app", 9), (None, 1)]
    assert [(one.name, one.count) for one in findings.revisions] == [("sha256:0", 6), ("sha256:1", 4)]
    assert (findings.begin, findings.end) == ("2026-08-01T00:00:00Z", "2026-08-02T00:00:10Z")
    assert findings.unused is None


def test_order_does_not_matter() -> None:
    """The same lines in another order say the same."""
    policies = active()
    origins = ["https://app.example.com", "https://a.partner.example", "https://b.partner.example", "https://x.example"]
    lines = [
        decided(policies, query, at, count=1 + at % 7)
        for at in range(0, 5000, 100)
        for origin in origins
        for query in (asked(origin), asked(origin, "DELETE"), preflight(origin))
    ]
    expected = found(*lines, policies=policies)
    random.Random(1).shuffle(lines)
    assert found(*lines, policies=policies) == expected


def test_rules_of_other_revisions() -> None:
    """What another revision decided counts for the rule that covers the origin today, whatever number it had."""
    policies = active()
    sums = Sums(policies)
    sums.add(line(rule=7, origin="https://shop.partner.example", revision="sha256:before", count=3))
    sums.add(line(rule=1, origin="https://gone.example.com", revision="sha256:before"))
    sums.add(line(rule=1, policy="gone", origin="https://app.example.com", revision="sha256:before"))
    assert {key: rule.count for key, rule in sums.rules.items()} == {("app", 2): 3}
    assert sums.exact == {("app", 2): {"https://shop.partner.example": "2026-08-01T00:00:09Z"}}
    assert sums.unplaced == 0


def test_masked_origins_belong_to_rules_of_the_same_revision() -> None:
    """Without the origin, a rule is only known by its number in the same revision; the rest is counted apart."""
    policies = active()
    sums = Sums(policies)
    sums.add(line(rule=2, origin="0123456789abcdef", origins="hashed", revision=policies.revision, count=2))
    sums.add(line(rule=2, origin="0123456789abcdef", origins="hashed", revision="sha256:before", count=5))
    assert {key: rule.count for key, rule in sums.rules.items()} == {("app", 2): 2}
    assert (sums.masked, sums.unplaced) == (7, 5)


def test_origins_that_need_the_url() -> None:
    """An origin that a rule covers by the host of the request is one of its pattern, also of another revision."""
    policies = active(
        "version = 1\n[policies.tenants]\nmatch = ['<tenant>.api.example.com/']\n"
        "origins = ['https://<tenant>.app.example.com']\n"
    )
    sums = Sums(policies)
    origin = "https://one.app.example.com"
    sums.add(line(revision=policies.revision, policy="tenants", origin=origin))
    sums.add(line(revision="sha256:before", policy="tenants", origin=origin, count=4))
    assert [key for key, _, _ in sums.served] == [
        ("tenants", 1, "https://<tenant>.app.example.com", "https://one.app.example.com")
    ]
    assert sums.unplaced == 4


@pytest.mark.parametrize("with_policies", [False, True])
def test_memory_is_bounded(with_policies: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever origins, policies, methods and services there are, no table has more entries than it may have."""
    for name in ("_REFUSALS", "_SERVED", "_POLICIES", "_REVISIONS", "_INSTANCES", "_REMEMBERED"):
        monkeypatch.setattr(f"cors_service.insights.sums.{name}", 20)
    policies = active()
    sums = Sums(policies if with_policies else None)
    for number in range(500):
        revision = policies.revision if number % 2 else f"sha256:{number}"
        stranger = {"origin": f"https://{number}.example.org", "allowed": False, "reason": "origin-not-allowed"}
        sums.add(line(number * 1000, rule=None, revision=revision, instance=str(number), **stranger))
        sums.add(line(rule=2, origin=f"https://x{number}.partner.example", revision=revision, method=f"M{number}"))
        sums.add(line(policy=f"policy-{number}", rule=number + 1, revision=revision, kind=f"kind-{number}"))
        sums.add(line(policy=f"policy-{number}", rule=number + 1, revision=revision))
    assert len(sums.kinds) <= 51
    assert len(sums.refusals) < 40
    assert len(sums.served) < 40
    assert len(sums.policies) < 40
    assert len(sums.revisions) < 40
    assert len(sums.instances) <= 20
    assert len(sums.rules) <= 20
    assert len(sums._places) <= 20
    assert all(len(rule.requests) <= 21 for rule in sums.rules.values())
    assert findings_of(sums).decisions == 2000


def test_traffic() -> None:
    """Each decision is in the step of its interval, by what came of it."""
    findings = found(
        written(0, count=2),
        written(50, count=1, kind="preflight", method="PUT"),
        written(3600, count=4, **REFUSED),
        written(900 * 60, kind="no-origin", allowed=None, count=5),
        written(900 * 60, count=7, **UNDECIDED),
    )
    steps = [
        (one.at, one.allowed, one.preflights, one.refused, one.other, one.undecided) for one in findings.traffic.steps
    ]
    assert findings.traffic.step == 60
    assert steps == [
        ("2026-08-01T00:00:00Z", 2, 1, 0, 0, 0),
        ("2026-08-01T01:00:00Z", 0, 0, 4, 0, 0),
        ("2026-08-01T15:00:00Z", 5, 0, 0, 0, 7),
    ]


def test_what_could_not_be_decided() -> None:
    """Questions without a decision are summed by the reason, the most frequent first."""
    findings = found(
        written(count=3, **UNDECIDED),
        written(count=9, **{**UNDECIDED, "reason": "no-policy-for-url"}),
        written(DAY, count=4, origin="https://other.example", **UNDECIDED),
        written(count=10),
    )
    assert findings.undecided == [
        Undecided("no-policy-for-url", 9, "2026-08-01T00:00:09Z"),
        Undecided("unknown-policy", 7, "2026-08-02T00:00:09Z"),
    ]
    assert findings.undecided_missing == 0
    assert found(written()).undecided == []


def test_time() -> None:
    """The time is that from the begin of the first interval to the end of the last."""
    assert found(written(3 * DAY), written(0)).seconds == 3 * DAY + 10
    assert read_line(written(0)) == line(0)
    assert BEGIN % DAY == 0

"""Tests of what follows for policies: refusals, wildcards, and what nobody uses."""

from __future__ import annotations

from typing import Any

import pytest

from cors_service.insights.text import in_text
from cors_service.insights.unused import UnaskedGrant, UnknownUse, UnseenOrigin, Unused
from tests.insights.logs import DAY, OTHERS, REFUSED, active, asked, decided, found, preflight, written

APP = "https://app.example.com"
HASHED: dict[str, Any] = {"origin": "0123456789abcdef", "origins": "hashed"}
"""What is different of a line whose origin is not written as it was."""


def unused_after(*lines: bytes, text: str | None = None) -> Unused:
    """Say what nobody uses after some lines."""
    findings = found(*lines, policies=active() if text is None else active(text))
    assert findings.unused is not None
    return findings.unused


def test_most_refused() -> None:
    """Refusals are summed by origin, policy and reason, the most frequent first, with what to write."""
    policies = active()
    lines = [
        *(decided(policies, asked("https://typo.example.com"), at, count=2) for at in range(0, 1000, 100)),
        decided(policies, asked(APP, "PATCH"), 5, count=7),
        decided(policies, preflight(APP, headers=("x-other",)), 5, count=6),
        written(allowed=False, reason="origin-not-allowed", rule=None, origin="https://de.example.com", count=5),
    ]
    refused = found(*lines, policies=policies).refusals
    assert [(one.origin, one.reason, one.method, one.count, one.now) for one in refused] == [
        ("https://typo.example.com", "origin-not-allowed", None, 20, "refused"),
        (APP, "method-not-allowed", "PATCH", 7, "refused"),
        (APP, "header-not-allowed", None, 6, None),
        ("https://de.example.com", "origin-not-allowed", None, 5, "allowed"),
    ]
    assert refused[0].hint == policies.advise(asked("https://typo.example.com")).reason.hint != ""
    assert "PATCH" in refused[1].hint
    assert refused[0].last == "2026-08-01T00:15:09Z"


def test_refusals_without_policies() -> None:
    """Without policies, and for origins that are not written as they were, nothing is said of today."""
    [one] = found(written(allowed=False, reason="origin-not-allowed", rule=None)).refusals
    assert (one.now, one.hint) == (None, "")


def test_masked_origins_are_not_asked_about() -> None:
    """A masked origin looks like an origin, or like none, and no policy can be asked about it."""
    policies = active()
    site = written(origin="https://example.com", origins="site", **REFUSED)
    refused = found(site, written(origin="https://example.com", **REFUSED), policies=policies).refusals
    assert {(one.origins, one.now) for one in refused} == {("site", None), ("full", "refused")}


def test_policies_and_rules_never_used() -> None:
    """A policy that nobody asks for is named once, and a rule of another policy by itself."""
    policies = active()
    lines = [decided(policies, asked(APP)), decided(policies, asked("https://stranger.example"))]
    unused = unused_after(*lines)
    assert (unused.policies, unused.policies_count) == (["quiet"], 1)
    assert [(one.policy, one.rule) for one in unused.rules] == [("app", 2), ("app", 3)]
    assert unused.rules[1].words.startswith("@nobody may use GET")


def test_a_policy_that_only_refuses_is_used() -> None:
    """Somebody asked for a policy, even if all were refused."""
    policies = active()
    unused = unused_after(decided(policies, asked("https://stranger.example", policy="quiet")))
    assert unused.policies == ["app"]
    assert [(one.policy, one.rule) for one in unused.rules] == [("quiet", 1)]


def test_origins_not_seen() -> None:
    """An origin that is listed and was not seen for 90 days is named, with its last sight; so is an idle wildcard."""
    policies = active()
    lines = [
        decided(policies, asked("https://en.example.com"), 0),
        decided(policies, asked("https://shop.partner.example"), 0),
        decided(policies, asked(APP), 100 * DAY),
        decided(policies, asked("https://x.partner.example"), 100 * DAY),
    ]
    unused = unused_after(*lines)
    assert unused.complete
    assert unused.origins == [
        UnseenOrigin("app", 1, "https://en.example.com", "2026-08-01T00:00:09Z"),
        UnseenOrigin("app", 1, "https://de.example.com", None),
        UnseenOrigin("app", 2, "https://shop.partner.example", "2026-08-01T00:00:09Z"),
        UnseenOrigin("app", 2, "https://pr-*.builds.example.com", None),
    ]


def test_lines_of_a_short_time() -> None:
    """If the lines do not reach back far enough, that is said, and what is in them counts."""
    policies = active()
    lines = [decided(policies, asked(APP), at * DAY) for at in range(5)]
    unused = unused_after(*lines)
    assert not unused.complete
    assert [one.pattern for one in unused.origins] == ["https://en.example.com", "https://de.example.com"]


def test_sets_never_used() -> None:
    """A set is used if anybody comes by one of its patterns, in whatever rule."""
    policies = active()
    assert unused_after(decided(policies, asked(APP))).sets == ["nobody", "partners"]
    assert unused_after(decided(policies, asked("https://x.partner.example"))).sets == ["nobody"]
    assert unused_after(decided(policies, asked("https://nobody.example"))).sets == ["partners"]


def test_masked_origins_may_be_any_of_their_rule() -> None:
    """If a rule decided about a masked origin, none of its origins is called unused, nor is a set that it uses."""
    policies = active()
    lines = [
        written(revision=policies.revision, rule=2, count=7, **HASHED),
        decided(policies, asked(APP), 100 * DAY),
    ]
    unused = unused_after(*lines)
    assert unused.complete
    assert (unused.unknown, unused.unknown_count) == ([UnknownUse("app", 2, 7)], 1)
    assert {one.rule for one in unused.origins} == {1}
    assert unused.sets == ["nobody"]
    assert [(one.policy, one.rule) for one in unused.rules] == [("app", 3)]
    assert "app, rule 2: 7 decisions about masked origins" in in_text(found(*lines, policies=policies))


def test_decisions_of_another_revision_may_be_of_any_rule() -> None:
    """If it is not known which rule of a policy decided, nothing of that policy is called unused."""
    policies = active()
    lines = [written(rule=2, count=5, **HASHED), decided(policies, asked(APP), 100 * DAY)]
    unused = unused_after(*lines)
    assert (unused.unknown, unused.unknown_count) == ([UnknownUse("app", None, 5)], 1)
    assert (unused.rules, unused.origins, unused.sets, unused.grants) == ([], [], [], [])
    assert unused.policies == ["quiet"]
    text = in_text(found(*lines, policies=policies))
    assert "app: 5 decisions of other revisions, so it is not known which rule they belong to" in text


def test_policies_that_are_gone_hide_nothing() -> None:
    """What a policy decided that there is no more says nothing about those of today."""
    policies = active()
    unused = unused_after(written(policy="gone", **HASHED), decided(policies, asked(APP)))
    assert unused.unknown == []
    assert unused.sets == ["nobody", "partners"]


def test_methods_never_asked() -> None:
    """A granted method that no request and no preflight used is named; HEAD goes with GET."""
    policies = active()
    lines = [decided(policies, asked(APP)), decided(policies, preflight(APP, "PUT"))]
    assert unused_after(*lines).grants == [UnaskedGrant("app", 1, False, ("POST", "DELETE"), ("GET", "PUT"), None)]


def test_headers_never_asked() -> None:
    """Without any preflight no header was asked about; with one it is not known which."""
    policies = active()
    [grant] = unused_after(decided(policies, asked(APP))).grants
    assert grant.headers == ("content-type", "x-trace")
    assert unused_after(decided(policies, asked(APP))).headers_unknown == 0
    unused = unused_after(decided(policies, asked(APP)), decided(policies, preflight(APP)))
    assert [grant.headers for grant in unused.grants] == [None]
    assert unused.headers_unknown == 1


def test_any_method() -> None:
    """Of a rule that grants every method, those that were used are named."""
    text = 'version = 1\n[policies.app]\norigins = ["https://app.example.com"]\nmethods = ["*"]\n'
    policies = active(text)
    lines = [decided(policies, asked(APP, "PURGE")), decided(policies, asked(APP, "get"))]
    assert unused_after(*lines, text=text).grants == [UnaskedGrant("app", 1, True, (), ("GET", "PURGE"), ())]


def test_rules_that_refuse_grant_nothing() -> None:
    """A rule that refuses is used by those that it refuses, and has no grants to be asked for."""
    text = (
        'version = 1\n[[policies.app.rules]]\norigins = ["https://bad.example"]\nrefuse = true\n'
        '[[policies.app.rules]]\norigins = ["*"]\n'
    )
    policies = active(text)
    unused = unused_after(decided(policies, asked("https://bad.example")), text=text)
    assert [(one.policy, one.rule) for one in unused.rules] == [("app", 2)]
    assert unused.grants == []


def test_whom_wildcards_served() -> None:
    """For each open pattern the origins that came by it are counted; what is listed itself is no matter of it."""
    policies = active()
    lines = [
        *(decided(policies, asked("https://a.partner.example"), at, count=3) for at in (0, 50)),
        decided(policies, preflight("https://b.partner.example"), count=1),
        decided(policies, asked("https://shop.partner.example"), count=9),
        decided(policies, asked("https://pr-1.builds.example.com"), count=2),
        decided(policies, asked("https://en.example.com"), count=2),
    ]
    wildcards = found(*lines, policies=policies).wildcards
    assert [(one.pattern, one.rule, one.count, one.origins_count, one.complete) for one in wildcards] == [
        ("https://*.partner.example", 2, 7, 2, True),
        ("https://pr-*.builds.example.com", 2, 2, 1, True),
    ]
    assert [(one.origin, one.count, one.last) for one in wildcards[0].origins] == [
        ("https://a.partner.example", 6, "2026-08-01T00:00:59Z"),
        ("https://b.partner.example", 1, "2026-08-01T00:00:09Z"),
    ]


def test_whom_else_wildcards_may_have_served() -> None:
    """The origins of a wildcard are all only if no decision that is not told apart may be about another one."""
    policies = active()
    lines = [decided(policies, asked("https://a.partner.example"), at * DAY) for at in (0, 100)]
    elsewhere = written(revision=policies.revision, rule=1, **HASHED)
    for more, complete in (
        ((), True),
        ((elsewhere,), True),
        ((written(revision=policies.revision, rule=2, **HASHED),), False),
        ((written(rule=1, **HASHED),), False),
        ((OTHERS,), False),
    ):
        findings = found(*lines, *more, policies=policies)
        assert [one.complete for one in findings.wildcards] == [complete]
        assert ("That is all: a list would do." in in_text(findings)) is complete
        assert ("Others may have come, too." in in_text(findings)) is not complete


def test_wildcards_that_served_nobody() -> None:
    """That a wildcard served nobody is said only if no decision may be about one of its origins."""
    policies = active()
    assert "No wildcard served anybody." in in_text(found(decided(policies, asked(APP)), policies=policies))
    for unknown in (OTHERS, written(**HASHED), written(revision=policies.revision, rule=2, **HASHED)):
        text = in_text(found(decided(policies, asked(APP)), unknown, policies=policies))
        assert "It is not known whom wildcards served." in text


def test_sets_of_too_many_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A set with a wildcard is not called unused if there were more origins than are counted."""
    monkeypatch.setattr("cors_service.insights.sums._SERVED", 3)
    policies = active()
    partner = decided(policies, asked("https://a.partner.example"))
    builds = (decided(policies, asked(f"https://pr-{number}.builds.example.com"), count=9) for number in range(9))
    assert unused_after(partner, *builds).sets == ["nobody"]


def test_expressions_and_everybody() -> None:
    """Expressions and `*` are open patterns, too."""
    text = (
        "version = 1\n[[policies.app.rules]]\norigins = ['re:https://pr-[0-9]+\\.example\\.com']\n"
        "[[policies.app.rules]]\norigins = ['*']\n"
    )
    policies = active(text)
    lines = [decided(policies, asked(origin)) for origin in ("https://pr-7.example.com", "https://any.example", "null")]
    served = [
        (one.pattern, [origin.origin for origin in one.origins]) for one in found(*lines, policies=policies).wildcards
    ]
    assert served == [
        ("*", ["https://any.example", "null"]),
        ("re:https://pr-[0-9]+\\.example\\.com", ["https://pr-7.example.com"]),
    ]

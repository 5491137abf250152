"""Tests of finding the pattern of a rule that covers an origin."""

from __future__ import annotations

import pytest
from hypothesis import given

from cors_service.decision import ActivePolicies, Query
from cors_service.decision.covering import RulePatterns
from cors_service.policy import Source, read_document, read_sources
from cors_service.testing.strategies import matching_cases

DOCUMENT = """
version = 1

[origin_sets]
set = ["https://in-set.example", "https://*.in-set.example"]

[policies.app]
match = ["<tenant>.api.example.com/"]
origins = [
    "https://app.example.com",
    "https://{en,de}.example.com",
    "https://*.example.com",
    "https://pr-*.builds.example",
    "http://*.plain.example:8000-8010",
    "https://10.0.0.0/8:*",
    're:https://x[0-9]+\\.example\\.org',
    "https://<tenant>.app.example.net",
    "@set",
    "null",
]
dangerously_allow = ["null-origin"]
"""


def patterns_of(document: str) -> RulePatterns:
    """Prepare the patterns of the first rule of the policy."""
    policy_set = read_sources([Source("policies.toml", "toml", document)])
    return RulePatterns.of(policy_set.policies["app"].rules[0], policy_set)


@pytest.mark.parametrize(
    ("origin", "pattern"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://de.example.com", "https://de.example.com"),
        ("https://fr.example.com", "https://*.example.com"),
        ("https://pr-1.builds.example", "https://pr-*.builds.example"),
        ("http://a.plain.example:8005", "http://*.plain.example:8000-8010"),
        ("https://10.1.2.3:8443", "https://10.0.0.0/8:*"),
        ("https://x12.example.org", "re:https://x[0-9]+\\.example\\.org"),
        ("https://one.app.example.net", "https://<tenant>.app.example.net"),
        ("https://in-set.example", "https://in-set.example"),
        ("https://a.in-set.example", "https://*.in-set.example"),
        ("null", "null"),
        ("https://nobody.example", None),
        ("not an origin", None),
    ],
)
def test_each_kind(origin: str, pattern: str | None) -> None:
    """Each kind of pattern is found by what it covers; an origin that is listed itself is found by itself."""
    assert patterns_of(DOCUMENT).find(origin) == pattern


def test_everybody() -> None:
    """What no other pattern covers, `*` does; also a malformed origin is no origin then."""
    found = patterns_of('version = 1\n[policies.app]\norigins = ["https://app.example.com", "*"]\n')
    assert found.find("https://app.example.com") == "https://app.example.com"
    assert found.find("https://any.example") == found.find("null") == "*"
    assert found.find("not an origin") is None


@given(matching_cases())
def test_the_pattern_alone_covers_it(case: tuple[list[str], str]) -> None:
    """An origin that a rule covers is covered by the pattern that is found, if that is all that a rule lists."""
    listed, origin = case

    def covers(texts: list[str]) -> tuple[bool, RulePatterns]:
        policy_set = read_document({"version": 1, "policies": {"app": {"origins": texts}}})
        decision = ActivePolicies(policy_set).decide(Query("GET", policy="app", origins=(origin,)))
        return decision.rule == 1, RulePatterns.of(policy_set.policies["app"].rules[0], policy_set)

    is_covered, found = covers(listed)
    pattern = found.find(origin)
    assert (pattern is not None) == is_covered
    if pattern is not None:
        assert covers([pattern])[0]

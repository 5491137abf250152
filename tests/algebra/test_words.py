"""Tests of the sentences about differences: whom each one is about."""

from __future__ import annotations

import pytest

from cors_service.algebra import compare
from cors_service.policy import PolicySet, Source, read_sources

ORIGINS = 'origins = ["https://a.example", "https://b.example", "https://*.c.example"]'
FIRST = '[[policies.a.rules]]\norigins = ["https://z.example"]\n'


def policies(text: str) -> PolicySet:
    """Read a policy."""
    return read_sources([Source("a.toml", "toml", f"version = 1\n{text}\n")])


@pytest.mark.parametrize(("first", "rule"), [("", 1), (FIRST, 2)])
def test_all_pages_of_a_rule(first: str, rule: int) -> None:
    """What all pages of a rule may do newly is said of the rule, also if it has another number after the change."""
    before, after = (
        f"[[policies.a.rules]]\n{ORIGINS}\nmethods = {methods}" for methods in ('["GET"]', '["GET", "PUT"]')
    )
    [wider] = [one for one in compare(policies(before), policies(first + after)).differences if one.what == "method"]
    assert (
        wider.sentence
        == f"Pages that rule {rule} covers, such as those of 'https://a.example', may use the method PUT."
    )
    [narrower] = [one for one in compare(policies(first + after), policies(before)).differences if one.what == "method"]
    expected = "Pages that rule 1 covers, such as those of 'https://a.example', may no longer use the method PUT."
    assert narrower.sentence == expected


def test_pages_of_the_own_origin() -> None:
    """Of a page of the service's own origin, which no rule covers, no rule is named."""
    text = '[policies.a]\nmatch = ["api.example/"]\nstatic = true\norigins = ["https://b.example"]\n'
    differences = compare(policies(text), policies(f"{text}credentials = true\n")).differences
    sentences = {one.witness.origins[0]: one.sentence for one in differences if one.what == "credentials"}
    assert sentences == {
        "https://b.example": "Pages that rule 1 covers, such as those of 'https://b.example', may send cookies and the "
        "like.",
        "https://api.example": "Pages of 'https://api.example' may send cookies and the like.",
    }

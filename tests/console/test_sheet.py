"""The document that is edited: what it changes, its mistakes, two edits of one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.console.sheet import bodies_of, keys_with, merged, overtaken, read_sheet, sets_used, sheet_of
from cors_service.grammar.mistakes import InvalidPolicies
from cors_service.ledger.edits import Edit, digests_of
from cors_service.ledger.entry import Head, Key
from cors_service.ledger.kept import Kept
from cors_service.policy import read_document

SHOP: dict[str, Any] = {"match": ["api.example.com/shop/"], "origins": ["@partners", "https://shop.example.com"]}
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "policies": {"shop": SHOP, "pay": {"origins": ["@partners", "@team"]}},
    "origin_sets": {"partners": ["https://a.example"], "team": ["https://t.example"]},
}
SHOP_KEY, PARTNERS, TEAM = Key("policy", "shop"), Key("origin-set", "partners"), Key("origin-set", "team")


def kept_of(document: dict[str, Any]) -> Kept:
    """What a store holds that has a document."""
    policy_set = read_document(document)
    head = Head(seq=1, revision="", entry="", format=1, at="")
    return Kept(head=head, policy_set=policy_set, digests=digests_of(policy_set))


KEPT = kept_of(DOCUMENT)
BEFORE = sheet_of({SHOP_KEY: SHOP, PARTNERS: ["https://a.example"]})


def read(text: str, before: str = BEFORE) -> list[Edit]:
    """Read an edited document beside the others."""
    return read_sheet(text, before, KEPT, {TEAM: ["https://t.example"]})


def test_a_policy_and_its_sets() -> None:
    """A policy is edited together with the sets that it uses, in TOML, and an untouched document changes nothing."""
    assert keys_with(SHOP_KEY, KEPT) == [SHOP_KEY, PARTNERS]
    assert bodies_of(BEFORE) == {SHOP_KEY: SHOP, PARTNERS: ["https://a.example"]}
    assert read(BEFORE) == []
    assert read(f"# Only a comment.\n{BEFORE}") == []


def test_what_it_changes() -> None:
    """What is different is written, what is new is added, what is gone is removed."""
    text = BEFORE.replace("shop.example.com", "web.example.com").replace("a.example", "b.example")
    assert read(text) == [
        Edit(PARTNERS, ["https://b.example"]),
        Edit(SHOP_KEY, {**SHOP, "origins": ["@partners", "https://web.example.com"]}),
    ]
    assert read("version = 1\n") == [Edit(PARTNERS, None), Edit(SHOP_KEY, None)]
    new = 'version = 1\n[policies.new]\norigins = ["@team"]\n'
    assert read(new, "") == [Edit(Key("policy", "new"), {"origins": ["@team"]})]
    assert sets_used(new) == [TEAM]


def mistakes(text: str, before: str = BEFORE) -> list[tuple[int | None, str]]:
    """Give the lines and codes of the mistakes of a document."""
    with pytest.raises(InvalidPolicies) as caught:
        read(text, before)
    return [(one.line, one.code) for one in caught.value.mistakes]


def test_mistakes_at_their_lines() -> None:
    """Five mistakes are reported at once, each at its line."""
    text = (
        "version = 1\n[policies.shop]\n"
        'match = ["api.example.com/shop"]\n'
        'origins = ["https://shop.example.com/", "@nobody"]\n'
        'methods = ["G ET"]\n'
        "max_age = -1\n"
        "credental = true\n"
    )
    assert mistakes(text) == [
        (3, "match-malformed"),
        (4, "origin-trailing-slash"),
        (4, "origin-set-unknown"),
        (5, "method-malformed"),
        (6, "max-age-out-of-range"),
        (7, "unknown-key"),
    ]


def test_a_key_of_many_parts() -> None:
    """A key that the parser would take minutes for is refused before it sees it, wherever somebody sends it."""
    text = f"version = 1\npolicies.{'a.' * 40_000}a = 1"
    assert bodies_of(text) == {}
    assert mistakes(text) == [(2, "syntax")]
    assert mistakes(text, text) == [(2, "syntax")]


def test_names_that_are_taken() -> None:
    """What is new takes no name that something else has, which the editor does not show."""
    assert mistakes('version = 1\n[policies.pay]\norigins = ["*"]\n') == [(2, "policy-duplicate")]
    assert mistakes("nonsense\n") == [(1, "syntax")]
    assert mistakes("") == [(None, "missing-key")]


def test_an_unused_set_counts_by_all_policies() -> None:
    """A set that another policy uses may stay in the document, and one that nobody uses is a mistake."""
    assert read(BEFORE.replace('"@partners", ', "")) == [
        Edit(SHOP_KEY, {**SHOP, "origins": ["https://shop.example.com"]})
    ]
    assert read(sheet_of({PARTNERS: ["https://b.example"]}), sheet_of({PARTNERS: ["https://a.example"]})) == [
        Edit(PARTNERS, ["https://b.example"])
    ]
    unused = BEFORE.replace("[origin_sets]\n", '[origin_sets]\nmore = ["https://m.example"]\n')
    assert [code for _, code in mistakes(unused)] == ["origin-set-unused"]


def test_overtaken() -> None:
    """It is known which definitions somebody else has changed since the document was sent."""
    assert overtaken(BEFORE, [], KEPT) == []
    assert overtaken(BEFORE, [Edit(TEAM, [])], KEPT) == [TEAM]
    other = {**DOCUMENT, "origin_sets": {**DOCUMENT["origin_sets"], "partners": ["https://c.example"]}}
    assert overtaken(BEFORE, [], kept_of(other)) == [PARTNERS]
    gone = {"version": 1, "policies": {"pay": {"origins": ["*"]}}}
    assert overtaken(BEFORE, [], kept_of(gone)) == [PARTNERS, SHOP_KEY]


LINES = st.lists(st.sampled_from("abc"), max_size=8).map(lambda lines: "".join(f"{line}\n" for line in lines))


def test_many_equal_lines() -> None:
    """Texts of very many equal lines, which would take minutes, are not put together."""
    lines = "#\n" * 3000
    assert merged(f"{lines}a\n", f"#\n{lines}a\n", f"{lines}b\n") is None


def test_merged() -> None:
    """Edits of different lines go together, the same edit counts once, and others do not."""
    before = "a\nb\nc\nd\ne\n"
    assert merged(before, before.replace("b", "B"), before.replace("e", "E\nf")) == "a\nB\nc\nd\nE\nf\n"
    assert merged(before, before.replace("b", "B"), before.replace("b", "B")) == "a\nB\nc\nd\ne\n"
    assert merged(before, before.replace("b", "B"), before.replace("b", "x")) is None
    assert merged(before, before.replace("b", "B"), before.replace("c", "x")) is None


@given(LINES, LINES, LINES)
def test_merging_is_fair(before: str, mine: str, theirs: str) -> None:
    """It does not matter whose edit is whose, and an edit of one alone is that edit."""
    assert merged(before, mine, theirs) == merged(before, theirs, mine)
    assert merged(before, mine, before) == mine

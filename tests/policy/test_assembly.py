"""Tests of documents that together make up a set, of which some change: it is as if all were read afresh."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.mistakes import InvalidPolicies, PolicyError
from cors_service.policy import PolicySet, Source, revision
from cors_service.policy import assembly as _assembly
from cors_service.policy.assembly import Assembly, read_drafts
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft
from cors_service.policy.revision import revision_of
from tests.examples import examples

NAMES = ("1.toml", "2.toml", "3.toml")
POLICIES = [
    f"policies.{name} = {{ {keys} }}"
    for name in "ab"
    for keys in (
        'origins = ["https://a.example"]',
        'origins = ["https://b.example"], match = ["one.example/"]',
        'origins = ["@s"], match = ["one.example/", "two.example/"]',
        'origins = ["https://a.example", "@t"], credentials = true',
        'rules = [{ origins = ["https://a.example"] }, { origins = ["@s"] }]',
        'origins = ["https://a.example/"]',
        'match = ["three.example"], origins = ["*"]',
    )
]
SETS = [
    'origin_sets.s = ["https://a.example"]',
    'origin_sets.s = ["https://*.s.example"]',
    'origin_sets.t = ["http://t.example"]',
]
UNREADABLE = PolicyError("document-unreadable", "The document can't be read.", file="unreadable")


def draft(name: str, *lines: str) -> Draft:
    """Read a document of these lines."""
    return Draft(Source(name, "toml", "\n".join(("version = 1", *lines))))


@st.composite
def puts(draw: st.DrawFn) -> tuple[str, Draft | PolicyError | None]:
    """Draw what becomes of a document: mostly a few lines, else nothing, or something that can't be read."""
    name = draw(st.sampled_from(NAMES))
    if draw(st.integers(0, 7)) == 0:
        return name, draw(st.sampled_from([None, UNREADABLE]))
    lines = draw(st.lists(st.sampled_from([*POLICIES, *SETS]), max_size=3, unique_by=lambda line: line.split()[0]))
    return name, draft(name, *lines)


def afresh(documents: dict[str, Draft | PolicyError]) -> PolicySet:
    """Read all documents anew."""
    read = [documents[name] for name in sorted(documents)]
    drafts = [Draft(one.source) for one in read if isinstance(one, Draft)]
    return read_drafts(drafts, unreadable=[one for one in read if isinstance(one, PolicyError)])


def outcome(read: Callable[[], object]) -> object:
    """Give what was read, or the report of what is wrong."""
    try:
        return read()
    except InvalidPolicies as invalid:
        return invalid.report()


@examples(1_000)
@given(st.lists(st.lists(puts(), max_size=3), max_size=6))
def test_as_if_read_afresh(rounds: list[list[tuple[str, Draft | PolicyError | None]]]) -> None:
    """Whatever documents come, change and go, the set, its revision and its mistakes are those of all read anew, and
    the changes lead from each good set to the next.
    """
    assembly, documents = Assembly(), dict[str, Draft | PolicyError]()
    for changes in rounds:
        for name, document in changes:
            assembly.put(name, document)
            documents.pop(name, None)
            if document is not None:
                documents[name] = document
        before, base = assembly.policy_set, assembly.revision
        expected, found = outcome(partial(afresh, documents)), outcome(assembly.read)
        if isinstance(expected, PolicySet):
            assert expected == assembly.policy_set
            assert list(expected.policies) == list(assembly.policy_set.policies)
            assert revision(expected) == assembly.revision
            assert Change.between(base, before, revision(expected), expected) == found
        else:
            assert expected == found
            assert (before, base) == (assembly.policy_set, assembly.revision)


def test_only_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where policies of a good set change and nothing else, the other documents are not looked at, and stay."""
    assembly = Assembly()
    for number in range(3):
        assembly.put(f"{number}.toml", draft(f"{number}.toml", f'policies.p{number}.origins = ["https://a.example"]'))
    assembly.read()
    before = assembly.policy_set
    assert before is not None
    monkeypatch.setattr(_assembly, "read_drafts", None)
    assembly.put("1.toml", draft("1.toml", 'policies.q.origins = ["https://b.example"]'))
    assembly.put("2.toml", None)
    change = assembly.read()
    assert assembly.policy_set is not None
    assert ([policy.name for policy in change.policies], change.removed) == (["q"], ("p1", "p2"))
    assert list(assembly.policy_set.policies) == ["p0", "q"]
    assert assembly.policy_set.policies["p0"] is before.policies["p0"]
    assert list(before.policies) == ["p0", "p1", "p2"]


def test_order_of_digests() -> None:
    """The order in which policies are named makes no difference to the revision."""
    assert revision_of({"a": "1", "b": "2"}, {}) == revision_of({"b": "2", "a": "1"}, {})

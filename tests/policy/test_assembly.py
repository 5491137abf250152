"""Tests of documents that together make up a set, when some change: it is as if all were read afresh."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from cors_service.grammar.mistakes import InvalidPolicies, Path, PolicyError
from cors_service.policy import PolicySet, Source, revision
from cors_service.policy import assembly as _assembly
from cors_service.policy.assembly import Assembly
from cors_service.policy.change import Change
from cors_service.policy.draft import Draft
from cors_service.policy.merge import read_drafts
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
        'origins = ["*"], request_headers = ["@s"]',
        'origins = ["@s"], expose_headers = ["@h", "x-a"]',
    )
]
SETS = [
    'origin_sets.s = ["https://a.example"]',
    'origin_sets.s = ["https://*.s.example"]',
    'origin_sets.t = ["http://t.example"]',
    'header_sets.s = ["x-s"]',
    'header_sets.h = ["x-h", "*"]',
    'header_sets.h = ["x-h-*"]',
    'header_sets.h = ["x h"]',
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


# What is wrong between documents, and with none of them by itself.
BETWEEN = {"policy-duplicate", "origin-set-duplicate", "header-set-duplicate", "match-ambiguous", "no-policies"}
UNUSED = {"origin-set-unused", "header-set-unused"}
NOT_ALONE = {"origin-set-unknown", "header-set-unknown", "no-policies", *UNUSED}


def mistakes_of(read: Callable[[], object]) -> list[PolicyError]:
    """Give what is wrong with what is read."""
    try:
        read()
    except InvalidPolicies as invalid:
        return list(invalid.mistakes)
    return []


class Naive:
    """The same rule in the plainest way: everything is read anew each time, and documents are compared by their texts.

    Attributes:
        good: The documents of the last good set.
        policy_set: The last good set.
    """

    def __init__(self) -> None:
        self.good: dict[str, Draft | PolicyError] = {}
        self.policy_set: PolicySet | None = None

    def read(self, documents: dict[str, Draft | PolicyError]) -> list[str]:
        """Go on from documents as far as they are good; give what is wrong with them as they are."""
        mistakes = mistakes_of(lambda: self._become(documents))
        if mistakes and self.policy_set is not None:
            self._go_on(documents)
        return list(map(str, mistakes))

    def _go_on(self, documents: dict[str, Draft | PolicyError]) -> None:
        wrong = {name for name, one in documents.items() if mistakes_alone(one)}
        mistakes = mistakes_of(lambda: afresh(self._without(documents, wrong)))
        misusing = {mistake.file for mistake in mistakes if mistake.code not in BETWEEN | UNUSED}
        wrong |= {name for name in misusing if name in documents and documents[name] is not self.good.get(name)}
        versions = self._without(documents, wrong)
        unused = {mistake.path for mistake in mistakes_of(lambda: afresh(versions)) if mistake.code in UNUSED}
        wrong |= {
            name
            for name, one in versions.items()
            if one is not self.good.get(name) and (sets_of(one) - sets_of(self.good.get(name))) & unused
        }
        mistakes_of(lambda: self._become(self._without(documents, wrong)))

    def _become(self, documents: dict[str, Draft | PolicyError]) -> None:
        self.policy_set = afresh(documents)
        self.good = dict(documents)

    def _without(self, documents: dict[str, Draft | PolicyError], wrong: set[str]) -> dict[str, Draft | PolicyError]:
        """Put what was good in place of what is wrong."""
        kept = {name: self.good[name] for name in wrong if name in self.good}
        return {name: one for name, one in documents.items() if name not in wrong} | kept


def lines(document: Draft | PolicyError | None) -> object:
    """Give what tells a document from others: its lines, in any order."""
    if isinstance(document, Draft) and document.source is not None:
        return sorted(document.source.text.splitlines())
    return document


def sets_of(document: Draft | PolicyError | None) -> set[Path]:
    """Give the tables and names of the sets of a document."""
    return set(document.sets) if isinstance(document, Draft) else set()


def mistakes_alone(document: Draft | PolicyError) -> bool:
    """Whether a document has mistakes that no other document could mend."""
    if isinstance(document, PolicyError):
        return True
    return any(mistake.code not in NOT_ALONE for mistake in mistakes_of(lambda: afresh({"": document})))


ROUNDS = st.lists(st.lists(puts(), max_size=3), max_size=8)


@examples(300)
@given(ROUNDS)
def test_each_document_by_itself(rounds: list[list[tuple[str, Draft | PolicyError | None]]]) -> None:
    """Whatever documents come, change and go, good and bad: the set is the one of the naive rule, its changes lead
    there, its mistakes begin with all that is wrong with the newest documents, and those that are behind are named.
    """
    assembly, naive, documents = Assembly(), Naive(), dict[str, Draft | PolicyError]()
    for changes in rounds:
        for name, document in changes:
            assembly.put(name, document)
            documents.pop(name, None)
            if document is not None:
                documents[name] = document
        before, base = assembly.policy_set, assembly.revision
        mistakes = naive.read(documents)
        if naive.policy_set is None:
            assert mistakes == list(map(str, mistakes_of(assembly.read)))
            continue
        change = assembly.read()
        found = [] if change.mistakes is None else list(map(str, change.mistakes.mistakes))
        assert mistakes == found[: len(mistakes)]
        assert bool(mistakes) == bool(found)
        assert naive.policy_set == assembly.policy_set
        assert list(naive.policy_set.policies) == list(assembly.policy_set.policies)
        assert revision(naive.policy_set) == assembly.revision
        expected = Change.between(base, before, revision(naive.policy_set), naive.policy_set)
        assert expected == structs.replace(change, mistakes=None)
        assert naive.good == assembly.documents
        names = naive.good.keys() | documents.keys()
        behind = {
            name: name in naive.good for name in names if lines(naive.good.get(name)) != lines(documents.get(name))
        }
        assert behind == assembly.behind


def test_clash_with_what_stands_in() -> None:
    """Where a policy moves into a good document from one that has mistakes now, the whole last good set stays, and the
    mistakes say between which documents it is; once the other is mended, both are active.
    """
    assembly = Assembly()
    assembly.put("a.toml", draft("a.toml", 'policies.x.origins = ["https://x.example"]', POLICIES[0]))
    assembly.put("b.toml", draft("b.toml", 'policies.y.origins = ["https://y.example"]'))
    assembly.put("c.toml", draft("c.toml", 'policies.z.origins = ["https://z.example"]'))
    before = assembly.read().revision
    moved = 'policies.x.origins = ["https://x.example"]'
    assembly.put("a.toml", draft("a.toml", POLICIES[5]))
    assembly.put("b.toml", draft("b.toml", moved))
    assembly.put("c.toml", draft("c.toml", 'policies.z.origins = ["https://z2.example"]'))
    change = assembly.read()
    assert change.mistakes is not None
    assert (before, before) == (change.base, change.revision)
    codes = [mistake.code for mistake in change.mistakes.mistakes]
    assert codes == ["origin-trailing-slash", "policy-duplicate"]
    clash = change.mistakes.mistakes[1]
    assert (clash.file, clash.line) == ("b.toml", 2)
    assert "already defined in a.toml" in clash.message
    assert "leaving out the newest version of a.toml, which has mistakes" in clash.message
    assert assembly.behind == {"a.toml": True, "b.toml": True, "c.toml": True}
    assembly.put("a.toml", draft("a.toml", POLICIES[0]))
    change = assembly.read()
    assert (change.mistakes, [policy.name for policy in change.policies]) == (None, ["z"])


def test_one_file_or_many() -> None:
    """Where a file becomes a directory, or the other way round, the last good set stays until all is good."""
    assembly = Assembly()
    assembly.put("", draft("", POLICIES[0]))
    before = assembly.read().revision
    assembly.put("", None)
    assembly.put("a.toml", draft("a.toml", 'policies.x.origins = ["https://x.example"]'))
    assembly.put("b.toml", UNREADABLE)
    change = assembly.read()
    assert (change.revision, change.mistakes is not None) == (before, True)
    assert assembly.behind == {"b.toml": True}
    assembly.put("b.toml", None)
    assert assembly.read().removed == ("a",)


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
    assert revision_of({"a": "1", "b": "2"}, {}, {}) == revision_of({"b": "2", "a": "1"}, {}, {})


@pytest.mark.parametrize("changes", list(permutations("abc")), ids="".join)
def test_a_revision_does_not_tell_how_it_came_about(changes: tuple[str, ...]) -> None:
    """Whichever policy comes first, goes and comes again, the revision is that of what there is now."""
    assembly = Assembly()
    for name in (*changes, f"-{changes[1]}", changes[1]):
        file = f"{name[-1]}.toml"
        text = f'policies.{name[-1]}.origins = ["https://{name[-1]}.example"]'
        assembly.put(file, None if name.startswith("-") else draft(file, text))
        assembly.read()
        assert assembly.policy_set is not None
        assert assembly.revision == revision(assembly.policy_set)

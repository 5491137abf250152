"""The comparison of policies is exact: every query over a small alphabet is decided, and nothing else is reported."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.algebra import compare
from cors_service.policy import PolicySet
from tests.algebra import edits
from tests.algebra.cases import CASES
from tests.algebra.edits import Document, read
from tests.algebra.judge import Judge
from tests.examples import examples

_SOME = ("https://a.x", "https://b.x", "https://aa.x", "https://s", "https://a.s", "https://b.b.x")


def judge(seed: int, *, expressions: bool) -> None:
    """Judge the comparison of a random document and an edit of it."""
    random = Random(seed)  # so that a number is enough to see it again
    before, after, old, new = edits.edits(random, expressions=expressions)
    judge_edit((before, old), (after, new), random.sample(edits.ORIGINS, 8))


def judge_edit(before: tuple[Document, PolicySet], after: tuple[Document, PolicySet], some: Iterable[str]) -> None:
    """Judge the comparison of two documents, with every query of some origins."""
    (written, old), (rewritten, new) = before, after
    comparison = compare(old, new)
    judge = Judge(old, new, comparison)
    shown = f"{written}\n{rewritten}"
    invented = judge.invented()
    assert invented == [], f"invented: {invented[:1]}\n{shown}"
    missed = judge.missed(edits.queries(written, rewritten, some))
    assert missed == [], f"missed: {missed[:1]}\n{shown}"


def judge_case(name: str) -> None:
    """Judge an edit by hand, and the same backwards."""
    before, after = CASES[name]
    old, new = read(before), read(after)
    assert old is not None, before
    assert new is not None, after
    judge_edit((before, old), (after, new), _SOME)
    judge_edit((after, new), (before, old), _SOME)


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    """Each edit by hand is reported in full, both ways."""
    judge_case(name)


# Some 40 seconds each, but a machine may be busy with other tests.
@examples(1_100, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_without_expressions(seed: int) -> None:
    """No difference of two policies is missed, and none is invented."""
    judge(seed, expressions=False)


@examples(700, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_with_expressions(seed: int) -> None:
    """No difference is missed where expressions decide, too."""
    judge(seed, expressions=True)


UNKNOWN = {
    "some IPv6 addresses": (r"re:https://\[::[1-3]\]", "covers some IPv6 addresses"),
    "what is not read": ("re:https://a(?i)\u017f", "not taken apart"),
}


@pytest.mark.parametrize(("pattern", "why"), UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(pattern: str, why: str) -> None:
    """What is not compared as a whole is said to be so, which counts as wider."""
    old, new = (edits.read({"version": 1, "policies": {"p": {"origins": each}}}) for each in (["https://a"], [pattern]))
    assert old is not None
    assert new is not None
    comparison = compare(old, new)
    (unknown,) = comparison.unknown
    assert why in unknown.sentence
    assert comparison.is_wider


def test_nothing() -> None:
    """Of two equal sets nothing differs, whatever order their rules list their origins in."""
    old, new = (
        edits.read({"version": 1, "policies": {"p": {"origins": each}}})
        for each in (["https://a", "https://*.b"], ["https://*.b", "https://a"])
    )
    assert old is not None
    assert new is not None
    found = compare(old, new)
    assert (found.differences, found.unknown) == ((), ())

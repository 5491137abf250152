"""The comparison of policies is exact: every query over a small alphabet is decided, and nothing else is reported."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cors_service.algebra import compare
from tests.algebra import edits
from tests.algebra.judge import Judge
from tests.examples import examples


def judge(seed: int, *, expressions: bool) -> None:
    """Judge the comparison of a random document and an edit of it."""
    random = Random(seed)
    before, after, old, new = edits.edits(random, expressions=expressions)
    comparison = compare(old, new)
    judge = Judge(old, new, comparison)
    shown = f"seed {seed}\n{before}\n{after}"
    invented = judge.invented()
    assert invented == [], f"invented: {invented[:1]}\n{shown}"
    missed = judge.missed(edits.queries(random, before, after, 8))
    assert missed == [], f"missed: {missed[:1]}\n{shown}"


@examples(1_100)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_without_expressions(seed: int) -> None:
    """No difference of two policies is missed, and none is invented."""
    judge(seed, expressions=False)


@examples(700)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_with_expressions(seed: int) -> None:
    """No difference is missed where expressions decide, too."""
    judge(seed, expressions=True)

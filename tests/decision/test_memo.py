"""Tests of the memory of answers: what is kept, that it is right, and that it is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision.memo import Memo


def memo(*questions: int) -> Memo[int, str]:
    """A memory of two to four answers, in which questions were asked, and answered where it had to be."""
    filled: Memo[int, str] = Memo(lambda question: question != 5_000, 2)
    for question in questions:
        if filled.get(question) is None:
            filled.offer(question, str(question))
    return filled


# The questions asked, and those with remembered answers.
MEMOS: dict[str, tuple[list[int], set[int]]] = {
    "nothing": ([], set()),
    "what is asked once": ([1, 2, 3], set()),
    "what is asked twice": ([1, 1], {1}),
    "what is asked twice, with others between": ([1, *range(2, 900), 1], {1}),
    "two in turns": ([1, 2, 1, 2], {1, 2}),
    "what is asked again as the last of those that are new": ([*range(1, 1025), 1], {1}),
    "what is asked again behind too many that were new": ([*range(1, 1026), 1], set()),
    "four": ([1, 1, 2, 2, 3, 3, 4, 4], {1, 2, 3, 4}),
    "the two oldest go together": ([1, 1, 2, 2, 3, 3, 4, 4, 5, 5], {3, 4, 5}),
    "what is asked again stays": ([1, 1, 2, 2, 3, 3, 1, 4, 4, 5, 5], {1, 3, 4, 5}),
    "what is not worth it": ([5_000, 5_000, 5_000, 1, 1], {1}),
    "what is asked once drives out nothing": ([1, 1, 2, 2, *range(3, 900)], {1, 2}),
}


@pytest.mark.slow
@pytest.mark.parametrize(("questions", "kept"), MEMOS.values(), ids=MEMOS)
def test_memo(questions: list[int], kept: set[int]) -> None:
    """The answers to what was lately asked twice are kept, and the right ones; others are gone."""
    expected = {question: str(question) if question in kept else None for question in questions}
    assert expected == {question: memo(*questions).get(question) for question in questions}


@given(st.lists(st.sampled_from([1, 2, 3, 4, 5, 6, 5_000])))
def test_memo_of_anything(questions: list[int]) -> None:
    """Whatever is asked, an answer that is remembered is the right one, and there are never more than twice two."""
    filled = memo(*questions)
    assert len(filled.young) + len(filled._old) <= 4
    for question in questions:
        assert filled.get(question) in {None, str(question)}


def test_memo_of_a_revision() -> None:
    """An answer is given as long as the revision stays that it was given by, and not again when that comes back."""
    first: Memo[int, str] = Memo(lambda _: True, revision="first")
    for _ in range(2):
        first.offer(1, "first")
    assert first.of("first").get(1) == "first"
    second = first.of("second")
    first.offer(1, "first")
    assert second.get(1) is None
    assert second.of("first").get(1) is None


def test_memo_after_a_change() -> None:
    """What was kept for the policies before is kept for those after them at once; what was asked once is not."""
    first = memo(1, 1, 2, 2, 3, 3, 4)
    second = first.of("second")
    for question in (1, 2, 3, 4):
        second.offer(question, "second")
    assert {question: second.get(question) for question in (1, 2, 3, 4)} == {
        1: "second",
        2: "second",
        3: "second",
        4: None,
    }


def test_memo_that_another_thread_fills() -> None:
    """An answer that another thread puts here while other policies begin does no harm."""

    class Question:
        def __hash__(self) -> int:
            # Another thread may come in wherever code in Python runs.
            first.young[len(first.young)] = "late"
            return 1

    first: Memo[object, str] = Memo(lambda _: True)
    for question in [Question()] * 2:
        first.offer(question, "early")
    second = first.of("second")
    second.offer(question, "second")
    assert second.get(question) == "second"

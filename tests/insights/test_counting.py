"""Tests of counting in bounded memory."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cors_service.insights._frequent import FrequentKeys
from cors_service.insights.timeline import STEPS, Timeline

COUNTS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), max_size=200)


@given(COUNTS)
def test_counts_are_exact_as_long_as_there_is_room(counts: list[tuple[int, int]]) -> None:
    """Without too many keys, the counts are those of a counter, the most frequent first."""
    keys: FrequentKeys[int] = FrequentKeys(100)
    expected: Counter[int] = Counter()
    for key, count in counts:
        keys.add(key, count, "")
        expected[key] += count
    assert {key: count for key, count, _ in keys} == expected
    assert [count for _, count, _ in keys] == sorted(expected.values(), reverse=True)
    assert keys.missing == 0


@given(COUNTS, st.integers(1, 8))
def test_counts_are_too_small_by_no_more_than_is_said(counts: list[tuple[int, int]], most: int) -> None:
    """With too many keys, no count is too large, none is too small by more than `missing`, and that is small."""
    keys: FrequentKeys[int] = FrequentKeys(most)
    expected: Counter[int] = Counter()
    for key, count in counts:
        keys.add(key, count, "")
        expected[key] += count
        assert len(keys) < 2 * most
    counted = {key: count for key, count, _ in keys}
    for key, count in expected.items():
        assert count - keys.missing <= counted.get(key, 0) <= count
    assert keys.missing * (most + 1) <= expected.total()


@given(COUNTS, st.integers(1, 8))
def test_how_many_keys_there_were(counts: list[tuple[int, int]], most: int) -> None:
    """The number of keys is exact as long as there is room, and never too large."""
    keys: FrequentKeys[int] = FrequentKeys(most)
    for key, count in counts:
        keys.add(key, count, "")
    there_were = len(dict(counts))
    assert keys.distinct == (there_were if keys.missing == 0 else min(there_were, 2 * most))


def test_last_sight() -> None:
    """A key was seen last at the latest of its times, in whatever order they come."""
    keys: FrequentKeys[str] = FrequentKeys(10)
    for seen in ("2026-08-02", "2026-08-03", "2026-08-01"):
        keys.add("key", 1, seen)
    assert list(keys) == [("key", 3, "2026-08-03")]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3 * 365 * 86400),
            st.sampled_from(["allowed", "preflights", "refused", "other", "undecided"]),
            st.integers(1, 9),
        ),
        max_size=60,
    )
)
def test_no_request_is_lost_over_time(counts: list[tuple[int, str, int]]) -> None:
    """Whatever the step is, the steps together have all that was counted, each within its time."""
    timeline = Timeline()
    expected: Counter[str] = Counter()
    for at, what, count in counts:
        timeline.add(at, what, count)
        expected[what] += count
    points = timeline.points()
    for what in ("allowed", "preflights", "refused", "other", "undecided"):
        assert sum(getattr(point, what) for point in points) == expected[what]
    assert {point.at for point in points} == {at - at % timeline.step for at, _, _ in counts}


def test_steps_grow_with_the_time() -> None:
    """A year in minutes has a thousand steps at most, of a usual length."""
    timeline = Timeline()
    for day in range(365):
        for hour in range(0, 24, 2):
            timeline.add(day * 86400 + hour * 3600 + 60, "allowed", 1)
    points = timeline.points()
    assert len(points) <= 1000
    assert timeline.step in STEPS
    assert sum(point.allowed for point in points) == 365 * 12

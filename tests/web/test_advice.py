"""Tests of hints under load."""

import pytest
from twisted.internet.testing import MemoryReactorClock

from cors_service.decision import ActivePolicies, BadQuery, Decision, Query
from cors_service.web._advice import MOST_HINTS, Advice
from tests.decision.queries import STRANGER, flat

POLICIES = flat("https://page.example")


def hinted(advice: Advice, query: Query) -> bool:
    """Whether the answer to a query says what to write."""
    try:
        return bool(advice.decide(POLICIES, query).reason.hint)
    except BadQuery as error:
        return "The nearest is" in error.message


@pytest.mark.parametrize("query", [Query("GET", "a", origins=(STRANGER,)), Query("GET", "aa")], ids=["refused", "bad"])
def test_hints_are_few(query: Query) -> None:
    """A thousand refusals in a second have a hint, and those that follow are as quick as in a batch."""
    clock = MemoryReactorClock()
    advice = Advice(clock)
    assert [hinted(advice, query) for _ in range(MOST_HINTS + 2)] == [True] * MOST_HINTS + [False] * 2
    clock.advance(1)
    assert hinted(advice, query)


def test_what_is_allowed_takes_no_hint() -> None:
    """Requests that are allowed leave the hints to those that are refused."""
    advice = Advice(MemoryReactorClock())
    for _ in range(MOST_HINTS + 1):
        assert not hinted(advice, Query("GET", "a", origins=("https://page.example",)))
    assert hinted(advice, Query("GET", "a", origins=(STRANGER,)))


def test_it_is_decided_once() -> None:
    """A decision with a hint is made once, so that a shadow compares it once."""
    decided = []

    class Counting(ActivePolicies):
        def decide(self, query: Query) -> Decision:
            decided.append(query)
            return super().decide(query)

    query = Query("GET", "a", origins=(STRANGER,))
    active = Counting(POLICIES.policy_set)
    assert Advice(MemoryReactorClock()).decide(active, query).reason.hint
    assert decided == [query]

"""Where there is no decision, no page gets anything, and whatever is no page's is as it was."""

from __future__ import annotations

import pytest

from cors_service.asking.undecided import undecided
from cors_service.decision import ActivePolicies, Decision, Query, Reason
from cors_service.decision.decision import REASONS
from cors_service.policy import read_document
from cors_service.stopped import UNDECIDED

A = "https://a.example"


@pytest.mark.parametrize(
    "query",
    [
        Query("GET", "app"),
        Query("OPTIONS", "app"),
        Query("GET", "app", None, (A,)),
        Query("GET", "app", None, (A, A)),
        Query("OPTIONS", "app", None, (A,)),
        Query("OPTIONS", "app", None, (A,), ("PUT",)),
        Query("GET", "app", None, (A,), ("PUT",)),
    ],
    ids=str,
)
def test_it_is_a_refusal(query: Query) -> None:
    """It says and does what the service would if it covered no origin at all; only the reason is another."""
    active = ActivePolicies(read_document({"version": 1, "policies": {"app": {"origins": ["https://other.example"]}}}))
    refused = active.decide(query)
    expected = Decision(
        refused.kind, refused.allowed, refused.status, Reason(UNDECIDED, "Why."), refused.headers, "app", None, ""
    )
    assert expected == undecided(query, "Why.")


def test_the_code_is_no_service_s() -> None:
    """So who reads it knows that nobody has decided."""
    assert UNDECIDED not in REASONS
    assert undecided(Query("GET"), "").policy == ""

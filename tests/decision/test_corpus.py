"""Tests that every case of the corpus is decided as it must be, and that no document that must not load does."""

from __future__ import annotations

import msgspec
import pytest

from cors_service.browser import Request, Step, preflight_check
from cors_service.decision import ActivePolicies, Query
from cors_service.policy import InvalidPolicies, read_document
from tests.corpus.cases import DECIDED, REFUSED, Case, document, judge


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refused_documents(case: Case) -> None:
    """A document with a dangerous or malformed policy does not load, and the mistake is in that policy."""
    with pytest.raises(InvalidPolicies) as refused:
        read_document(document(case))
    assert all(mistake.path[:2] == ("policies", "case") for mistake in refused.value.mistakes)


@pytest.mark.parametrize("case", DECIDED.values(), ids=DECIDED)
def test_decisions(case: Case) -> None:
    """Each case is decided rightly, from the first time on, and in the judgement of a browser too."""
    active = ActivePolicies(read_document(document(case)))
    request = case["request"]
    query = Query.received(request["method"], map(tuple, request["headers"]), policy="case")
    decision = active.decide(query)
    judge(case, msgspec.to_builtins(decision))
    assert decision == active.decide(query)


def test_all_cases() -> None:
    """The corpus is whole."""
    assert (len(DECIDED), len(REFUSED)) == (108, 29)


def test_a_page_gets_no_more_than_it_asked_for() -> None:
    """A browser holds the answers of the corpus against what else the page might send: a stranger's name fails."""
    case = DECIDED["C-150 preflight-ok"]
    active = ActivePolicies(read_document(document(case)))
    query = Query.received("OPTIONS", map(tuple, case["request"]["headers"]), policy="case")
    page = Request("https://app.example.com", "https://a.test/", method="PATCH", headers=(("x-b", "1"),))
    verdict = preflight_check(page, 204, active.decide(query).headers)
    assert verdict.step == Step.HEADER_NOT_IN_ACAH

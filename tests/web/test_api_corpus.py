"""Tests that every case of the corpus is decided over HTTP as it must be."""

from __future__ import annotations

import pytest

from tests.corpus.cases import DECIDED, Case, document, form, judge, query
from tests.web.traversal import caller

FORMS = {name: case for name, case in DECIDED.items() if form(case) is not None}


@pytest.mark.parametrize("case", DECIDED.values(), ids=DECIDED)
def test_by_post(case: Case) -> None:
    """Each case is decided rightly when its header lines are pairs."""
    judge(case, caller(document(case)).decide(**query(case)))


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS)
def test_by_form(case: Case) -> None:
    """Each case that a form can express is decided rightly, and in the same bytes as by POST."""
    asked = caller(document(case))
    answer = asked.get("/v1/decision", **(form(case) or {}))
    judge(case, answer.json)
    assert answer.body == asked.post("/v1/decision", query(case)).body


def test_most_cases_have_a_form() -> None:
    """The forms above are not a remnant: they only can't express repeated, empty and very long lines."""
    assert len(DECIDED) - 5 <= len(FORMS)


def test_as_a_batch() -> None:
    """Cases that share a policy are decided in a batch as they are alone."""
    policy = DECIDED["C-006 reflection"]["policy"]
    cases = [case for case in DECIDED.values() if case["policy"] == policy]
    answer = caller(document(cases[0])).post("/v1/decisions", {"queries": [query(case) for case in cases]})
    assert len(cases) > 20
    for case, decision in zip(cases, answer.json["decisions"], strict=True):
        judge(case, decision)

"""Tests of the changes that are remembered for workers that are some policy sets behind."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies
from cors_service.decision.steps import at_once
from cors_service.policy import PolicySet, read_document, revision
from cors_service.policy.change import Change
from cors_service.reader.history import _LARGE, _STEPS, History
from tests.store.store_texts import document


@st.composite
def policy_sets(draw: st.DrawFn) -> PolicySet:
    """Draw a policy set; some policies use an origin set, and some a header set."""
    origins = st.sampled_from(["https://a.example", "https://b.example", "@ours"])
    policies = draw(st.dictionaries(st.sampled_from("abcd"), origins, min_size=1))
    ours = draw(st.sampled_from(["https://1.example", "https://2.example"]))
    uses = "@ours" in policies.values()
    headers = draw(st.sampled_from([None, "x-1", "x-2"]))
    listed = {"expose_headers": ["@ours"]} if headers else {}
    return read_document(
        {
            "version": 1,
            "policies": {name: {"origins": [origin], **listed} for name, origin in policies.items()},
            "origin_sets": {"ours": [ours]} if uses else {},
            "header_sets": {"ours": [headers]} if headers else {},
        }
    )


def remembered(sets: list[PolicySet]) -> History:
    """Remember what leads from each policy set to the next."""
    history = History()
    for before, after in pairwise(sets):
        if revision(before) != revision(after):
            history.add(before, Change.between(revision(before), before, revision(after), after))
    return history


@given(st.lists(policy_sets(), min_size=1, max_size=6), st.data())
def test_leads_there(sets: list[PolicySet], data: st.DataObject) -> None:
    """Whatever happened since a policy set, one change leads from it to the last one."""
    history, last = remembered(sets), sets[-1]
    base = data.draw(st.sampled_from(sets))
    change = history.since(revision(base), revision(last), last)
    if change is None:
        assert revision(base) == revision(last)
        return
    made = at_once(ActivePolicies.changed(ActivePolicies(base), change))
    assert (made.policy_set, made.revision) == (last, revision(last))
    assert {policy.name for policy in change.policies} <= last.policies.keys()


def test_unknown() -> None:
    """A revision that is not remembered leads nowhere."""
    sets = [read_document(document(name)) for name in ("a", "b")]
    assert remembered(sets).since("sha256:unknown", revision(sets[-1]), sets[-1]) is None


def test_bounded() -> None:
    """Only so many changes are remembered, and none before one of nearly everything."""
    sets = [read_document(document(f"p{number}")) for number in range(_STEPS + 2)]
    history = remembered(sets)
    assert history.since(revision(sets[0]), revision(sets[-1]), sets[-1]) is None
    assert history.since(revision(sets[1]), revision(sets[-1]), sets[-1]) is not None
    large = read_document(document(*(f"many{number}" for number in range(_LARGE + 1))))
    history.add(sets[-1], Change.between(revision(sets[-1]), sets[-1], revision(large), large))
    assert history.since(revision(sets[-2]), revision(large), large) is None
    assert history.since(revision(sets[-1]), revision(large), large) is not None

"""Tests of the store in memory and of policies that never change."""

from __future__ import annotations

import pytest

from cors_service.decision import Query
from cors_service.policy import InvalidPolicies, read_document, revision
from cors_service.store import FixedPolicies, MemoryPolicyStore
from tests.store.store_texts import document, names, now


def test_load() -> None:
    """The store gives the policies of its document."""
    store = MemoryPolicyStore(document("one", "two"))
    assert names(store.read()) == names(now(store.load(None))) == ["one", "two"]


def test_load_fails() -> None:
    """A document with mistakes makes the Deferred fail with all of them, and raises nothing at once."""
    loading = MemoryPolicyStore({"policies": {"one": {"origins": ["https://one.example/"]}}}).load(None)
    with pytest.raises(InvalidPolicies) as caught:
        now(loading)
    assert {"missing-key", "origin-trailing-slash"} == {mistake.code for mistake in caught.value.mistakes}


def test_replace() -> None:
    """What was put in place is what the next load gives, and whoever watches is told once."""
    store = MemoryPolicyStore(document("one"))
    calls: list[str] = []
    store.watch(lambda: calls.append("first"))
    store.watch(lambda: calls.append("second"))
    assert calls == []
    store.replace(document("two"))
    assert (calls, names(now(store.load(None)))) == (["first", "second"], ["two"])


def test_watch_ends() -> None:
    """Whoever ended his watch is told nothing more, and the others still are."""
    store = MemoryPolicyStore(document("one"))
    calls: list[str] = []
    end = store.watch(lambda: calls.append("first"))
    store.watch(lambda: calls.append("second"))
    end()
    store.replace(document("two"))
    assert calls == ["second"]


def test_watch_ends_while_told() -> None:
    """A watch may end while it is told of a change."""
    store = MemoryPolicyStore(document("one"))
    calls: list[str] = []

    def first() -> None:
        calls.append("first")
        end()

    end = store.watch(first)
    store.watch(lambda: calls.append("second"))
    store.replace(document("two"))
    store.replace(document("three"))
    assert calls == ["first", "second", "second"]


def test_fixed_policies() -> None:
    """Fixed policies decide, and their status says that all is well with them."""
    policy_set = read_document(document("one"))
    fixed = FixedPolicies(policy_set)
    assert fixed.active.decide(Query("GET", policy="one", origins=("https://one.example",))).allowed is True
    status = fixed.status
    assert (revision(policy_set), 1, 1, (), False) == (
        status.revision,
        status.policies,
        status.generation,
        status.mistakes,
        status.stale,
    )

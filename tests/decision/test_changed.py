"""Tests of active policies that are made of others and of a change: they decide as if they were made afresh."""

from __future__ import annotations

import gc
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, BadQuery, Query
from cors_service.policy import PolicySet, read_document, revision
from cors_service.policy.change import Change

ORIGINS = ["https://a.example", "https://b.example", "https://*.c.example", "re:https://d[0-9]+\\.example"]
MATCHES = ["one.example/", "one.example/x/", "two.example:8443/", "*.three.example/x/y/", "*/z/"]
URLS = [
    "https://one.example/",
    "http://one.example/x/1",
    "https://one.example/x;v=1/",
    "https://two.example:8443/x",
    "https://www.three.example/x/y/z",
    "https://nobody.example/z/1",
    "https://nobody.example/",
]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a document of a few policies out of few parts, so that two of them have much in common."""
    policies: dict[str, Any] = {}
    sets = {name: draw(st.sampled_from(ORIGINS)) for name in draw(st.sets(st.sampled_from("pq"), max_size=2))}
    headers = {name: draw(st.sampled_from(["x-1", "x-2"])) for name in draw(st.sets(st.sampled_from("hp"), max_size=2))}
    free = draw(st.permutations(MATCHES))
    for name in draw(st.sets(st.sampled_from("abcd"), min_size=1)):
        uses = draw(st.sampled_from([*ORIGINS, *(f"@{used}" for used in sets)]))
        policies[name] = {"origins": [uses], "match": free[: draw(st.integers(0, 2))]}
        if draw(st.booleans()):
            policies[name]["methods"] = ["PUT"]
        if draw(st.integers(0, 2)) == 0:
            guard = {"hosts": ["one.example"], "mode": draw(st.sampled_from(["enforce", "report"]))}
            policies[name]["guard"] = guard
        if headers:
            policies[name]["expose_headers"] = [f"@{draw(st.sampled_from(sorted(headers)))}"]
        free = free[2:]
    if sets:
        policies["user"] = {"origins": [f"@{name}" for name in sorted(sets)]}
    if headers:
        policies["reader"] = {"origins": ["*"], "request_headers": [f"@{name}" for name in sorted(headers)]}
    return {
        "version": 1,
        "policies": policies,
        "origin_sets": {name: [origin] for name, origin in sets.items()},
        "header_sets": {name: [header] for name, header in headers.items()},
    }


def finished(before: ActivePolicies | None, change: Change) -> ActivePolicies:
    """Take all steps at once."""
    steps = ActivePolicies.changed(before, change)
    result: Any = None
    while True:
        try:
            task = steps.send(result)
        except StopIteration as end:
            active: ActivePolicies = end.value
            return active
        result = task() if task is not None else None


def answers(active: ActivePolicies) -> list[object]:
    """Ask about each policy, each URL and each origin, and how many guards there are."""
    found: list[object] = [active.guards, active.enforcing]
    origins = ["https://a.example", "https://b.example", "https://x.c.example", "https://d1.example", "null"]
    for origin in origins:
        for selector in [{"policy": name} for name in [*"abcd", "user"]] + [{"url": url} for url in URLS]:
            query = Query("PUT", origins=(origin,), **selector)
            try:
                found.append(active.decide(query))
            except BadQuery as error:
                found.append((error.code, error.message, error.guarded))
    return found


def change_between(before: PolicySet, after: PolicySet) -> Change:
    """Give what leads from one set to the other."""
    return Change.between(revision(before), before, revision(after), after)


@given(st.lists(documents(), min_size=2, max_size=4))
def test_as_if_made_afresh(drawn: list[dict[str, Any]]) -> None:
    """After any changes, one upon the other, the policies are those of the last document, and decide alike."""
    sets = [read_document(document) for document in drawn]
    active = ActivePolicies(sets[0])
    for before, after in pairwise(sets):
        active = finished(active, change_between(before, after))
    afresh = ActivePolicies(sets[-1])
    assert afresh.policy_set == active.policy_set
    assert afresh.revision == active.revision
    assert answers(afresh) == answers(active)


@given(documents(), documents())
def test_from_nothing(first: dict[str, Any], second: dict[str, Any]) -> None:
    """A change that begins at nothing gives the same, whatever was there before."""
    sets = [read_document(document) for document in (first, second)]
    change = Change.between(None, None, revision(sets[1]), sets[1])
    for before in (None, ActivePolicies(sets[0]), ActivePolicies(sets[1])):
        active = finished(before, change)
        assert (sets[1], revision(sets[1])) == (active.policy_set, active.revision)
        assert answers(ActivePolicies(sets[1])) == answers(active)


@given(documents(), documents())
def test_before_stays(first: dict[str, Any], second: dict[str, Any]) -> None:
    """What was active before decides as it did, for whoever still holds it, also when what is left of it is let go."""
    sets = [read_document(document) for document in (first, second)]
    before = ActivePolicies(sets[0])
    change = change_between(*sets)
    finished(before, change)
    before.parts(change).clear()
    assert answers(ActivePolicies(sets[0])) == answers(before)
    assert sets[0] == before.policy_set


def test_only_what_changed() -> None:
    """A policy that did not change is not compiled again, and neither is one that is told again."""
    document = {"version": 1, "policies": {name: {"origins": ["https://a.example"]} for name in "abc"}}
    sets = [read_document(document)]
    document["policies"]["b"] = {"origins": ["https://b.example"]}  # type: ignore[index]
    sets.append(read_document(document))
    before = ActivePolicies(sets[0])
    change = change_between(*sets)
    assert [policy.name for policy in change.policies] == ["b"]
    everything = Change.between(None, None, revision(sets[1]), sets[1])
    for after in (finished(before, change), finished(before, everything)):
        same = {name for name in "abc" if before.compiled[name] is after.compiled[name]}
        assert same == {"a", "c"}


def test_users_of_a_set() -> None:
    """A policy that uses an origin set changes with the set, though it reads the same."""
    document: dict[str, Any] = {
        "version": 1,
        "origin_sets": {"s": ["https://a.example"]},
        "policies": {"user": {"origins": ["@s"]}, "other": {"origins": ["https://a.example"]}},
    }
    first = read_document(document)
    document["origin_sets"]["s"] = ["https://b.example"]
    change = change_between(first, read_document(document))
    assert [policy.name for policy in change.policies] == ["user"]
    active = finished(ActivePolicies(first), change)
    asked = [Query("GET", policy="user", origins=(f"https://{name}.example",)) for name in "ab"]
    assert [active.decide(query).allowed for query in asked] == [False, True]


def test_users_of_a_header_set() -> None:
    """A policy that uses a header set changes with the set, though it reads the same, and so does its revision."""
    document: dict[str, Any] = {
        "version": 1,
        "header_sets": {"s": ["x-a"]},
        "policies": {"user": {"origins": ["*"], "request_headers": ["@s"]}, "other": {"origins": ["*"]}},
    }
    first = read_document(document)
    document["header_sets"]["s"] = ["x-b"]
    change = change_between(first, read_document(document))
    assert [policy.name for policy in change.policies] == ["user"]
    assert change.base != change.revision
    active = finished(ActivePolicies(first), change)
    asked = [Query("OPTIONS", "user", None, ("https://a.example",), ("GET",), (f"x-{name}",)) for name in "ab"]
    assert [active.decide(query).allowed for query in asked] == [False, True]


def test_steps_are_short() -> None:
    """A policy of many patterns is compiled in steps of a few hundred, counted after they are written out."""
    alternatives = [f"https://{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}{{0,1,2,3}}.h{number}.example" for number in range(20)]
    origins = [*(f"https://h{number}.example" for number in range(3000)), *alternatives]
    policy_set = read_document({"version": 1, "policies": {"large": {"origins": origins}}})
    steps = ActivePolicies.changed(None, Change.between(None, None, "sha256:x", policy_set))
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            active: ActivePolicies = end.value
            break
        count += 1
    assert count > (3000 + 20 * 256) / 500
    assert active.decide(Query("GET", policy="large", origins=("https://0123.h19.example",))).allowed is True


PATTERNS = {
    "exact": "https://a{}.example",
    "wildcards": "https://*.a{}.example",
    "one label": "https://?.a{}.example:8443",
    "ports": "https://a{}.example:*",
    "globs": "https://a{}-*.example.com",
    "globs of several hosts": "https://a*.b{}.example.com",
    "ranges": "http://10.1.{}.0/24",
    "bound": "https://<tenant>.a{}.example",
}


def tracked_of(policy_set: PolicySet) -> int:
    """Count the objects of active policies that the garbage collector tracks, without those of the set."""
    gc.collect()
    before = len(gc.get_objects())
    active = ActivePolicies(policy_set)
    gc.collect()
    found = len(gc.get_objects()) - before
    del active
    return found


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS)
def test_the_garbage_collector_does_not_track_patterns(pattern: str) -> None:
    """What the collector tracks, which it stops everything to look through, does not grow with the patterns."""
    tracked = []
    for count in (100, 200):
        policy = {"origins": [pattern.format(number) for number in range(count)]}
        if "<" in pattern:
            policy["match"] = ["<tenant>.api.example/"]
        tracked.append(tracked_of(read_document({"version": 1, "policies": {"p": policy}})))
    assert tracked[1] - tracked[0] < 10


def test_the_garbage_collector_does_not_track_policies() -> None:
    """Nor does it grow with policies that grant the same."""
    tracked = []
    for count in (100, 200):
        policies = {f"p{n}": {"origins": ["https://a.example", f"https://*.b{n}.example"]} for n in range(count)}
        tracked.append(tracked_of(read_document({"version": 1, "policies": policies})))
    assert tracked[1] - tracked[0] < 10

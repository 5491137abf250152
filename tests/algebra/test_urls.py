"""Which policy a URL finds is compared exactly, too: every URL over a small alphabet is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cors_service.algebra import compare
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.policy import PolicySet
from tests.algebra.edits import read
from tests.algebra.judge import Judge, answer_of, differences, name_of
from tests.examples import examples

_HOSTS = ("a.x", "b.a.x", "x", "*.x", "*.a.x", "<t>.x", "*", "a.x:1", "*:1", "10.0.0.1")
_PATHS = ("/", "/p/", "/p/q/", "/*/", "/*/q/", "/p/*/", "/p/*.js", "/*.js", "/q/*.min.js", "/p/*/q/")
# What the three policies grant, and to whom.
_GRANTS: tuple[dict[str, Any], ...] = (
    {"origins": ["https://o"]},
    {"origins": ["https://o"], "methods": ["PUT"]},
    {"origins": ["https://o", "https://r"]},
    {"origins": ["https://s"], "refuse": True},
)
_ORIGINS = ("https://o", "https://r", "https://s")
_SITES = tuple(
    f"https://{host}{port}"
    for host, port in product(
        ("a.x", "b.a.x", "c.a.x", "x", "c.x", "c.b.x", "y", "10.0.0.1", "c.b.a.x"), ("", ":1", ":2")
    )
)
_URL_PATHS = (
    "/", "/p", "/p/", "/p/q", "/p/q/r", "/q", "/q/q", "/r/q/s", "/p/r", "/r/s/t.js", "/p/s.js", "/q/t.min.js",
    "/t.min.js", "/p/q/t.js", "/p/r/q/", "/q/r/t.js", "/r.js/",
)  # fmt: skip


def documents(random: Random) -> tuple[dict[str, Any], dict[str, Any]]:
    """Draw a document of some policies with matches, and an edit of the matches."""
    count = random.choice((1, 2, 3))
    before: dict[str, Any] = {}
    for name in "pqr"[:count]:
        matches = [random.choice(_HOSTS) + random.choice(_PATHS) for _ in range(random.choice((0, 1, 1, 2, 3)))]
        before[name] = {**random.choice(_GRANTS), "match": matches}
    after = {name: {**policy, "match": list(policy["match"])} for name, policy in before.items()}
    for _ in range(random.choice((1, 1, 2))):
        matches = after[random.choice(list(after))]["match"]
        if matches and random.randrange(3) == 0:
            moved = matches.pop(random.randrange(len(matches)))
            if random.randrange(2):
                random.choice([policy["match"] for policy in after.values()]).append(moved)
        else:
            matches.append(random.choice(_HOSTS) + random.choice(_PATHS))
    return {"version": 1, "policies": _written(before)}, {"version": 1, "policies": _written(after)}


def _written(policies: dict[str, Any]) -> dict[str, Any]:
    written = {}
    for name, policy in policies.items():
        matches = list(dict.fromkeys(policy["match"]))
        written[name] = {**policy, "match": matches} if matches else {**policy}
        if not matches:
            del written[name]["match"]
    return written


def edits(random: Random) -> tuple[PolicySet, PolicySet]:
    """Draw two policy sets that are valid."""
    while True:
        before, after = map(read, documents(random))
        if before is not None and after is not None:
            return before, after


def queries() -> Iterator[Query]:
    """All queries over the alphabet."""
    for site, path, origin in product(_SITES, _URL_PATHS, _ORIGINS):
        yield Query("GET", url=site + path, origins=(origin,))
    for site, path in product(_SITES, _URL_PATHS):
        yield Query("PUT", url=site + path, origins=("https://o",))
    for site in _SITES:
        for name in "pqr":
            yield Query("GET", policy=name, url=f"{site}/", origins=(site,))


def judge(seed: int) -> None:
    """Judge the comparison of some matches and an edit of them."""
    random = Random(seed)
    before, after = edits(random)
    comparison = compare(before, after)
    shown = f"seed {seed}\n" + "\n".join(
        str({policy.name: [match.text for match in policy.match] for policy in each.policies.values()})
        for each in (before, after)
    )
    invented = Judge(before, after, comparison).invented()
    assert invented == [], f"invented: {invented[:1]}\n{shown}"
    assert comparison.unknown == (), shown
    assert comparison.reaches is not None, shown
    old, new = ActivePolicies(before), ActivePolicies(after)
    reported = {(one.direction, name_of(one.before), name_of(one.after)) for one in comparison.differences}
    for query in queries():
        answers = answer_of(old, query), answer_of(new, query)
        found = [one.policy for one in answers if isinstance(one, Decision)]
        is_same = name_of(answers[0]) == name_of(answers[1])
        assert is_same or comparison.reaches.issuperset(found), f"{query}\n{comparison.reaches}\n{shown}"
        for seen in differences(query, *answers):
            key = (seen.direction, *map(name_of, answers))
            assert seen.direction == "other" or key in reported, f"{query}\n{seen}\n{answers}\n{shown}"


@examples(200, same=True)
@given(st.integers(min_value=0, max_value=1 << 32))
def test_urls(seed: int) -> None:
    """No URL that finds another policy, and is decided about in another way, is missed."""
    judge(seed)

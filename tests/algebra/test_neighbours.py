"""Matches that fit the same URLs are found, whatever stands for any host, label or segment in them."""

from __future__ import annotations

from itertools import product

import pytest

from cors_service.algebra.neighbours import neighbours
from cors_service.decision import ActivePolicies, BadQuery
from cors_service.grammar.match import parse_match
from cors_service.policy import PolicySet
from cors_service.policy.model import Policy, Rule

_RULES = (Rule(origins=("https://o",)),)
_HOSTS = ("a.x", "b.a.x", "x", "*.x", "*.a.x", "<t>.x", "<host>", "*", "a.x:1", "10.0.0.1")
_PATHS = ("/", "/p/", "/p/q/", "/*/", "/*/q/", "/p/*/", "/p/*.js", "/*.js", "/q/", "/p/*/q/")
_SITES = ("a.x", "b.a.x", "c.a.x", "x", "c.x", "c.b.x", "y", "10.0.0.1", "c.b.a.x", "a.x:1", "b.a.x:1")
_URL_PATHS = (
    "/",
    "/p/",
    "/p/q/",
    "/p/q/r",
    "/q/",
    "/q/q/",
    "/r/",
    "/p/r/",
    "/r/t.js",
    "/p/s.js",
    "/p/q/t.js",
    "/p/r/q/",
)


def policies(*texts: str) -> PolicySet:
    """Give a policy for each match, which is called as it is."""
    return PolicySet.of([Policy(name=text, rules=_RULES, match=(parse_match(text),)) for text in texts], {}, {})


def fitting(text: str) -> set[str]:
    """Give the URLs that a match fits."""
    active = ActivePolicies(policies(text))
    found = set()
    for site, path in product(_SITES, _URL_PATHS):
        try:
            found.add(active.policy_for(f"https://{site}{path}"))
        except BadQuery:
            continue
        found.add(f"https://{site}{path}")
    return found - {text}


def test_every_neighbour() -> None:
    """Of two matches that fit the same URL, one is a neighbour of the other when that is new, gone or another's."""
    keys = {text: parse_match(text).key for text in map("".join, product(_HOSTS, _PATHS))}
    fits = {text: fitting(text) for text in keys}
    for one, other in product(keys, keys):
        if keys[one] != keys[other] and not fits[one].isdisjoint(fits[other]):
            alone, both = policies(one), policies(one, other)
            assert neighbours(alone, both) == {keys[one]: one}, (one, other)
            assert neighbours(both, alone)[keys[one]] == one, (one, other)


@pytest.mark.parametrize(
    ("stays", "changes"),
    [
        ("a.x/p/", "b.x/p/"),
        ("a.x/p/", "a.x/q/"),
        ("a.x/p/q/", "a.x/p/r/"),
        ("*.a.x/p/", "*.b.x/p/"),
        ("*.x/*/q/", "a.x/p/r/"),
        ("<t>.x/p/", "b.a.x/p/"),
        ("a.x/p/", "ba.x/p/"),
    ],
)
def test_no_neighbours(stays: str, changes: str) -> None:
    """A match that fits no URL of another one is no neighbour of it."""
    assert neighbours(policies(stays), policies(stays, changes)) == {}
    assert neighbours(policies(stays), policies(stays)) == {}


def test_another_policy() -> None:
    """A match that becomes another policy's is a change of it."""
    before = policies("a.x/p/", "a.x/", "b.x/")
    renamed = Policy(name="new", rules=_RULES, match=(parse_match("a.x/p/"),))
    after = PolicySet.of([*policies("a.x/", "b.x/").policies.values(), renamed], {}, {})
    assert neighbours(before, after) == {"a.x/p/": "a.x/p/", "a.x/": "a.x/"}

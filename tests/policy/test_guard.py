"""Tests of the table `guard`: what it says, how it is written back, and all mistakes in it."""

import pytest

from cors_service.policy import read_document, revision, write_document
from cors_service.policy.model import Guard
from cors_service.policy.summary import summarize
from tests.policy.documents import mistakes_in, rule

MATCH = ["tools.example.com/"]


@pytest.mark.parametrize(
    ("written", "guard"),
    [
        ({}, Guard()),
        ({"requests": "websocket"}, Guard(requests=("websocket",))),
        (
            {"requests": ["websocket", "state-changing", "websocket"]},
            Guard(requests=("state-changing", "websocket")),
        ),
        ({"requests": ["websocket", "all"]}, Guard()),
        ({"hosts": ["a.example", "a.example"], "mode": "report"}, Guard(hosts=("a.example",), mode="report")),
        ({"without_origin": "refuse"}, Guard(without_origin="refuse")),
    ],
)
def test_what_a_guard_says(written: dict[str, object], guard: Guard) -> None:
    """A guard means the same in whichever way it is written, and what is written back means it again."""
    policies = read_document(rule("https://a.example", match=MATCH, guard=written))
    assert policies.policies["a"].guard == guard
    again = read_document(write_document(policies))
    assert again == policies
    assert revision(again) == revision(policies)


def test_without_a_guard() -> None:
    """A policy without a guard is written, and named by its hash, as before there were guards."""
    policies = read_document(rule("https://a.example", match=MATCH))
    assert "guard" not in policies.policies["a"].as_dict()
    assert revision(policies) != revision(read_document(rule("https://a.example", match=MATCH, guard={})))


def test_summary() -> None:
    """The summary says that a policy is guarded, and whether its guard only reports."""
    for guard, words in ({}, "1 origin pattern, guarded, matches"), ({"mode": "report"}, "guarded in report mode"):
        assert words in summarize(read_document(rule("https://a.example", match=MATCH, guard=guard)))


def test_mistakes() -> None:
    """All mistakes of guards are told at once, each at its place, with what to write."""
    bad = {
        "requests": ["al", "websocket"],
        "without_origin": "alow",
        "hosts": ["https://Tools.example.com./x", "*", "tools.example.com:99999"],
        "mode": "enforced",
    }
    document = {
        "version": 1,
        "policies": {
            "a": {"origins": ["*"], "guard": bad},
            "b": {"origins": ["*"], "guard": {"host": ["tools.example.com"]}},
            "c": {"origins": ["*"], "match": ["*/"], "guard": {"requests": "posts"}},
            "d": {"origins": ["*"], "match": ["<host>/x/"], "guard": {"hosts": []}},
            "e": {"origins": ["*"], "match": ["<host>/y/"], "guard": {}},
        },
    }
    found = {(mistake.code, *mistake.path[1:]): mistake.hint for mistake in mistakes_in(document)}
    assert found.keys() == {
        ("wrong-value", "a", "guard", "requests"),
        ("wrong-value", "a", "guard", "without_origin"),
        ("wrong-value", "a", "guard", "mode"),
        ("host-malformed", "a", "guard", "hosts", 0),
        ("host-malformed", "a", "guard", "hosts", 1),
        ("host-malformed", "a", "guard", "hosts", 2),
        ("unknown-key", "b", "guard", "host"),
        ("guard-without-hosts", "b", "guard"),
        ("guard-without-hosts", "c", "guard"),
        ("wrong-value", "c", "guard", "requests"),
        ("wrong-value", "d", "guard", "hosts"),
        ("guard-without-hosts", "e", "guard"),
    }
    assert found["host-malformed", "a", "guard", "hosts", 0] == 'Write "tools.example.com".'
    assert found["unknown-key", "b", "guard", "host"] == "Did you mean hosts?"
    assert found["wrong-value", "c", "guard", "requests"].startswith('Write one of "all"')

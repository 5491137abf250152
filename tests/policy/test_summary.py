"""Tests of the summary of a policy set, and of its words as values."""

from typing import Any

import pytest

from cors_service.grammar.pattern import ANY
from cors_service.policy import read_document
from cors_service.policy.summary import summarize
from tests.policy.documents import policy, rule


def test_summary() -> None:
    """A summary has a line for each policy, in order of names, and one that counts them."""
    document = {
        "version": 1,
        "origin_sets": {"s": ["https://s.example", "https://t.example"]},
        "policies": {
            "status": {"origins": ["*"]},
            "catalogue": {
                "match": ["a.example/", "b.example/x/"],
                "rules": [{"origins": ["@s", "https://a.example"]}, {"origins": ["*"]}],
            },
        },
    }
    expected = (
        "catalogue: 2 rules, 4 origin patterns, matches a.example/ b.example/x/\n"
        "status: 1 rule, 1 origin pattern\n"
        "2 policies, no mistakes."
    )
    assert expected == summarize(read_document(document))


def test_summary_of_refusals() -> None:
    """Rules that refuse are counted among the rules, and by themselves."""
    rules = [{"origins": [f"https://{name}.example"], "refuse": True} for name in "ab"]
    one, two = (summarize(read_document(policy(rules=[*rules[:count], {"origins": ["*"]}]))) for count in (1, 2))
    assert one.startswith("a: 2 rules (1 refuses), 2 origin patterns\n")
    assert two.startswith("a: 3 rules (2 refuse), 3 origin patterns\n")


def test_summary_of_a_static_policy() -> None:
    """A static policy is told apart."""
    summary = summarize(read_document(rule("https://a.example", static=True, match=["a.example/"])))
    assert summary.startswith("a: 1 rule, 1 origin pattern, static, matches a.example/\n")


def test_summary_of_one() -> None:
    """One policy is not counted as several."""
    assert summarize(read_document(rule("*"))) == "a: 1 rule, 1 origin pattern\n1 policy, no mistakes."


def test_headers() -> None:
    """The headers of a rule are those it lists, in order and each once, each set replaced by its members."""
    headers = ["x-a", "@S", "x-b"]
    document = {**rule("*", request_headers=headers, expose_headers=["@S"]), "header_sets": {"S": ["X-B", "*", "x-c"]}}
    policy_set = read_document(document)
    (first,) = policy_set.policies["a"].rules
    assert first.request_headers == ("x-a", "@S", "x-b")
    assert policy_set.headers(first.request_headers) == ("x-a", "x-b", "*", "x-c")
    assert policy_set.headers(first.expose_headers) == ("x-b", "*", "x-c")


def test_patterns() -> None:
    """The patterns of a rule are those it lists, in order, each set replaced by its members."""
    document = {
        **rule("https://a.example", "@s", "*"),
        "origin_sets": {"s": ["https://s.example", "https://t.example"]},
    }
    policy_set = read_document(document)
    expected = ["https://a.example", "https://s.example", "https://t.example", ANY]
    assert expected == policy_set.patterns(policy_set.policies["a"].rules[0])


ANYBODY = {
    "everybody": (["*"], False, True),
    "everybody, and somebody": (["https://a.example", "*"], False, True),
    "everybody, in a set": (["https://a.example", "@s"], False, True),
    "somebody": (["https://a.example"], False, False),
    "somebody, in a set": (["@t"], False, False),
    "somebody, with credentials": (["https://a.example"], True, False),
}


@pytest.mark.parametrize(("origins", "credentials", "expected"), ANYBODY.values(), ids=ANYBODY)
def test_for_everybody(origins: list[str], *, credentials: bool, expected: bool) -> None:
    """A rule speaks for everybody if it lists `*`, or a set that does, and never with credentials."""
    document = rule(*origins, credentials=credentials)
    document["policies"]["b"] = {"origins": ["@s", "@t"]}
    policy_set = read_document({**document, "origin_sets": {"s": ["*"], "t": ["https://t.example"]}})
    assert expected == policy_set.is_for_everybody(policy_set.policies["a"].rules[0])


def test_immutable() -> None:
    """Nothing of a policy set can be changed once it is read."""
    policy_set: Any = read_document({**rule("@s"), "origin_sets": {"s": ["*"]}})
    with pytest.raises(AttributeError):
        policy_set.policies = {}
    with pytest.raises(TypeError):
        policy_set.policies["b"] = policy_set.policies["a"]
    with pytest.raises(TypeError):
        policy_set.origin_sets["t"] = ()
    with pytest.raises(AttributeError):
        policy_set.policies["a"].rules = ()
    with pytest.raises(AttributeError):
        policy_set.policies["a"].rules[0].credentials = True

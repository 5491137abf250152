"""Tests of header sets: lists of headers that several rules share."""

from typing import Any

import pytest

from cors_service.decision import ActivePolicies
from cors_service.policy import read_document, read_sources, write_document
from tests.decision.queries import ACAH, ACEH, PAGE, asked, sent, value_of
from tests.policy.documents import codes_in, mistakes_in, mistakes_of, policy, toml

TRACING = 'version = 1\n[header_sets]\ntracing = ["traceparent", "Baggage", "x-b3-*"]'
USER = """\
version = 1
[policies.a]
origins = ["https://page.example"]
request_headers = ["content-type", "@tracing"]
expose_headers = ["@shown"]
[header_sets]
shown = ["x-total", "etag"]
"""


def document(sets: dict[str, Any], **keys: Any) -> dict[str, Any]:
    """A document with these header sets and one policy."""
    return {**policy(origins=[PAGE], **keys), "header_sets": sets}


def test_decisions() -> None:
    """A rule grants what its sets hold, as if it listed that itself; a set may stand in another document."""
    active = ActivePolicies(read_sources([toml(TRACING, "a.toml"), toml(USER, "b.toml")]))
    allowed = active.decide(asked(PAGE, "GET", "baggage,content-type,x-b3-sampled"))
    assert allowed.allowed
    assert value_of(allowed.headers, ACAH) == "baggage, content-type, x-b3-sampled"
    assert active.decide(asked(PAGE, "GET", "x-other")).reason.code == "header-not-allowed"
    assert value_of(active.decide(sent(PAGE)).headers, ACEH) == "etag, x-total"


def test_written_back() -> None:
    """What is written names the sets, and holds those that are used."""
    policy_set = read_sources([toml(TRACING, "a.toml"), toml(USER, "b.toml")])
    written = write_document(policy_set)
    assert written["header_sets"] == {"shown": ["x-total", "etag"], "tracing": ["traceparent", "baggage", "x-b3-*"]}
    assert written["policies"]["a"]["rules"][0]["request_headers"] == ["content-type", "@tracing"]
    assert read_document(written) == policy_set


def test_policies_without_header_sets_are_written_as_before() -> None:
    """Without header sets, there is no word of them."""
    assert "header_sets" not in write_document(read_document(policy(origins=["*"])))


MISTAKES: dict[str, tuple[dict[str, Any], str, tuple[str | int, ...], str]] = {
    "a name that is close": (
        document({"tracing": ["x-a"]}, request_headers=["@tracing", "@trcing"]),
        "header-set-unknown",
        ("policies", "a", "request_headers", 1),
        "Did you mean @tracing?",
    ),
    "a name that is not": (
        document({}, expose_headers=["@zzz"]),
        "header-set-unknown",
        ("policies", "a", "expose_headers", 0),
        "Define it in [header_sets].",
    ),
    "an origin set": (
        {**policy(origins=["@s"], request_headers=["@s"]), "origin_sets": {"s": ["*"]}},
        "header-set-unknown",
        ("policies", "a", "request_headers", 0),
        "Define it in [header_sets].",
    ),
    "another set within": (
        document({"s": ["x-a", "@t"], "t": ["x-b"]}, request_headers=["@s", "@t"]),
        "header-set-nested",
        ("header_sets", "s", 1),
        "List its headers here, or use both sets in the rule.",
    ),
    "no header name": (
        document({"s": ["x-a", "x b"]}, request_headers=["@s"], expose_headers=["@s"]),
        "request-header-malformed",
        ("header_sets", "s", 1),
        'Write "x", "b".',
    ),
    "a set of nothing": (
        document({"s": []}, request_headers=["@s"]),
        "wrong-value",
        ("header_sets", "s"),
        "List at least one header, or remove the set.",
    ),
    "a set that is not used": (
        document({"s": ["x-a"]}),
        "header-set-unused",
        ("header_sets", "s"),
        'Use it in a rule as "@s", or remove it.',
    ),
    "what no page can set": (
        document({"s": ["x-a", "Cookie"]}, request_headers=["@s"]),
        "request-header-forbidden",
        ("policies", "a", "request_headers", 0),
        "Use another set here, or list names.",
    ),
    "a prefix that is exposed": (
        document({"s": ["x-*"]}, request_headers=["@s"], expose_headers=["x-b", "@s"]),
        "expose-header-malformed",
        ("policies", "a", "expose_headers", 1),
        "Use another set here, or list names.",
    ),
    "everything that is exposed with credentials": (
        document({"s": ["*"]}, expose_headers=["@s"], credentials=True),
        "any-header-with-credentials",
        ("policies", "a", "expose_headers", 0),
        "Use another set here, or list names.",
    ),
}


@pytest.mark.parametrize(("body", "code", "path", "hint"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(body: dict[str, Any], code: str, path: tuple[str | int, ...], hint: str) -> None:
    """A mistake in a set is told once, at its place; what one use does not take, at that use."""
    (mistake,) = mistakes_in(body)
    assert (mistake.code, mistake.path, mistake.hint) == (code, path, hint)


def test_mistake_in_a_use_names_the_set() -> None:
    """The message says which header of which set is at fault."""
    (mistake,) = mistakes_in(document({"s": ["x-a", "Cookie"]}, request_headers=["@s"]))
    assert mistake.message == "'cookie' is not a header that a page can set; it is in the header set 's'."


def test_set_of_a_document_that_cannot_be_read() -> None:
    """A set may stand in a document with a mistake that hides it, so it is not missed, and none is unused."""
    broken = toml("version = 1\n[header_sets", "a.toml")
    assert [mistake.code for mistake in mistakes_of(broken, toml(USER, "b.toml"))] == ["syntax"]
    hidden = document({"s": ["x-a"]}, request_headers=[5])
    assert codes_in(hidden) == ["wrong-type"]


def test_unreachable_rules() -> None:
    """Rules that use header sets, and no origin sets, are told once that they never decide."""
    rules = [{"origins": ["*"]}, {"origins": [PAGE], "request_headers": ["@s"]}]
    assert codes_in({**policy(rules=rules), "header_sets": {"s": ["x-a"]}}) == ["rule-unreachable"]

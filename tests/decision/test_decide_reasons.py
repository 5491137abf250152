"""Tests of the reasons that decisions give: codes for programs, sentences for people."""

import string
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from cors_service.decision import BadQuery, Query, Reason
from cors_service.decision.decision import REASONS
from tests.decision.queries import PAGE, STRANGER, active, asked, flat, preflight, sent
from tests.examples import examples

LONGEST_MESSAGE = 600

KEYS: dict[str, Any] = {"origins": [PAGE], "request_headers": ["x-a"], "match": ["api.example/"]}
BOUND = {"origins": ["https://<t>.example"], "match": ["<t>.api.example/"]}
POLICIES = active(
    a=KEYS,
    b={"origins": ["*"]},
    c={**KEYS, "match": ["*/"], "methods": ["*"], "request_headers": ["*"]},
    d=BOUND,
    e={"origins": [PAGE], "refuse": True},
)

# The code and what its message must name.
EXAMPLES: dict[str, tuple[Query, tuple[str, ...]]] = {
    "allowed": (sent(PAGE, method="POST"), ("Rule 1", "policy a", "POST", PAGE)),
    "no-origin": (sent(), ("no Origin",)),
    "same-origin": (
        Query("GET", url="https://api.example/", origins=("https://api.example",)),
        ("https://api.example",),
    ),
    "multiple-origins": (sent(PAGE, PAGE, PAGE), ("3 Origin",)),
    "origin-malformed": (sent(PAGE + "/x"), (PAGE + "/x",)),
    "origin-not-allowed": (sent(STRANGER), ("policy a", STRANGER)),
    "origin-needs-url": (sent(PAGE, policy="d"), ("policy d", PAGE, "URL")),
    "origin-refused": (sent(PAGE, policy="e"), ("Rule 1", "policy e", PAGE)),
    "method-malformed": (sent(PAGE, method="G T"), ("Rule 1", "policy a", PAGE, "G T")),
    "method-not-allowed": (asked(PAGE, "PUT"), ("Rule 1", "policy a", PAGE, "PUT", "GET, HEAD, POST")),
    "header-malformed": (asked(PAGE, "GET", "x-a,x b"), ("Rule 1", "policy a", PAGE, "x b")),
    "header-not-allowed": (asked(PAGE, "GET", "x-a,x-b"), ("Rule 1", "policy a", PAGE, "x-b")),
    "too-many-headers": (asked(PAGE, "GET", "x-a," * 65), ("Rule 1", "policy a", PAGE, "64")),
}


def test_every_reason_has_an_example() -> None:
    """The codes of this file are all the codes there are."""
    assert set(EXAMPLES) == REASONS


@pytest.mark.parametrize(
    ("code", "query", "named"), [(code, *example) for code, example in EXAMPLES.items()], ids=EXAMPLES
)
def test_reason(code: str, query: Query, named: tuple[str, ...]) -> None:
    """A decision gives the code for what was found, and a sentence that names the rule and the value."""
    reason = POLICIES.decide(query).reason
    assert code == reason.code
    assert tuple(words for words in named if words not in reason.message) == ()
    assert reason.message.endswith(".")


def test_length_of_the_lists() -> None:
    """The lists of header names can be too long in characters as well, and the message says by which bound."""
    reason = preflight(flat(request_headers=["*"]), "GET", "a" * 5000).reason
    assert reason.code == "too-many-headers"
    assert "4096" in reason.message


def test_reasons_about_the_origin() -> None:
    """What is refused to an origin for good is told apart from what it asks for too much."""
    about_origin = {code for code in REASONS if Reason(code, "").is_about_origin}
    expected = {"multiple-origins", "origin-malformed", "origin-not-allowed", "origin-needs-url", "origin-refused"}
    assert expected == about_origin


def test_forbidden_method() -> None:
    """The message says where no rule could allow a method."""
    reason = preflight(flat(methods=["*"]), "TRACE").reason
    assert (reason.code, "no rule can allow" in reason.message) == ("method-not-allowed", True)


def check(message: str) -> None:
    """Fail where a message could forge a line of a log, or fill it."""
    assert message.isascii()
    assert message.isprintable()
    assert len(message) <= LONGEST_MESSAGE


# Whatever comes over the wire: odd characters, and a great many of them.
TEXTS = st.one_of(
    st.text(),
    st.text(string.printable),
    st.sampled_from([PAGE, "null", "GET", "OPTIONS", "x-a", "https://api.example", "https://api.example/"]),
    st.builds(
        str.__mul__,
        st.sampled_from(["a", "\n", "\u00e9", "\U0001f600", "\x1b[2J", "\\", "'", "a,", "//"]),
        st.integers(0, 5000),
    ),
    st.builds(
        "https://{}.example{}".format,
        st.sampled_from(["a", "a" * 300, "a." * 100]),
        st.text("/a%;\n\u00e9", max_size=9),
    ),
)
LINES = st.lists(TEXTS, max_size=2).map(tuple)
QUERIES = st.builds(
    Query,
    st.sampled_from(["OPTIONS", "GET"]) | TEXTS,
    st.sampled_from(["a", "b", "c", None]) | TEXTS,
    st.none() | TEXTS,
    st.just((PAGE,)) | LINES,
    st.just(("GET",)) | LINES,
    LINES,
)


@examples(3_000)
@given(QUERIES)
@example(Query("A" * 64, "c", "https://a.example/" + "a" * 8000, (PAGE,)))
@example(asked(PAGE, "\x1b[31m" * 999))
@example(asked(PAGE, "GET", "\r\nSet-Cookie:a=b"))
@example(asked("https://" + "\U0001f600" * 999, "GET"))
@example(Query("GET", "\n" * 999))
@example(Query("GET", url="https://\n" * 99))
def test_any_message(query: Query) -> None:
    """No message holds a control character, or is longer than 600 characters, whatever is asked."""
    try:
        decision = POLICIES.decide(query)
    except BadQuery as error:
        check(error.message)
    else:
        check(decision.reason.message)
        assert decision.reason.code in REASONS


def test_message_of_a_long_origin() -> None:
    """The message to a page of the URL's own origin is bounded, however long that is."""
    origin = f"https://{'a' * 8000}"
    try:
        decision = POLICIES.decide(Query("GET", "a", f"{origin}/", (origin,)))
    except BadQuery as error:
        check(error.message)
    else:
        check(decision.reason.message)


def test_message_of_a_long_name() -> None:
    """The longest name that a policy can have leaves room for the rest of the message."""
    name = "a" * 128
    policies = active(**{name: KEYS})
    longest = "https://" + "a" * 342
    for query in (
        sent(PAGE),
        sent(longest),
        asked(longest, "GET"),
        sent("a" * 999),
        asked(PAGE, "a" * 64),
        asked(PAGE, "GET", "a" * 999),
    ):
        check(policies.decide(replace(query, policy=name)).reason.message)


def test_message_of_a_long_list() -> None:
    """The message to whoever asks for a method that a rule does not list is bounded, however long the list is."""
    check(preflight(flat(methods=[f"METHOD-{number}" for number in range(100)]), "PUT").reason.message)


def test_message_of_a_long_method() -> None:
    """The message about a method that is allowed is bounded, however long the document writes it."""
    check(preflight(flat(methods=["A" * 1000]), "A" * 1000).reason.message)

"""What the playground is asked: fields, links, and what can't be asked."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from cors_service.console.question import LONGEST, InvalidQuestion, Question, example_url
from cors_service.explain import PageRequest
from cors_service.policy import read_document

PAGE = "https://app.example.com"
URL = "https://api.example.com/things/7"


def test_a_link_holds_all_of_it() -> None:
    """What a link gives is the question that it was made of, whatever is in it."""
    question = Question(
        page=f"{PAGE}/\u202e<script>",
        url=f"{URL}?a=b&c=%20#x",
        policy="a&b=c",
        method="PATCH",
        headers='X-One: 1\nX-Two: ä; "q"',
        credentials="include",
        mode="no-cors",
    )
    parts = urlsplit(question.link("/playground"))
    assert (parts.path, Question.of(dict(parse_qsl(parts.query)))) == ("/playground", question)
    assert Question().link("/playground") == "/playground"


def test_what_is_asked() -> None:
    """The fields become the request of a page."""
    question = Question(page=f"{PAGE}/cart", url=URL, method="put", headers="X-One: 1\n\ncontent-type\nx-two")
    assert question.exchange({}) == PageRequest(
        page=PAGE,
        url=URL,
        method="put",
        headers=(("X-One", "1"), ("content-type", "application/json"), ("x-two", "1")),
    )


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (Question(url=URL), "page"),
        (Question(page=PAGE), "url"),
        (Question(page="shop", url=URL), "page"),
        (Question(page=PAGE, url="/things"), "url"),
        (Question(page=PAGE, url="https://user:secret@api.example.com/"), "url"),
        (Question(page=PAGE, url=URL, method="A B"), "method"),
        (Question(page=PAGE, url=URL, headers="X-A: \u2603"), "method"),
        (Question(page=PAGE, url=URL, credentials="some"), "credentials"),
        (Question(page=PAGE, url=URL, mode="any"), "mode"),
        (Question(page=PAGE, url=URL, headers="x-a: 1\n" * 101), "headers"),
        (Question(page=PAGE, url=f"{URL}{'x' * LONGEST}"), "url"),
    ],
)
def test_what_no_page_can_ask(question: Question, field: str) -> None:
    """What can't be asked says which field has to be corrected, and repeats no password."""
    with pytest.raises(InvalidQuestion) as caught:
        question.exchange({})
    assert (caught.value.field, "secret" in str(caught.value)) == (field, False)


@pytest.mark.parametrize(
    ("match", "url"),
    [
        ("api.example.com/shop/", "https://api.example.com/shop/"),
        ("*.example.com:8443/a/*/b/", "https://www.example.com:8443/a/x/b/"),
        ("<tenant>.example.com/", "https://tenant.example.com/"),
        ("cdn.example.com/*.woff2", "https://cdn.example.com/x.woff2"),
        ("localhost:3000/", "http://localhost:3000/"),
        ("*/health/", "https://service.example/health/"),
    ],
)
def test_a_policy_gives_a_url(match: str, url: str) -> None:
    """Where a policy is named and no URL, one is asked about that the policy is for."""
    document = {"version": 1, "policies": {"one": {"match": [match], "origins": [PAGE]}}}
    [policy] = read_document(document).policies.values()
    assert example_url(policy) == url
    assert Question(page=PAGE, policy="one").exchange({"one": policy}).url == url


def test_an_exchange_becomes_a_question_again() -> None:
    """A recorded request can be asked about; of a header without a known value, the name is enough."""
    exchange = PageRequest(page=PAGE, url=URL, method="POST", headers=(("X-A", "1"), ("accept", "\x01"), ("X-B", "")))
    assert Question.about(exchange).headers == "X-A: 1\naccept\nX-B"

"""Tests of queries and answers in words, and of the commands that show them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given

from cors_service.decision import BadQuery, Query
from cors_service.decision.query import Circumstances
from cors_service.review.words import answer_in_words, curl_for, query_in_words
from cors_service.testing import strategies
from cors_service.wire.queries import read_form, read_query_text
from tests.review.comparisons import AFTER, BEFORE, NEW, PUT, TWO, B

DOCUMENT = {"version": 1, "policies": {"a": {"match": ["a.example/"], "origins": ["https://*.example:*", "null"]}}}


def asked(command: str) -> Query:
    """The query that a service is asked about by a command."""
    words = shlex.split(command)
    url = next(word for word in words if word.startswith("http://127.0.0.1:8080/v1/decision"))
    if "-d" in words:
        assert words[words.index("-H") + 1] == "Content-Type: application/json"
        return read_query_text(words[words.index("-d") + 1].encode())
    return read_form(url.partition("?")[2].encode())


@pytest.mark.parametrize(
    ("query", "command"),
    [
        (B, "curl -s 'http://127.0.0.1:8080/v1/decision?policy=app&origin=https://b.a.example'"),
        (PUT, "curl -s 'http://127.0.0.1:8080/v1/decision?policy=app&origin=https://a.example&request_method=PUT'"),
        (
            NEW,
            "curl -s 'http://127.0.0.1:8080/v1/decision?url=https://new.example/x%3Fy%3D1%26z&origin=https://c.example'",
        ),
    ],
)
def test_short_commands(query: Query, command: str) -> None:
    """A usual query is a URL that one can read."""
    assert curl_for(query) == command
    assert asked(command) == query


@pytest.mark.parametrize(
    "query",
    [
        TWO,
        Query("OPTIONS", "a", origins=("null",), request_methods=("PUT",), request_headers=("x-a", "x-b")),
        Query("GET", "a", origins=("",)),
        Query("OPTIONS", "a", origins=("null",)),
        Query("GET", "a", circumstances=Circumstances(sites=("cross-site",))),
        Query("it's", "a", "https://a.example/'"),
    ],
)
def test_all_commands(query: Query) -> None:
    """The command asks about this very query, whatever it holds."""
    assert asked(curl_for(query)) == query


@given(strategies.queries(DOCUMENT))
def test_any_command(query: Query) -> None:
    """The command for any query asks about it."""
    assert asked(curl_for(query)) == query


def test_another_service() -> None:
    """The command asks the service that is named."""
    assert curl_for(B, "https://cors.example/x").startswith("curl -s 'https://cors.example/x/v1/decision?policy=app&")


def test_queries_in_words() -> None:
    """A query is a sentence about a page."""
    assert query_in_words(B) == "a page of https://b.a.example sends GET to a URL of policy app"
    assert query_in_words(NEW) == "a page of https://c.example sends GET to https://new.example/x?y=1&z"
    headers = Query("OPTIONS", "a", origins=("null",), request_methods=("PUT",), request_headers=("x-a",))
    assert query_in_words(headers) == "a page of null asks whether it may send PUT with x-a to a URL of policy a"
    assert query_in_words(Query("GET", "a")) == "a request without Origin sends GET to a URL of policy a"


def test_answers_in_words() -> None:
    """An answer is whether it is allowed, and why."""
    assert answer_in_words(BEFORE.decide(B)) == (
        "refused [origin-not-allowed]: No rule of policy app covers 'https://b.a.example'."
    )
    assert answer_in_words(AFTER.decide(B)).startswith("allowed [allowed]: Rule 1 of policy app allows GET")
    assert answer_in_words(BEFORE.decide(Query("GET", "app"))).startswith("not a matter of CORS [no-origin]: ")
    assert answer_in_words(BadQuery("unknown-policy", "There is none.")) == (
        "no decision [unknown-policy]: There is none."
    )

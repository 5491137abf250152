"""What people paste: sentences of consoles, recordings, and anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cors_service.console.pasted import Message, NotUnderstood, Recording, read_pasted
from cors_service.console.question import Question
from cors_service.decision import ActivePolicies
from cors_service.explain import explain
from cors_service.policy import read_document

PAGE = "https://app.example.com"
URL = "https://api.example.com/things/7"
NONE = ActivePolicies(
    read_document(
        {"version": 1, "policies": {"none": {"match": ["api.example.com/"], "origins": ["https://x.example"]}}}
    )
)


def test_a_message_of_each_engine() -> None:
    """What a console prints names page and URL, which become a question."""
    explanation = explain(Question(page=PAGE, url=URL).exchange({}), NONE)
    for engine, seen in explanation.engines.items():
        found = read_pasted(f"{seen.message}\n    at app.js:7")
        assert isinstance(found, Message)
        assert found.engine.lower() == engine
        assert found.question.url == URL
        assert found.meanings


def test_a_message_that_names_a_header() -> None:
    """The header that a sentence objects to is part of the question, and nothing has to be added."""
    found = read_pasted(
        f"Access to fetch at '{URL}' from origin '{PAGE}' has been blocked by CORS policy: "
        "Request header field x-trace is not allowed by Access-Control-Allow-Headers in preflight response."
    )
    assert isinstance(found, Message)
    assert found.question == Question(page=PAGE, url=URL, headers="x-trace")
    assert not found.is_open


def recording(*entries: tuple[str, str, int, dict[str, str]]) -> str:
    """Write a recording."""

    def lines(headers: dict[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in headers.items()]

    sent = {"Origin": PAGE, "Cookie": "secret=1", "Authorization": "Bearer secret", "Sec-Fetch-Mode": "cors"}
    written: list[Any] = [
        {
            "request": {"method": method, "url": url, "headers": lines(sent), "postData": {"text": "secret"}},
            "response": {"status": status, "headers": lines(headers)},
        }
        for method, url, status, headers in entries
    ]
    return json.dumps({"log": {"version": "1.2", "entries": written}})


def test_what_the_cache_answered() -> None:
    """Of a 304 about an answer that was not recorded, it is said that nothing is known of it."""
    found = read_pasted(recording(("GET", URL, 304, {}), ("GET", f"{URL}/blocked", 200, {})))
    assert isinstance(found, Recording)
    assert [row.outcome for row in found.rows] == ["blocked", "unknown"]


def test_a_recording() -> None:
    """Each request of a recording becomes a question, what is blocked first, and nothing of it is secret."""
    allowed = {"Access-Control-Allow-Origin": PAGE, "Access-Control-Allow-Credentials": "true"}
    found = read_pasted(recording(("GET", f"{URL}?token=secret", 200, allowed), ("GET", f"{URL}/blocked", 200, {})))
    assert isinstance(found, Recording)
    assert [(row.question.url, row.passes) for row in found.rows] == [(f"{URL}/blocked", False), (URL, True)]
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", ["", "Hello", "{", '{"log": 7}', "{" * 100_000, "[1]", "\x00"])
def test_anything_else(text: str) -> None:
    """What is neither is refused with a sentence."""
    with pytest.raises(NotUnderstood, match=r"\.$"):
        read_pasted(text)

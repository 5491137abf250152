"""Tests of what a reviewer sees of a comparison: on a terminal, in a pull request, in a program."""

from __future__ import annotations

import json
import re

import jsonschema_rs

from cors_service.algebra import Comparison, Unknown
from cors_service.review.markdown import in_markdown
from cors_service.review.text import in_text
from cors_service.review.written import SCHEMA, in_json
from cors_service.wire.queries import read_query
from tests.review.comparisons import AFTER, BEFORE, COMPARISON, NEW, NOTHING, B, difference


def test_text() -> None:
    """Each difference is a line in words, with its request, both answers and the command that shows it."""
    parts = in_text(COMPARISON, "main:etc", "etc").split("\n\n")
    assert parts[0] == "What changes from main:etc to etc:"
    assert parts[1].splitlines() == [
        "WIDER     app: https://b.a.example gets access.",
        "  request a page of https://b.a.example sends GET to a URL of policy app",
        "  before  refused [origin-not-allowed]: No rule of policy app covers 'https://b.a.example'.",
        "  after   allowed [allowed]: Rule 1 of policy app allows GET from 'https://b.a.example'.",
        "  +       Access-Control-Allow-Origin: https://b.a.example",
        "  see it  curl -s 'http://127.0.0.1:8080/v1/decision?policy=app&origin=https://b.a.example'",
    ]
    assert parts[3].startswith("NARROWER  app: ")
    assert parts[5] == "UNKNOWN   app: An expression is too large."
    *counts, last = parts[6].splitlines()
    assert last.startswith("Each request above is an example.")
    assert counts == [
        "4 differences: 3 wider, 1 narrower, 1 unknown, which count as wider.",
        "  wider: pages may do what they may not do now",
        "  narrower: pages may no longer do what they do now",
    ]


def test_service() -> None:
    """The command asks the service that one of the sets comes from."""
    for write in (in_text, in_markdown):
        assert "curl -s 'http://cors.example/v1/decision?" in write(COMPARISON, "a", "b", "http://cors.example")


def test_nothing() -> None:
    """Where nothing differs, that is said."""
    assert in_text(NOTHING, "a", "b") == "a and b decide alike about every request."
    assert "Both decide alike" in in_markdown(NOTHING, "a", "b")
    assert json.loads(in_json(NOTHING, BEFORE.policy_set, AFTER.policy_set)) == {"differences": [], "unknown": []}


def test_only_unknown() -> None:
    """What is not known is said, even if nothing else is."""
    unknown = Comparison((), (Unknown("app", "An expression is too large."),))
    assert "0 differences: 1 unknown, which count as wider." in in_text(unknown, "a", "b")
    assert "Unknown, which counts as wider" in in_markdown(unknown, "a", "b")


def test_markdown() -> None:
    """Differences stand under headings by their direction, each with its request, answers and command."""
    text = in_markdown(COMPARISON, "main:etc", "etc")
    assert re.findall("^##+ .*", text, re.MULTILINE) == [
        "## CORS policies: <code>main:etc</code> to <code>etc</code>",
        "### \N{WARNING SIGN} Wider: pages may do what they may not do now",
        "### \N{LOCK} Narrower: pages may no longer do what they do now",
        "### Unknown, which counts as wider",
    ]
    assert text.count("<details>") == text.count("</details>") == 4
    assert "```sh\ncurl -s 'http://127.0.0.1:8080/v1/decision?policy=app&origin=https://b.a.example'\n```" in text


def test_markdown_of_evil_names() -> None:
    """Nothing that a document holds has a meaning in a pull request: no mention, no HTML, no end of a block."""
    evil = "</summary><script>@everybody ![x](http://evil.example) ```\n# x"
    text = in_markdown(Comparison((difference("wider", B, evil, policy=evil),)), evil, evil)
    for piece in ("<script", "@everybody", "![", "\n# x"):
        assert piece not in text
    assert text.count("```") == 4


def test_long_markdown() -> None:
    """Of very many differences, as many are written out as a comment has room for."""
    text = in_markdown(Comparison(COMPARISON.differences[:1] * 60), "a", "b")
    assert (text.count("<details>"), "... and 10 more: run `cors-service diff`." in text) == (50, True)
    assert len(text) < 65_536


def test_json() -> None:
    """What programs get fits the schema that is shipped; witnesses are queries, and answers are decisions."""
    written = json.loads(in_json(COMPARISON, BEFORE.policy_set, AFTER.policy_set))
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    jsonschema_rs.Draft202012Validator(SCHEMA).validate(written)
    first, *_, last = written["differences"]
    assert read_query(first["witness"]) == B
    assert first["before"]["revision"] == BEFORE.revision
    assert (first["after"]["allowed"], first["after"]["revision"]) == (True, AFTER.revision)
    assert read_query(last["witness"]) == NEW
    assert last["before"]["error"]["code"] == "no-policy-for-url"
    assert written["unknown"] == [{"policy": "app", "sentence": "An expression is too large."}]

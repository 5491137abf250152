"""Tests of notes: what policies say without effect."""

from __future__ import annotations

from typing import Any

import pytest

from cors_service.policy import read_document
from cors_service.policy.notes import CODES, Note, notes_on
from tests.policy.documents import policy, rule


def notes(document: dict[str, Any]) -> list[Note]:
    """Give the notes on a document."""
    return list(notes_on(read_document(document)))


SILENT: dict[str, dict[str, Any]] = {
    "exact origins": rule("https://a.example", "https://b.example"),
    "patterns beside each other": rule("https://*.a.example", "https://b.example", "re:https://x[0-9]+\\.c\\.example"),
    "authorization beside *": rule("*", request_headers=["*", "authorization"]),
    "authorization beside a prefix": rule("*", request_headers=["auth*", "authorization"]),
    "an hour with cookies": rule("https://a.example", credentials=True, max_age=3600),
    "a day without": rule("https://a.example", max_age=86400),
    "refused behind what is granted": policy(
        rules=[
            {"origins": ["https://a.example"], "refuse": True},
            {"origins": ["https://a.example", "https://b.example"]},
        ]
    ),
    "upper-case methods": rule("*", methods=["GET", "PATCH", "PURGE", "delete"]),
    "null, lifted": rule("null", dangerously_allow=["null-origin"]),
    "a file, lifted": rule("file://", dangerously_allow=["file-origin"]),
    "cleartext, lifted": rule("http://a.example", credentials=True, dangerously_allow=["insecure-origins"]),
    "any extension, lifted": rule("moz-extension://*", credentials=True, dangerously_allow=["any-host"]),
    "an expression that may match cleartext": rule(
        "re:(https|http)://a\\.example\\.com", credentials=True, dangerously_allow=["insecure-origins"]
    ),
    "an expression that is not read as cleartext": rule(
        "re:ht+ps?://a\\.example\\.com", credentials=True, dangerously_allow=["insecure-origins"]
    ),
    "an alternative that may match cleartext": rule(
        "re:https://a\\.example\\.com|http[s]?://b\\.example\\.com",
        credentials=True,
        dangerously_allow=["insecure-origins"],
    ),
    "cleartext that an earlier rule leaves out": policy(
        rules=[
            {"origins": ["re:http[s]?://a\\.example\\.com"], "credentials": True},
            {"origins": ["re:http[s]?://a\\.example\\.com", "https://b.example"]},
        ]
    ),
    "a public suffix, lifted": rule(
        "https://*.vercel.app", credentials=True, dangerously_allow=["public-suffix-subdomains"]
    ),
}


@pytest.mark.parametrize("document", SILENT.values(), ids=SILENT)
def test_silent(document: dict[str, Any]) -> None:
    """There is no note on what has an effect."""
    assert notes(document) == []


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (rule("https://a.example", dangerously_allow=["null-origin"]), "lifts-nothing", "null-origin"),
        (rule("https://a.example", dangerously_allow=["file-origin"]), "lifts-nothing", "file-origin"),
        (
            rule("http://a.example", dangerously_allow=["insecure-origins"]),  # without cookies
            "lifts-nothing",
            "insecure-origins",
        ),
        (
            rule("https://*.a.example", credentials=True, dangerously_allow=["public-suffix-subdomains"]),
            "lifts-nothing",
            "public-suffix-subdomains",
        ),
        (
            rule(r"re:^https://a[0-9]\.example\.com", credentials=True, dangerously_allow=["insecure-origins"]),
            "lifts-nothing",
            "insecure-origins",
        ),
        (rule("https://a.example", "https://a.example"), "pattern-covered", "it is listed twice"),
        (rule("https://*.b.example", "https://a.b.example"), "pattern-covered", "'https://*.b.example' covers it"),
        (rule("https://a.b.example", "https://*.b.example"), "pattern-covered", "'https://*.b.example' covers it"),
        (
            rule("https://a.example:*", "https://a.example:8000-8999"),
            "pattern-covered",
            "'https://a.example:*' covers it",
        ),
        (rule("*", "https://a.example"), "pattern-covered", "'*' covers it"),
        (
            rule("https://a.example:1-5", "https://a.example:6-9", "https://a.example:4-7"),
            "pattern-covered",
            "'https://a.example:4-7' has no effect: other patterns cover it",
        ),
        (
            policy(
                rules=[{"origins": ["https://*.b.example"]}, {"origins": ["https://a.b.example", "https://c.example"]}]
            ),
            "pattern-covered",
            "'https://a.b.example' has no effect: an earlier rule covers it",
        ),
        (rule("*", methods=["*", "PATCH"]), "already-granted", "methods has * and PATCH"),
        (rule("*", methods=["patch"]), "never-asked", 'Write "PATCH".'),
        (rule("*", request_headers=["accept"]), "never-asked", "Browsers don't ask about accept"),
        (rule("*", request_headers=["*", "x-a"]), "already-granted", "request_headers has * and x-a"),
        (rule("*", request_headers=["x-*", "x-a"]), "already-granted", "request_headers has x-* and x-a"),
        (rule("*", request_headers=["x-*", "x-a-*"]), "already-granted", "request_headers has x-* and x-a-*"),
        (rule("*", expose_headers=["content-type"]), "already-granted", "Pages may always read content-type"),
        (rule("*", expose_headers=["*", "x-a"]), "already-granted", "expose_headers has * and x-a"),
        (rule("https://a.example", credentials=True, max_age=3601), "long-max-age", "3601 seconds"),
    ],
)
def test_note(document: dict[str, Any], code: str, words: str) -> None:
    """There is one note on what has no effect, which says so and what to do."""
    [note] = notes(document)
    assert (note.code, note.policy, note.rule) == (code, "a", len(document["policies"]["a"].get("rules", [1])))
    assert note.code in CODES
    assert words in str(note)


def test_all_at_once() -> None:
    """Everything that there is to note is noted."""
    document = rule(
        "https://*.b.example",
        "https://a.b.example",
        methods=["*", "GET"],
        credentials=True,
        max_age=7200,
        dangerously_allow=["null-origin"],
    )
    assert sorted(note.code for note in notes(document)) == [
        "already-granted",
        "lifts-nothing",
        "long-max-age",
        "pattern-covered",
    ]


def test_sets() -> None:
    """What sets hold counts where they are used."""
    document = rule("@s", "https://a.example", request_headers=["@h"])
    document |= {"origin_sets": {"s": ["https://a.example"]}, "header_sets": {"h": ["x-*", "x-a"]}}
    assert [note.code for note in notes(document)] == ["already-granted", "pattern-covered"]


def test_many_origins() -> None:
    """Of more patterns than anybody writes, none is compared with others."""
    origins = [f"https://a{number}.example" for number in range(10_000)]
    assert [note.code for note in notes(rule(*origins[:-1], origins[0]))] == ["pattern-covered"]
    assert notes(rule(*origins, origins[0])) == []

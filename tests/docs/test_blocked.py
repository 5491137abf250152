"""The page about blocked pages says what the service decides and what browsers print."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from cors_service.browser import Behaviour, Request, fetch_verdict, recognise
from cors_service.browser.request import actual_headers, needs_preflight, preflight_headers
from cors_service.browser.sentences import SENTENCES, Sentence
from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.decision.decision import REASONS
from cors_service.policy import read_document

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "blocked.md").read_text(encoding="utf-8")
URL = "https://acme.api.example.com/orders"
POLICIES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0]
SECTIONS = dict(re.findall(r"^### ([a-z-]+)\n(.*?)(?=^###? )", PAGE, re.MULTILINE | re.DOTALL))
BLOCKED = "has been blocked by CORS policy: "
NOT_FROM_PAGES = {"multiple-origins", "origin-malformed", "method-malformed", "header-malformed"}
REFUSALS = REASONS - {"allowed", "no-origin", "same-origin"}


def page_of(section: str) -> Request:
    """The request of a page whose preflight or request is refused in the example of a section."""
    command = re.search(r"^\$ cors-service decide (.*)$", section, re.MULTILINE)
    assert command
    words = shlex.split(re.sub(r"\"\$\(seq[^\"]*\"", ",".join(f"x-{number}" for number in range(1, 66)), command[1]))
    given = dict(zip(words[::2], words[1::2], strict=True))
    headers = [(name, _value(name)) for name in given.get("--request-headers", "").split(",") if name]
    return Request(given["--origin"], URL, None, given.get("--request-method", "GET"), tuple(headers))


def _value(name: str) -> str:
    return "application/json" if name == "content-type" else "1"


def asked(active: ActivePolicies, request: Request, *, preflight: bool, url: str | None = None) -> Decision:
    """The decision about a request, or about its preflight."""
    lines = preflight_headers(request) if preflight else actual_headers(request)
    return active.decide(Query.received("OPTIONS" if preflight else request.method, lines, policy="shop", url=url))


def test_each_refusal_has_its_place() -> None:
    """Each reason of a refusal has a section, or a row among those that no page causes."""
    assert set(SECTIONS) == REFUSALS - NOT_FROM_PAGES
    assert set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE)) == NOT_FROM_PAGES


@pytest.mark.parametrize("code", SECTIONS)
def test_chromium_prints_what_the_page_says(code: str) -> None:
    """A page that makes the request of a section is refused for its reason, and Chromium prints its sentence."""
    section = SECTIONS[code]
    active = ActivePolicies(read_document(tomllib.loads(POLICIES)))
    request = page_of(section)
    first = asked(active, request, preflight=needs_preflight(request))
    assert first.reason.code == code
    preflight = (first.status or 200, first.headers) if needs_preflight(request) else None
    headers = asked(active, request, preflight=False).headers
    verdict = fetch_verdict(request, headers, preflight, behaviour=Behaviour.CHROMIUM)
    [sentence] = re.findall(r"```text\n(.*)\n```", section)
    assert sentence == verdict.console


def _expression(sentence: Sentence) -> str:
    """An expression for a sentence, whatever stands in it."""
    beginning = r"\(Reason: " if sentence.engine is Behaviour.FIREFOX and not sentence.alone else ""
    literals = re.split(r"\{[a-z_]+\}", sentence.text)
    return beginning + ".*".join(map(re.escape, literals))


HEADINGS = re.findall(r"^#### `+([^`].+?)`+$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("heading", HEADINGS)
def test_headings_are_sentences(heading: str) -> None:
    """Each heading of a sentence is one that an engine prints, and is recognised."""
    found = recognise(heading)
    assert found is not None
    printed = [sentence for sentence in SENTENCES if re.fullmatch(_expression(sentence), heading)]
    assert {found.engine} == {sentence.engine for sentence in printed}
    assert set(found.steps) <= {step for sentence in printed for step in sentence.steps}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_each_sentence_has_a_heading(sentence: Sentence) -> None:
    """Each sentence of an engine is a heading."""
    assert any(re.fullmatch(_expression(sentence), heading) for heading in HEADINGS)

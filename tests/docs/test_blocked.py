"""The page about blocked pages says what the service decides and what Chromium prints."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from cors_service.browser import Behaviour, Failure, Request, Step, console_lines, fetch_verdict
from cors_service.browser.request import actual_headers, needs_preflight, preflight_headers
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


SENTENCES = [
    (Step.ACAO_MISSING, "", True),
    (Step.ACAO_MISSING, "", False),
    (Step.ACAC_NOT_TRUE, "", False),
    (Step.ACAO_WILDCARD_WITH_CREDENTIALS, "*", False),
    (Step.ACAO_MULTIPLE, "https://app.example.com, https://app.example.com", False),
    (Step.ACAO_MISMATCH, "https://other.example.com", False),
    (Step.PREFLIGHT_STATUS, "403", True),
    (Step.PREFLIGHT_REDIRECT, "302", True),
    (Step.METHOD_NOT_IN_ACAM, "PUT", True),
    (Step.HEADER_NOT_IN_ACAH, "content-type", True),
]


def test_the_table_has_the_sentences_of_chromium() -> None:
    """The table of sentences has, in this order, what Chromium prints for each step that a page can meet."""
    failures = [Failure(step, URL, "https://app.example.com", value, preflight) for step, value, preflight in SENTENCES]
    expected = [console_lines(Behaviour.CHROMIUM, failure)[0].partition(BLOCKED)[2] for failure in failures]
    table = PAGE.partition('| after "blocked by CORS policy:" |')[2].partition("\n\n")[0]
    assert re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE) == expected

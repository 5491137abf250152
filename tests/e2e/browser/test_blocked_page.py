"""The page for people with a blocked page has what Chromium prints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .cases import Table
from .setting import Application, attempt
from .webdriver import Chromium

PAGE = (Path(__file__).parents[3] / "docs" / "blocked.md").read_text(encoding="utf-8")
BLOCKED = "has been blocked by CORS policy: "
EXAMPLE = "https://app.example.com"
"""The origin in the sentences of the page."""


def documented() -> Mapping[str, str]:
    """What the page says is printed behind `BLOCKED`, by the reason of a section."""
    sections = re.findall(r"^### ([a-z-]+)\n(.*?)(?=^###? )", PAGE, re.MULTILINE | re.DOTALL)
    return {code: re.findall(r"```text\n(.*)\n```", text)[0].partition(BLOCKED)[2] for code, text in sections}


def printed(chromium: Chromium, application: Application, table: Table) -> Mapping[str, tuple[str, list[str]]]:
    """The reason of the first decision about each case, and what was printed of it, by the group."""
    found = {}
    # A page is loaded again for each case, so they may come in any order.
    for case, outcome in zip(table.cases, attempt(chromium, application, table.cases), strict=True):
        sentences = [message.partition(BLOCKED)[2].replace(case.page, EXAMPLE) for message in outcome.console]
        found[case.group] = (outcome.received[0]["decision"]["reason"]["code"], sentences)
    return found


def test_each_reason(chromium: Chromium, application: Application) -> None:
    """For each reason that a page can cause, Chromium prints the sentence of its section."""
    table = Table(application.ports, "blocked")
    json = (("Content-Type", "application/json"),)
    many = tuple((f"x-app-{number}", "1") for number in range(65))
    table.add("origin-not-allowed", "exact", table.stranger)
    table.add("method-not-allowed", "read-only", table.app, method="DELETE")
    table.add("header-not-allowed", "exact", table.app, method="POST", headers=json)
    table.add("origin-refused", "incident", table.partner)
    table.add("too-many-headers", "prefix", table.app, headers=many)
    expected = {code: (code, [documented()[code]]) for code in (case.group for case in table.cases)}
    assert printed(chromium, application, table) == expected
    assert documented().keys() - expected.keys() == {"origin-needs-url"}  # the application always sends the URL


def test_allowed_and_blocked_all_the_same(chromium: Chromium, application: Application) -> None:
    """What Chromium prints where the request is allowed is a heading of the page."""
    headings = set(re.findall(r"^#### `(.+)`$", PAGE, re.MULTILINE))
    table = Table(application.ports, "allowed")
    table.add("no credentials", "exact", table.app, credentials="include")
    table.add("anybody", "public", table.app, credentials="include")
    found = dict(printed(chromium, application, table))
    table = Table(application.ports, "twice")
    table.add("twice", "exact", table.app)
    application.change(fault="repeated_origin")
    found |= printed(chromium, application, table)
    assert {reason for reason, _ in found.values()} == {"allowed"}
    assert {sentence for _, sentences in found.values() for sentence in sentences} <= headings

"""Links of the documentation lead to files and headings that are there."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
    ROOT / "benchmarks" / "README.md",
]
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return CODE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of the headings, as GitHub and the site name them."""
    headings = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(prose(page))]
    return frozenset(headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the project, and a heading of it if it names one."""
    lost = []
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_each_page_has_a_title_and_a_first_sentence() -> None:
    """Each page of docs/ begins with its title and a paragraph, and no two pages have the same title."""
    beginnings = {page: re.match(r"# (.+)\n\n[A-Za-z`][^\n]+\n", page.read_text(encoding="utf-8")) for page in PAGES}
    assert [str(page) for page, beginning in beginnings.items() if beginning is None and "docs" in page.parts] == []
    titles = [found[1] for page, found in beginnings.items() if found and "docs" in page.parts]
    assert len(set(titles)) == len(titles)


def test_what_people_look_for() -> None:
    """The README shows the forms that people look for, as the page has them that it leads to."""
    [row] = [
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if "#what-people-look" in line
    ]
    section = prose(ROOT / "docs" / "document.md").partition("## What people look for")[2].partition("\n## ")[0]
    forms = re.findall(r"`([^`]+)`", row)
    assert (len(forms) > 4, [form for form in forms if form not in section]) == (True, [])

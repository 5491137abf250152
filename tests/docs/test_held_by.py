"""The documents that state the rules name the tests that hold them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = [ROOT / "docs" / name for name in ("decisions.md", "document.md")]
HELD = re.compile(r"^Tested by (?:`[\w/]+\.py`(?:,| and)?\s)*`[\w/]+\.py`\.$", re.MULTILINE)


def sections(document: Path) -> dict[str, str]:
    """The parts of a document, by their headings."""
    parts = re.split(r"^##? (.+)$", document.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def holders(text: str) -> set[str]:
    """The test modules that a section names below its text."""
    found = HELD.search(text)
    return set(re.findall(r"`([^`]+)`", found[0])) if found else set()


@pytest.mark.parametrize("document", RULES, ids=lambda path: path.name)
def test_each_section_names_its_tests(document: Path) -> None:
    """Each section ends with the tests that hold it, and they exist."""
    for heading, text in sections(document).items():
        named = holders(text)
        assert named, heading
        assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


def test_each_test_holds_a_rule() -> None:
    """Each test module of the documents and of the decisions is named by a section."""
    named = set().union(*(holders(text) for document in RULES for text in sections(document).values()))
    modules = {
        str(path.relative_to(ROOT))
        for package in ("grammar", "policy", "decision")
        for path in (ROOT / "tests" / package).glob("test_*.py")
    }
    assert modules <= named

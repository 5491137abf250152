"""The news of the next version can be collected at any time."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FRAGMENTS = sorted((ROOT / "newsfragments").glob("*.md"))
CONFIGURED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]


def test_fragments() -> None:
    """Each fragment names an issue and a kind of change that is collected, and says something."""
    kinds = {kind["directory"] for kind in CONFIGURED["type"]}
    for path in FRAGMENTS:
        match = re.fullmatch(r"\d+\.([a-z]+)(\.\d+)?\.md", path.name)
        assert match, f"{path.name} is not ISSUE.KIND.md"
        assert match[1] in kinds
        assert path.read_text().strip()


def test_collected() -> None:
    """`make news` would write each change as an item of one list, in the form of the page."""
    words = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "9.9.9", "--date", "2027-01-01"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    text = done.stdout[done.stdout.index("## 9.9.9 (2027-01-01)") :]
    assert not re.search(r"^(=+|-+)$|^- ", text, re.MULTILINE)
    for path in FRAGMENTS:
        for line in path.read_text().splitlines():
            assert line.strip() in text
    assert text.count("\n* ") >= len(FRAGMENTS)

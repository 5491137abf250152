"""Figures on other pages are those that were measured: docs/performance.md has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MEASURED = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMPARISON = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")

NUMBER = r"([\d,.]*\d)"
HEADLINES = [
    (
        rf"^\| decisions a second over HTTP, one a request \| {NUMBER} \|",
        rf"^\| ours: POST /v1/decision \| {NUMBER} \|",
    ),
    (rf"^\| the same in batches of 100 \| {NUMBER} \|", rf"batches of 100: {NUMBER} decisions/s"),
    (rf"at half of the maximal rate \| within {NUMBER} ms", rf"p99 at half of the maximal rate: {NUMBER} ms"),
    (rf"first answer after, memory of all processes \| {NUMBER} s", rf"to the first answer: {NUMBER} s"),
    (
        rf"first answer after, memory of all processes \| [\d.]+ s, {NUMBER} MiB",
        rf"with 100,000 policies: {NUMBER} MiB",
    ),
]
PEERS = {  # by the heading of the comparison: the table of the measurements, and its heading there
    "cors-service": "ours, fresh",
    "jub0bs/cors": "jub0bs/cors",
    "rs/cors": "rs/cors",
    "cors for Express": "express cors",
    "flask-cors": "flask-cors",
    "Starlette": "starlette",
    "django-cors-headers": "django-cors-headers",
}
ROWS = {
    "allowed preflight, one origin": "allowed preflight, 1 exact",
    "allowed preflight, 1,000 origins": "allowed preflight, 1,000 exact",
    "refused actual request, one origin": "refused actual, 1 exact",
    "refused actual request, 1,000 origins": "refused actual, 1,000 exact",
}


def number(pattern: str, text: str) -> float:
    """The figure that a pattern finds."""
    found = re.search(pattern, text, re.MULTILINE)
    assert found, pattern
    return float(found[1].replace(",", ""))


def cells(text: str, heading: str) -> dict[tuple[str, str], str]:
    """The cells of all tables whose first line has a heading, by their row and column."""
    found: dict[tuple[str, str], str] = {}
    for table in re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
        lines = [[cell.strip() for cell in line] for line in lines]
        if heading in lines[0]:
            found |= {(line[0], head): cell for line in lines[2:] for head, cell in zip(lines[0], line, strict=True)}
    return found


@pytest.mark.parametrize(("shown", "measured"), HEADLINES)
def test_headlines(shown: str, measured: str) -> None:
    """The README rounds what was measured, by less than 10 %."""
    assert number(shown, README) == pytest.approx(number(measured, MEASURED), rel=0.1)


@pytest.mark.parametrize("row", ROWS)
def test_comparison(row: str) -> None:
    """The comparison has the figures that were measured, or those of an earlier run that hardly differ."""
    compared, measured = cells(COMPARISON, "jub0bs/cors"), cells(MEASURED, "ours, fresh")
    shown = {peer: float(compared[row, peer]) for peer in PEERS}
    assert shown == pytest.approx({peer: float(measured[ROWS[row], name]) for peer, name in PEERS.items()}, rel=0.1)

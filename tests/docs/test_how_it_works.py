"""The page that explains the house is about the house as it is."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.test_floors import FLOORS

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how-it-works.md"
PICTURE = ROOT / "docs" / "how-it-works" / "floors.svg"
SVG = "{http://www.w3.org/2000/svg}"


def test_the_picture_shows_every_room_on_its_floor() -> None:
    """Each package is in the picture, and none stands above one that it may not import."""
    names = {name for floor in FLOORS for name in floor}
    texts = ET.parse(PICTURE).getroot().iter(f"{SVG}text")
    height = {text.text: -float(text.attrib["y"]) for text in texts if text.text in names}
    assert names == set(height)
    for lower, upper in pairwise(FLOORS):
        assert max(height[name] for name in lower) <= min(height[name] for name in upper)


def test_every_file_of_the_page_exists() -> None:
    """A file that the page names is there."""
    named = set(re.findall(r"`([a-z_/]+(?:\.py|\.json|/))`", PAGE.read_text(encoding="utf-8")))
    assert named
    assert {name for name in named if not any((ROOT / base / name).exists() for base in ("", "cors_service"))} == set()

"""The test suites that lie beside the documents of a directory."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cors_service.access.files import read_small_file
from cors_service.reader.sources import SUITE_SUFFIX

MOST_SUITES: Final = 100
LARGEST_SUITE: Final = 4 * 1024 * 1024
"""Bytes of a suite."""


def suites_in(directory: Path) -> Iterator[tuple[str, str]]:
    """Give the name and the text of each suite that tests the policies of a directory.

    Args:
        directory: The directory; a suite in it that names policies elsewhere is left out.

    Raises:
        OSError: One can't be read.
        ValueError: One is too large, or not a text.
    """
    names = sorted(path.name for path in directory.iterdir() if _is_suite(path))
    for name in names[:MOST_SUITES]:
        # Some editors begin a file with a byte order mark.
        text = read_small_file(directory / name, LARGEST_SUITE).decode("utf-8-sig")
        if _tests(directory, text):
            yield name, text


def _is_suite(path: Path) -> bool:
    return path.name.endswith(SUITE_SUFFIX) and path.name[0] != "."


def _tests(directory: Path, text: str) -> bool:
    """Whether a suite tests the policies of its own directory; what can't be read is reported by whoever runs it."""
    try:
        named = tomllib.loads(text).get("policies", ".")
    except ValueError:
        return True
    if not isinstance(named, str):
        return True
    path = (directory / named).resolve()
    return directory.resolve() in {path, path.parent}

"""A TOML document as a list of sections: a header with the comments above it, and what stands below it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from msgspec import Struct

# Strings and comments, in which nothing begins; brackets; ends of lines (TOML v1.0.0).
_TOKEN: Final = re.compile(
    r'"{3}(?:[^"\\]|\\.|""?+(?!"))*+"{3,5}+'
    r"|'{3}(?:[^']|''?+(?!'))*+'{3,5}+"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|\#[^\n]*+"
    r"|[\[\]{}\n]",
    re.DOTALL,
)
# The header of a table or of one in a list, up to the end of its line.
_HEADER: Final = re.compile(r"""[ \t]*+(\[(?:[^\]"'\n]|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')*+\]\]?)[^\n]*+(?:\n|\Z)""")
_COMMENTS: Final = re.compile(r"(?:^[ \t]*+#[^\n]*+\n)++\Z", re.MULTILINE)


class Section(Struct):
    """A part of a document.

    Attributes:
        path: The keys of its header; none for what stands above the first one.
        is_item: Whether it is one of a list of tables.
        lead: The lines of comments right above the header.
        text: The header, and everything below it up to the comments of the next one.
        is_new: Whether it was not in the document before.
    """

    path: tuple[str, ...]
    is_item: bool
    lead: str
    text: str
    is_new: bool = False


def split(text: str) -> list[Section]:
    """Take a document apart.

    Args:
        text: A TOML document.

    Returns:
        Its sections; `join` gives the text again.
    """
    starts = list(_headers(text))
    sections = [Section((), False, "", text[: starts[0][0] if starts else len(text)])]
    for index, (start, path, is_item) in enumerate(starts):
        end = starts[index + 1][0] if index + 1 < len(starts) else len(text)
        sections.append(Section(path, is_item, "", text[start:end]))
    for before, section in pairwise(sections):
        comments = _COMMENTS.search(before.text)
        if comments is not None:
            section.lead, before.text = comments[0], before.text[: comments.start()]
    return sections


def join(sections: Iterable[Section]) -> str:
    """Put a document together."""
    return "".join(section.lead + section.text for section in sections)


def _headers(text: str) -> Iterator[tuple[int, tuple[str, ...], bool]]:
    depth, line = 0, 0
    found = _header_at(text, 0)
    if found is not None:
        yield 0, *found
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                line = token.end()
                found = _header_at(text, line)
                if found is not None:
                    yield line, *found


def _header_at(text: str, start: int) -> tuple[tuple[str, ...], bool] | None:
    found = _HEADER.match(text, start)
    if found is None:
        return None
    table: object = tomllib.loads(found[1])
    path: list[str] = []
    while isinstance(table, dict) and table:
        [(key, table)] = table.items()
        path.append(key)
    return tuple(path), isinstance(table, list)

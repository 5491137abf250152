"""Finds keys of many parts in TOML, such as `a.a.a.a`: Python's parser takes time and memory with their square."""

from __future__ import annotations

import re
from typing import Final

MAX_PARTS: Final = 32
"""Parts that a key may have; those of a document have four at most."""

# A part of a key, and what looks like one: a string of one line, a number, a word (TOML v1.0.0, "Keys").
_PART: Final = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\[^\n])*+"|'[^'\n]*+')"""
_NEXT: Final = rf"{_PART}[ \t]*+\.[ \t]*+"
# Possessive throughout: each character is looked at a few times, whatever follows.
_TOKEN: Final = re.compile(
    "|".join(
        [
            r"#[^\n]*+",
            r'"{3}(?:[^"\\]|\\.|""?+(?!"))*+"{3,5}+',
            r"'{3}(?:[^']|''?+(?!'))*+'{3,5}+",
            r"(?P<unclosed>\"{3}|'{3})",
            rf"(?P<many>(?:{_NEXT}){{{MAX_PARTS}}}{_PART})",
            rf"(?:{_NEXT})++(?:{_PART})?+",
            _PART,
            r"(?P<broken>[\"'])",
        ]
    ),
    re.DOTALL,
)


def line_of_many_parts(text: str) -> int | None:
    """Find the first key that has more than MAX_PARTS parts, in linear time.

    Args:
        text: A TOML document, or anything else; what is after a string without an end is no document in any case.

    Returns:
        Its line, from 1; None if there is none.
    """
    for token in _TOKEN.finditer(text):
        if token.lastgroup == "many":
            return text.count("\n", 0, token.start()) + 1
        if token.lastgroup is not None:
            return None
    return None

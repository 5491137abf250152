"""What was meant by a line that is not TOML or JSON."""

from __future__ import annotations

import re
from typing import Final

# What other languages have, and what to write; the first that fits counts.
_HINTS: Final = {
    "toml": (
        ("[\u2018\u2019\u201c\u201d]", "Write straight quotation marks, \" or '."),
        (r"^\s*(?://|/\*|;|--)", "A comment begins with #."),
        (r"^\s*[\"']?[\w.-]+[\"']?\s*:", "Write = in place of the colon: key = value."),
        (r"=\s*(?:True|False|TRUE|FALSE|[Yy]es|[Nn]o|[Oo]n|[Oo]ff)\b", "Write true or false."),
        (r"=\s*(?:null|None|nil|~)\b", "Leave the key out."),
        (r'"[^"]*\\(?!["\\bfnrtuU])', "Write a text with backslashes in single quotation marks: 're:...'."),
        (r"(?:[=\[,]|^)\s*(?:https?:|\*|[a-z0-9-]+\.[a-z])", "Write each text in quotation marks."),
        (r"^\s*-\s", 'A list is ["first", "second"].'),
    ),
    "json": (
        ("[\u2018\u2019\u201c\u201d]", 'Write straight quotation marks, ".'),
        (r"^\s*(?://|/\*|#)", "JSON has no comments: remove it."),
        (r"'", 'Write double quotation marks, ".'),
        (r":\s*(?:True|False)\b", "Write true or false."),
        (r":\s*None\b", "Leave the key out."),
        (r"(?:[{,]|^)\s*[A-Za-z_$][\w$]*\s*:", "Write each key in double quotation marks."),
    ),
}
_LONGEST: Final = 1000


def slip(text: str, form: str, line: int | None) -> str:
    """Say what to write in a line that can't be parsed; nothing if that is not known.

    Args:
        text: The document.
        form: What it should be, `toml` or `json`.
        line: The number of the line, from 1; None if it is not known.
    """
    begin = text[:_LONGEST].lstrip("\ufeff \t\r\n")
    if form == "toml" and begin[:1] == "{":
        return "This is JSON: give the file a name that ends in .json."
    if form == "json" and re.match(r"#|version\s*=|\[(?:policies|origin_sets|header_sets)\b", begin):
        return "This is TOML: give the file a name that ends in .toml."
    if line is None:
        return ""
    written = _line(text, line)
    return next((hint for sign, hint in _HINTS[form] if re.search(sign, written)), "")


def _line(text: str, number: int) -> str:
    """A line, cut to what people read."""
    start = 0
    for _ in range(number - 1):
        start = text.find("\n", start) + 1
    end = text.find("\n", start)
    return text[start : min(end, start + _LONGEST) if end >= 0 else start + _LONGEST]

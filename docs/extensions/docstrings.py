"""Docstrings as this project writes them, for Sphinx: Google's sections, and code between single backticks.

Napoleon takes the words before a colon for a type, wherever a sentence has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):$")
_ENTRY = re.compile(r"( {4})(\*{0,2}[\w.]+): (.*)$")
_FIELDS = {"Args": "param", "Attributes": "ivar", "Raises": "raises"}
# Code, and no role.
_CODE = re.compile(r"(?<![:`\w])`([^`]+)`(?![`_])(\w?)")


def fields(lines: list[str]) -> Iterator[str]:
    """Turn the sections of a docstring into fields.

    >>> list(fields(["Reads.", "", "Args:", "    path: Where.", "        It is.", "", "Returns:", "    It: all."]))
    ['Reads.', '', ':param path: Where.', '        It is.', '', ':returns:', '    It: all.']
    """
    section = ""
    for line in lines:
        begins = _SECTION.match(line)
        if begins:
            section = begins[1]
            if section not in _FIELDS:
                yield f":{section.lower()}:"
            continue
        if line and not line.startswith(" "):
            section = ""
        entry = _ENTRY.match(line) if section in _FIELDS else None
        yield f":{_FIELDS[section]} {entry[2]}: {entry[3]}" if entry else line


def code(text: str) -> str:
    """Mark code as reStructuredText does.

    >>> code("`read` gives a :class:`Change`, or ``None``")
    '``read`` gives a :class:`Change`, or ``None``'
    """
    return _CODE.sub(lambda found: f"``{found[1]}``" + (f"\\ {found[2]}" if found[2] else ""), text)


def _process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    # Code may go on in the next line.
    lines[:] = code("\n".join(fields(lines))).split("\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}

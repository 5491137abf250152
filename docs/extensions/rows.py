"""Anchors for the rows of the reference's tables: each key, pattern, code and option can be linked to.

A row of a table with one of these headings gets the anchor HEADING-NAME for each name in its first cell, such as
`document.html#code-unknown-key`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.transforms import SphinxTransform

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEADINGS = frozenset({"key", "pattern", "code", "name", "match", "option", "field", "word", "verb", "member"})
_MARK = "¶"


def anchor(heading: str, name: str) -> str:
    """Write the anchor of a row.

    >>> anchor("code", "unknown-key"), anchor("option", "--max-body BYTES"), anchor("pattern", "https://*.example.com")
    ('code-unknown-key', 'option-max-body', 'pattern-https-any-example-com')
    """
    word = name.split(" ", 1)[0].replace("*", "any").replace("?", "one")
    return f"{heading}-{re.sub(r'[^a-z0-9_]+', '-', word.lower()).strip('-')}"


class RowAnchors(SphinxTransform):
    """Gives the rows their anchors."""

    default_priority = 500

    def apply(self, **_: Any) -> None:
        """Do it for all tables of a page."""
        known = set(self.document.ids)
        for table in self.document.findall(nodes.table):
            for heading, entry in _first_cells(table):
                self._mark(heading, entry, known)

    def _mark(self, heading: str, entry: nodes.entry, known: set[str]) -> None:
        names = [anchor(heading, literal.astext()) for literal in entry.findall(nodes.literal)]
        fresh = [name for name in dict.fromkeys(names) if name not in known]
        if not fresh:
            return
        known.update(fresh)
        entry["ids"] += fresh
        mark = nodes.reference("", _MARK, refid=fresh[0], classes=["row-link"], internal=True)
        paragraph = next(iter(entry.findall(nodes.paragraph)), entry)
        paragraph += mark


def _first_cells(table: nodes.table) -> Iterator[tuple[str, nodes.entry]]:
    """The first cell of each row, with the heading above it, of a table that has one of the headings."""
    heads = [row.children[0].astext() for head in table.findall(nodes.thead) for row in head.findall(nodes.row)]
    if len(heads) == 1 and heads[0] in HEADINGS:
        for body in table.findall(nodes.tbody):
            for row in body.findall(nodes.row):
                first = row.children[0]
                assert isinstance(first, nodes.entry)
                yield heads[0], first


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.add_transform(RowAnchors)
    return {"parallel_read_safe": True}

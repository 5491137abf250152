"""The contents in the margin of the site: what the four parts of index.md link to, in their order.

A page that no part names comes at the end of "Do".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

PARTS = ("Learn", "Do", "Look up", "Understand")
HOME = "index"
_PAGE = re.compile(r"\]\(([\w/-]+)\.md\)")


def contents(text: str, pages: Collection[str]) -> Iterator[str]:
    """Write the contents, as Markdown.

    Args:
        text: The page that has the parts.
        pages: The names of all pages.
    """
    parts = {part: _linked(text, part) for part in PARTS}
    listed = {page for linked in parts.values() for page in linked}
    parts["Do"] += sorted(set(pages) - listed - {HOME})
    for part, linked in parts.items():
        yield "\n".join(["```{toctree}", f":caption: {part}", ":hidden:", "", *linked, "```"])


def _linked(text: str, part: str) -> list[str]:
    section = text.partition(f"\n## {part}\n")[2].partition("\n## ")[0]
    return list(dict.fromkeys(_PAGE.findall(section)))


def _add(app: Sphinx, page: str, source: list[str]) -> None:
    if page == HOME:
        assert app.env is not None
        source[0] += "\n" + "\n\n".join(contents(source[0], app.env.found_docs))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True}

"""Links out of docs/, to files of the repository, which the site does not have: they lead to the repository."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY = "https://github.com/cors-service/cors-service/blob/main/"
# A link to a target that begins with `../`, as Markdown writes it.
_LINK = re.compile(r"(\]\()((?:\.\./)+)([^)\s#]*)")


def leading_out(text: str, page: str) -> str:
    """Rewrite the links of a page that lead out of docs/.

    Args:
        text: The page, as Markdown.
        page: Its name below docs/, without the ending.
    """
    depth = len(PurePosixPath(page).parts)

    def rewritten(link: re.Match[str]) -> str:
        return f"{link[1]}{REPOSITORY}{link[3]}" if link[2].count("../") == depth else link[0]

    return _LINK.sub(rewritten, text)


def _rewrite(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = leading_out(source[0], page)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register it."""
    app.connect("source-read", _rewrite)
    return {"parallel_read_safe": True}

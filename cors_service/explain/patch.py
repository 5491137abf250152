"""The difference of two texts, as `patch` applies it."""

from __future__ import annotations

import re
from difflib import unified_diff
from typing import Final

_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")
_UNENDED: Final = "\n\\ No newline at end of file\n"


def patch_of(name: str, before: str, after: str) -> str:
    """Write a unified diff.

    Args:
        name: The name of the document.
        before: Its text.
        after: The text that it is to have.
    """
    # `splitlines` would also part lines where TOML and JSON do not.
    lines = unified_diff(_LINE.findall(before), _LINE.findall(after), name, name)
    return "".join(line if line.endswith("\n") else line + _UNENDED for line in lines)

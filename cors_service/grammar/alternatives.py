"""Writes out the alternatives of an origin pattern: `https://{en,de}.example.com` stands for two origins."""

from __future__ import annotations

import itertools
import math
import re
from typing import Final

from cors_service.grammar._frame import refuse

MAX_ALTERNATIVES: Final = 256
"""Origins that one pattern may expand to."""

_COUNTED: Final = 1_000_000


def expand(text: str) -> list[str]:
    """Write out the alternatives of a pattern, each once.

    Raises:
        PolicyError: The braces are unbalanced, nested or without a choice, or stand for too many origins.
    """
    pieces = re.split(r"([{}])", text)
    choices: list[list[str]] = [[pieces[0]]]
    for position in range(1, len(pieces), 4):
        # A group is four pieces: "{", what it holds, "}", and the text that follows.
        group = pieces[position : position + 4]
        if len(group) < 4 or group[0] != "{" or group[2] != "}" or "," not in group[1]:
            what = "has braces that are not a list of alternatives."
            hint = (
                'Write each list as {first,second}, without another list in it, such as "https://{en,de}.example.com"; '
                'and what match binds in angle brackets: "https://<tenant>.example.com".'
            )
            refuse("alternatives-malformed", text, what, hint)
        choices += [group[1].split(","), [group[3]]]
    count = math.prod(map(len, choices))
    if count > MAX_ALTERNATIVES:
        written = count if count <= _COUNTED else f"more than {_COUNTED}"
        what = f"stands for {written} origins; at most {MAX_ALTERNATIVES} are allowed."
        refuse(
            "alternatives-too-many", text, what, "Split the pattern, or use a wildcard such as https://*.example.com."
        )
    return list(dict.fromkeys(map("".join, itertools.product(*choices))))

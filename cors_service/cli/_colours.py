"""Colours, where a person sees them: on a terminal, unless NO_COLOR says otherwise (https://no-color.org)."""

from __future__ import annotations

import os
from typing import Final, TextIO

GOOD: Final = "32"  # green
BAD: Final = "31"  # red


def painted(text: str, colour: str, stream: TextIO) -> str:
    """Give a text its colour if the stream shows colours.

    Args:
        text: The text.
        colour: `GOOD` or `BAD`.
        stream: Where the text will be written.
    """
    return f"\033[{colour}m{text}\033[0m" if _shows_colours(stream) else text


def _shows_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"

"""What went wrong, for a log."""

from __future__ import annotations

from typing import Final

from cors_service.grammar.mistakes import cut, shown

_LONGEST: Final = 300


def in_words(error: BaseException) -> str:
    """Say what went wrong, without a full stop, and so that whoever caused it can't forge or flood a log."""
    text = str(error).rstrip(".") or type(error).__name__
    return cut(text, _LONGEST) if text.isprintable() else shown(text, _LONGEST)

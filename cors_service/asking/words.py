"""What went wrong, for a log."""

from __future__ import annotations

from typing import Final

from cors_service.grammar.mistakes import cut, shown

_LONGEST: Final = 300


def in_words(error: BaseException) -> str:
    """Say what went wrong, without a full stop, so that its cause can't forge or flood the log."""
    text = str(error).rstrip(".") or type(error).__name__
    return cut(text, _LONGEST) if text.isprintable() else shown(text, _LONGEST)

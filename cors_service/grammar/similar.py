"""The known names, the one that was probably meant first."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

# Comparing takes time with the square of the length, and with the number of names.
_LONGEST: Final = 64
_MOST: Final = 1000

# What is looked at for a single guess, of those that have about the same length.
_LIKELY: Final = 100
_DIFFERENCE: Final = 3


def closest(name: str, known: Iterable[str]) -> str:
    """Give the known name that was probably meant by one which is not among them; nothing if none is close.

    Args:
        name: The unknown name, of any length.
        known: The known names; only so many are looked at that a guess takes milliseconds.
    """
    if len(name) > _LONGEST:
        return ""
    likely = (each for each in islice(known, 10 * _MOST) if abs(len(each) - len(name)) <= _DIFFERENCE)
    close = get_close_matches(name, islice(likely, _LIKELY), n=1)
    return close[0] if close else ""


def similar_first(name: str, known: Iterable[str]) -> list[str]:
    """List known names, those first that are close to a name which is not among them.

    Args:
        name: The unknown name, of any length.
        known: The known names; only the first thousand are looked at.
    """
    names = [each for each in islice(known, _MOST) if len(each) <= _LONGEST]
    close = get_close_matches(name, names) if len(name) <= _LONGEST else []
    return [*close, *sorted(set(names).difference(close))]

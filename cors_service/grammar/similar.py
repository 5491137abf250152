"""The known names, the one that was probably meant first."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

# Comparing takes time with the square of the length, and with the number of names.
_LONGEST: Final = 64
_MOST: Final = 1000


def similar_first(name: str, known: Iterable[str]) -> list[str]:
    """List known names, those first that are close to a name which is not among them.

    Args:
        name: The unknown name, of any length.
        known: The known names; only the first thousand are looked at.
    """
    names = [each for each in islice(known, _MOST) if len(each) <= _LONGEST]
    close = get_close_matches(name, names) if len(name) <= _LONGEST else []
    return [*close, *sorted(set(names).difference(close))]

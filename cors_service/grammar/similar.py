"""The known name that was probably meant."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Final

# Comparing takes time with the square of the length, and with the number of names.
_LONGEST: Final = 64
_MOST: Final = 1000
_AROUND: Final = 100


def similar_first(name: str, known: Iterable[str]) -> list[str]:
    """List known names, those first that are close to a name which is not among them.

    Args:
        name: The unknown name, of any length.
        known: The known names; only the first thousand are looked at.
    """
    names = [each for each in islice(known, _MOST) if len(each) <= _LONGEST]
    close = get_close_matches(name, names) if len(name) <= _LONGEST else []
    return [*close, *sorted(set(names).difference(close))]


def nearest(name: str, known: Sequence[str]) -> str | None:
    """Find the name that is most like one which is not known.

    Args:
        name: The unknown name, of any length.
        known: The known names, in the order of the alphabet; only those are looked at that stand near the unknown one.
    """
    place = bisect_left(known, name)
    names = [each for each in known[max(0, place - _AROUND) : place + _AROUND] if len(each) <= _LONGEST]
    close = get_close_matches(name, names, n=1, cutoff=0.5) if len(name) <= _LONGEST else []
    return close[0] if close else None

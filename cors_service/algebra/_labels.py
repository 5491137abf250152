"""Divides the labels before a suffix by the globs that cover them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import count, islice
from typing import Final

from cors_service.algebra._addresses import TooMany

_FREE: Final = "xzqvjkywbghdfmpucltnrsiaoe0123456789-"
_CANDIDATES: Final = 200
MOST_LABELS: Final = 20_000
"""Beyond a few for each glob: some seconds."""
_MOST_TRIED: Final = 2_000_000
"""Comparisons of two ends, a second or less."""


def labels(
    globs: Collection[tuple[str, str]], changed: Collection[tuple[str, str]] | None, is_known: Callable[[str], bool]
) -> Iterator[str]:
    """Give a label of each class that globs tell apart.

    A label begins with the beginnings of some globs and ends with the ends of some. All depends on the longest of
    both, on whether these overlap and by how much, and if not, on whether something is between them. With an underscore
    there, it has none of the globs, as most labels have none.

    Args:
        globs: What the labels of each begin and end with.
        changed: Those of them that a label must have; None if it can be any label.
        is_known: Says of a label whether it is to be passed over, because its host stands for itself alone.

    Raises:
        TooMany: There are too many.
    """
    befores = {"", *(before for before, _ in globs)}
    behinds = {"", *(behind for _, behind in globs)}
    pairs = _pairs(globs)
    if changed is not None:
        wanted = _by_before(changed)
        pairs = {pair for pair in pairs if _has_both(wanted, *pair)}
    after, ahead = _following(befores), _following([behind[::-1] for behind in behinds])
    for before, behind in sorted(pairs):
        for overlap in range(min(len(before), len(behind)) + 1):
            label = before + behind[overlap:]
            if label and before.endswith(behind[:overlap]) and not is_known(label):
                yield label
        first = _FREE.translate(dict.fromkeys(after.get(before, ())))
        last = _FREE.translate(dict.fromkeys(ahead.get(behind[::-1], ())))
        if first and last:
            texts = (f"{before}{first[0]}{middle}{last[0]}{behind}" for middle in _middles())
            yield from islice((text for text in islice(texts, _CANDIDATES) if not is_known(text)), 1)


def _pairs(globs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """The beginnings and ends of labels that are the longest of the globs that cover a label; of none, if none does.

    The glob with the longest beginning then ends in a part of the longest end, and the one with the longest end begins
    with a part of the longest beginning. There are about as many as globs, unless these overlap.

    Raises:
        TooMany: There are too many.
    """
    by_before = _by_before(globs)
    pairs = {("", "")}
    tried = 0
    for before, behind in globs:
        for length in range(len(before) + 1):
            for end in by_before.get(before[:length], ()):
                tried += 1
                if end.endswith(behind):
                    pairs.add((before, end))
                if len(pairs) > MOST_LABELS + 2 * len(globs) or tried > _MOST_TRIED:
                    raise TooMany
    return pairs


def _by_before(globs: Iterable[tuple[str, str]]) -> dict[str, dict[str, None]]:
    found: dict[str, dict[str, None]] = {}
    for before, behind in globs:
        found.setdefault(before, {})[behind] = None
    return found


def _has_both(by_before: Mapping[str, Iterable[str]], before: str, behind: str) -> bool:
    """Whether one of some globs begins and ends with parts of these."""
    return any(behind.endswith(end) for length in range(len(before) + 1) for end in by_before.get(before[:length], ()))


def _following(texts: Collection[str]) -> dict[str, set[int]]:
    """The characters after each of some texts in those that begin with it."""
    found: dict[str, set[int]] = {text: set() for text in texts}
    for text in texts:
        for length, char in enumerate(text):
            if text[:length] in found:
                found[text[:length]].add(ord(char))
    return found


def _middles() -> Iterator[str]:
    yield ""
    yield from (f"q{number}" for number in count())

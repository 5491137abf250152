"""Divides the labels before a suffix by the globs that cover them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import count, islice
from typing import Final

_FREE: Final = "xzqvjkywbghdfmpucltnrsiaoe0123456789-"
_CANDIDATES: Final = 200


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
    """
    befores = sorted({"", *(before for before, _ in globs)})
    behinds = sorted({"", *(behind for _, behind in globs)})
    pairs = {(before, behind) for before in befores for behind in behinds} if changed is None else set()
    for start, end in changed or ():
        pairs.update(
            (before, behind)
            for before in befores
            if before.startswith(start)
            for behind in behinds
            if behind.endswith(end)
        )
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

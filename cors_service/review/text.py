"""What a change of policies lets through, for somebody who has never seen this: a line for each difference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from cors_service.algebra import Comparison, Difference
from cors_service.review.words import ANY_SERVICE, answer_in_words, changed_headers, curl_for, query_in_words

MEANINGS: Final = {
    "wider": "pages may do what they may not do now",
    "narrower": "pages may no longer do what they do now",
    "other": "what pages may do stays, and something else changes",
}


def in_text(comparison: Comparison, old: str, new: str, service: str | None = None) -> str:
    """Write a comparison for a terminal.

    Args:
        comparison: What was found.
        old: What the first set was read from.
        new: What the second set was read from.
        service: The address of a service with either set; None if there is none.
    """
    if not comparison.differences and not comparison.unknown:
        return f"{old} and {new} decide alike about every request."
    parts = [f"What changes from {old} to {new}:"]
    parts += [_difference(one, service or ANY_SERVICE) for one in comparison.differences]
    parts += [f"UNKNOWN   {one.policy}: {one.sentence}" for one in comparison.unknown]
    return "\n\n".join([*parts, "\n".join(_summary(comparison))])


def _difference(one: Difference, service: str) -> str:
    rows = (
        ("request", query_in_words(one.witness)),
        ("before", answer_in_words(one.before)),
        ("after", answer_in_words(one.after)),
        *changed_headers(one.before, one.after),
        ("see it", curl_for(one.witness, service)),
    )
    first = f"{one.direction.upper():<8}  {one.policy}: {one.sentence}"
    return "\n".join([first, *(f"  {name:<8}{text}" for name, text in rows)])


def counted(comparison: Comparison) -> str:
    """Count the differences by their direction."""
    counts = Counter[str](one.direction for one in comparison.differences)
    parts = [f"{counts[direction]} {direction}" for direction in MEANINGS if counts[direction]]
    parts += [f"{len(comparison.unknown)} unknown, which count as wider"] if comparison.unknown else []
    total = len(comparison.differences)
    return f"{total} {'difference' if total == 1 else 'differences'}: {', '.join(parts)}"


def _summary(comparison: Comparison) -> Iterator[str]:
    directions = {one.direction for one in comparison.differences}
    yield f"{counted(comparison)}."
    for direction, meaning in MEANINGS.items():
        if direction in directions:
            yield f"  {direction}: {meaning}"
    yield f"Each request above is an example. `see it` asks a service, such as one at {ANY_SERVICE}."

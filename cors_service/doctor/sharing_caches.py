"""Whether caches can give one origin the answer that was made for another, and whether one does."""

from __future__ import annotations

from typing import Final

from cors_service.browser.headers import byte_lowercase, values_of
from cors_service.doctor.exchanges import Answer, Exchange, Role

_ONE_AFTER_ANOTHER: Final = (Role.FRESH_NO_ORIGIN, Role.FRESH_STRANGER, Role.FRESH_AGAIN, Role.FRESH_NULL)


def without_vary(by_role: dict[Role, Exchange]) -> list[Exchange]:
    """Give the answers that depend on the Origin, and may be kept, without saying that they depend on it.

    Args:
        by_role: The exchanges.

    Returns:
        Those that lack `Vary: Origin`, and one that shows that they depend; none if nothing is wrong.
    """
    answered = [
        exchange
        for role in (Role.ACTUAL, Role.FRESH_NO_ORIGIN, Role.FRESH_STRANGER)
        if (exchange := by_role.get(role)) is not None and exchange.answer is not None
    ]
    if len({exchange.answer.status for exchange in answered if exchange.answer}) != 1:
        return []
    first = answered[0]
    other = next((exchange for exchange in answered if exchange.allowed_origin != first.allowed_origin), None)
    lacking = [exchange for exchange in answered if exchange.answer is not None and _may_be_mixed_up(exchange.answer)]
    if other is None or not lacking or first.question.role is not Role.ACTUAL:
        return []
    return [*lacking, *(each for each in (first, other) if each not in lacking)]


def mixed_up(by_role: dict[Role, Exchange]) -> list[Exchange]:
    """Give the answers that show that a cache gave one origin what was made for another; none if it did not."""
    actual, *fresh = (by_role.get(role) for role in (Role.ACTUAL, *_ONE_AFTER_ANOTHER))
    if actual is None or any(exchange is None or exchange.answer is None for exchange in (actual, *fresh)):
        return []
    nobody, other, again, null = (exchange for exchange in fresh if exchange is not None)
    statuses = {exchange.answer.status for exchange in (actual, nobody, other, again) if exchange.answer is not None}
    if len(statuses) != 1:
        return []
    # The page asked twice, the second time for a URL that others had asked for before.
    if again.grants != actual.grants and "*" not in {again.allowed_origin, actual.allowed_origin}:
        return [actual, again] if actual.grants else [again, actual]
    # Who came before the page was not given its origin, who came after it was.
    if again.grants and null.allowed_origin == again.allowed_origin != other.allowed_origin:
        return [other, null]
    return []


def _may_be_mixed_up(answer: Answer) -> bool:
    names = {byte_lowercase(name.strip(" \t")) for line in values_of(answer.lines, "vary") for name in line.split(",")}
    kept = "no-store" not in byte_lowercase(answer.get("cache-control") or "")
    return kept and not names & {"origin", "*"}

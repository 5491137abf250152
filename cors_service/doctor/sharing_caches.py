"""Whether caches can give one origin the answer that was made for another, and whether one does."""

from __future__ import annotations

from typing import Final

from cors_service.browser.headers import byte_lowercase, values_of
from cors_service.doctor.exchanges import Answer, Exchange, Role
from cors_service.doctor.layers import CACHES

_BLANKS: Final = " \t"
_ONE_AFTER_ANOTHER: Final = (Role.FRESH_NO_ORIGIN, Role.FRESH_STRANGER, Role.FRESH_AGAIN, Role.FRESH_NULL)


def without_vary(by_role: dict[Role, Exchange]) -> list[Exchange]:
    """Give the answers that depend on the Origin, may be given to others, and do not say that they depend on it.

    Args:
        by_role: The exchanges.

    Returns:
        Those that lack `Vary: Origin`, and one that shows that they depend; none if nothing is wrong.
    """
    asked = [by_role.get(role) for role in (Role.ACTUAL, Role.FRESH_NO_ORIGIN, Role.FRESH_STRANGER)]
    answered = [exchange for exchange in asked if exchange is not None and exchange.answer is not None]
    if not answered or answered[0].question.role is not Role.ACTUAL:
        return []
    page, others = answered[0], answered[1:]
    different = [other for other in others if other.allowed_origin != page.allowed_origin]
    if len({exchange.answer.status for exchange in answered if exchange.answer}) != 1 or not different:
        return []
    lacking = [other for other in others if _blocks(other, page)]
    if _lacks_vary(page):
        lacking = [page, *lacking]
    if not lacking:
        return []
    return [*lacking, *(each for each in (page, different[0]) if each not in lacking)]


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


def _blocks(other: Exchange, page: Exchange) -> bool:
    """Whether a cache may give the page what was made for others, and the page can't read that."""
    readable = other.allowed_origin in {page.allowed_origin, "*"}
    return not readable and _lacks_vary(other) and other.answer is not None and _may_be_kept(other.answer)


def _lacks_vary(exchange: Exchange) -> bool:
    answer = exchange.answer
    if answer is None:
        return False
    names = {
        byte_lowercase(name.strip(_BLANKS)) for line in values_of(answer.lines, "vary") for name in line.split(",")
    }
    return "no-store" not in _cache_control(answer) and not names & {"origin", "*"}


def _may_be_kept(answer: Answer) -> bool:
    """Whether caches reuse an answer without being told to: https://www.rfc-editor.org/rfc/rfc9111#section-4.2."""
    named = any(word in _cache_control(answer) for word in ("max-age", "s-maxage", "public", "immutable"))
    return named or any(answer.get(name) is not None for name in ("expires", "last-modified", *CACHES))


def _cache_control(answer: Answer) -> str:
    return byte_lowercase(answer.get("cache-control") or "")

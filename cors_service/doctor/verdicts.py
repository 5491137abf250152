"""What a browser makes of the answers to a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from cors_service.browser import Behaviour, Failure, Request, Verdict, console_lines, cors_check, preflight_check
from cors_service.browser.headers import byte_lowercase, values_of
from cors_service.doctor.exchanges import CREDENTIALS, Answer, Exchange
from cors_service.doctor.visit import after_redirect

_HEADERS: Final = {
    "acao": "access-control-allow-origin",
    "acac": CREDENTIALS,
    "acam": "access-control-allow-methods",
    "acah": "access-control-allow-headers",
}
"""The headers of steps, by the beginnings of their codes."""


def verdict_of(exchange: Exchange, engine: Behaviour) -> Verdict | None:
    """What a browser makes of an answer to the page; None if it is not one, or there was none."""
    answer = exchange.answer
    if answer is None or not exchange.question.role.is_of_page:
        return None
    return _judged(exchange, answer, exchange.question.request, engine)


def is_readable(exchanges: Sequence[Exchange], engine: Behaviour = Behaviour.CHROMIUM) -> bool | None:
    """Say whether a page would read the answer; None if a redirect leads to where nobody asked."""
    asked = of_page(exchanges)
    for exchange in asked:
        verdict = verdict_of(exchange, engine)
        if not _says_nothing(exchange) and (verdict is None or not verdict.allowed):
            return False
    if not asked:
        return False
    if asked[-1].answer is None or asked[-1].answer.location is None:
        return True
    return False if astray(asked[-1], asked) else None


def of_page(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Give what the page's own browser would ask."""
    return [exchange for exchange in exchanges if exchange.question.role.is_of_page]


def astray(exchange: Exchange, asked: Sequence[Exchange]) -> str:
    """Say why browsers do not follow a redirect; empty if they do, or there is none.

    Args:
        exchange: What came of a request of the page.
        asked: All that the page's browser would ask.
    """
    if exchange.answer is None or exchange.answer.location is None or exchange.question.role.is_preflight_of_page:
        return ""
    following = after_redirect(exchange.question.request, exchange)
    if following is None:
        return "It redirects to what is not the URL of a site, or to one with a password."
    before = [each.question.request for each in asked[: asked.index(exchange) + 1]]
    return "It redirects in a circle." if following in before else ""


def objections(exchange: Exchange, page: Request, engine: Behaviour) -> Iterator[tuple[Verdict, str]]:
    """Judge an answer for the page, and once more for one with cookies if the answer speaks of them.

    Args:
        exchange: What came of a request of the page.
        page: The page's first request.
        engine: The browser.

    Yields:
        What the standard says, and what the browser prints.
    """
    request, answer = exchange.question.request, exchange.answer
    if answer is None:
        return
    # `false` says what leaving the header out says.
    offers = byte_lowercase(answer.get(CREDENTIALS) or "false") != "false"
    for credentials in sorted({request.credentials, request.credentials or offers}):
        asked = replace(request, credentials=credentials)
        verdict = _judged(exchange, answer, asked, Behaviour.STANDARD)
        seen = _judged(exchange, answer, asked, engine)
        yield verdict, printed(exchange, verdict if seen.allowed else seen, page, engine)


def printed(exchange: Exchange, verdict: Verdict, page: Request, engine: Behaviour) -> str:
    """Give what a browser's console prints about an answer that it does not give to the page."""
    question, answer = exchange.question, exchange.answer
    name = _HEADERS.get(verdict.step.value[:4], "")
    failure = Failure(
        verdict.step,
        question.url,
        page.origin,
        verdict.value,
        preflight=question.role.is_preflight_of_page,
        status=None if answer is None else answer.status,
        redirected_from=page.url if question.role.is_redirected else None,
        repeated=answer is not None and len(values_of(answer.lines, name)) > 1,
    )
    return "\n".join(console_lines(engine, failure))


def _judged(exchange: Exchange, answer: Answer, request: Request, engine: Behaviour) -> Verdict:
    if exchange.question.role.is_preflight_of_page:
        return preflight_check(request, answer.status, answer.lines, engine)
    return cors_check(request, answer.lines)


def _says_nothing(exchange: Exchange) -> bool:
    """Whether it is the error of a GET in the place of another method, which may not exist."""
    is_error = exchange.answer is not None and exchange.answer.status >= 400
    return is_error and exchange.question.is_stand_in and exchange.allowed_origin is None

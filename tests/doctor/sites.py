"""Sites in memory: functions from a question to an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from cors_service.browser import Request
from cors_service.doctor.exchanges import Answer, Exchange, Question
from cors_service.doctor.judging import Diagnosis, diagnose
from cors_service.doctor.visit import MOST, visit

PAGE: Final = "https://app.example.com"
URL: Final = "https://api.example.net/orders/7"

Site: TypeAlias = Callable[[Question], Answer | None]
Headers: TypeAlias = dict[str, str]


def request(method: str = "GET", *headers: tuple[str, str], origin: str = PAGE, credentials: bool = False) -> Request:
    """The request of a page."""
    return Request(origin, URL, "https://api.example.net", method, headers, credentials)


def visited(page: Request, site: Site, *, sends: bool = False, follows: bool = False) -> list[Exchange]:
    """Visit a site."""
    plan = visit(page, "mark", sends=sends, follows=follows)
    done: list[Exchange] = []
    question = next(plan)
    while True:
        answer = site(question)
        done.append(Exchange(question, answer, "" if answer else "It closes the connection."))
        try:
            question = plan.send(done[-1])
        except StopIteration:
            return done
        if len(done) == MOST:
            return done


def diagnosed(page: Request, site: Site) -> Diagnosis:
    """Say what is wrong with a site."""
    return diagnose(page, visited(page, site))


def answer(status: int = 200, headers: Headers | None = None, *lines: tuple[str, str]) -> Answer:
    """An answer, with a space behind each colon."""
    given = [(name, f" {value}") for name, value in (headers or {}).items()]
    return Answer(status, "", (*given, *((name, f" {value}") for name, value in lines)))


def granted(origin: str, more: Headers | None = None) -> Headers:
    """What a good site says to an origin that it allows."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": "GET, PUT, DELETE",
        "Access-Control-Allow-Headers": "Content-Type, X-Shop, Authorization",
        "Vary": "Origin",
        **(more or {}),
    }


def listing(*allowed: str, more: Headers | None = None, missing: int = 404) -> Site:
    """A good site that allows some origins."""

    def respond(question: Question) -> Answer:
        headers = granted(question.origin, more) if question.origin in allowed else {"Vary": "Origin"}
        return answer(_status(question, missing), headers)

    return respond


def saying(headers: Headers, *lines: tuple[str, str], preflight: int = 204) -> Site:
    """A site that says the same to all."""
    return lambda question: answer(preflight if question.method == "OPTIONS" else _status(question), headers, *lines)


def judging(is_allowed: Callable[[str], bool], more: Headers | None = None) -> Site:
    """A site that allows the origins of a function."""

    def respond(question: Question) -> Answer:
        origin = question.origin
        headers = granted(origin, more) if origin is not None and is_allowed(origin) else {"Vary": "Origin"}
        return answer(_status(question), headers)

    return respond


def _status(question: Question, missing: int = 404) -> int:
    if question.method == "OPTIONS":
        return 204
    return missing if question.role == "error" else 200

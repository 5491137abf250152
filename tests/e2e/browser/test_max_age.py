"""Browsers ask again, or not, as the decided Access-Control-Max-Age and the model of their caches say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from cors_service.browser import Behaviour, Request, cors_check, preflight_check, preflight_headers
from cors_service.browser.browsers import ENGINES
from cors_service.browser.headers import HeaderLines
from cors_service.browser.preflights import sent_preflights
from cors_service.browser.request import actual_headers
from tests.e2e.daemons import wait_for

from .cases import Case, Table
from .engines import Browser, running_engine
from .prediction import Service, answer_lines, request_of
from .setting import Application, attempt, attempt_in
from .webdriver import Chromium

ONE, TWO, OTHER = (("x-app-one", "1"),), (("x-app-two", "2"),), (("x-app-other", "3"),)
PUT = {"method": "PUT"}
SEQUENCES: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "again": ("kept", [PUT, PUT, PUT]),
    "another method and other headers of the lists": (
        "kept",
        [PUT, {"method": "DELETE"}, PUT | {"headers": ONE + TWO}],
    ),
    "a header first, a method later": ("kept", [{"headers": ONE}, PUT | {"headers": TWO}]),
    "credentials later": ("kept", [PUT, PUT | {"credentials": "include"}, PUT]),
    "credentials first": ("kept", [PUT | {"credentials": "include"}, PUT, {"headers": ONE}]),
    "another page": ("kept", [PUT, PUT | {"page": "admin"}]),
    "another URL": ("kept", [PUT, PUT | {"query": "&other"}, PUT]),
    "another context": ("kept", [PUT, PUT | {"context": "worker"}, PUT | {"context": "srcdoc"}]),
    "what is not granted": ("kept", [PUT, {"method": "PATCH"}, {"headers": OTHER}]),
    "what needs no preflight": ("kept", [{}, {"method": "POST"}, {"method": "HEAD"}]),
    "a method of any": ("kept-public", [PUT, PUT, {"method": "DELETE"}]),
    "a header of any": ("prefix", [{"headers": ONE}, {"headers": ONE}, {"headers": ONE + TWO}]),
    "fewer headers": ("prefix", [{"headers": ONE + TWO}, {"headers": TWO}, {"headers": ONE}]),
    "null": ("kept-public", [PUT | {"context": "sandbox"}, PUT | {"context": "data"}, PUT | {"context": "sandbox"}]),
    "zero": ("not-kept", [PUT, PUT, PUT]),
    "no header": ("kept-by-default", [PUT, PUT]),
    "a method of any, and back": ("kept-public", [PUT, {"method": "DELETE"}, PUT]),
    "a header of any, and back": ("prefix", [{"headers": ONE}, {"headers": TWO}, {"headers": ONE}]),
    "a method refused, and back": ("kept", [PUT, {"method": "PATCH"}, PUT]),
    "a header refused, and back": ("kept", [PUT, {"headers": OTHER}, PUT]),
    "an answer refused, and back": ("kept", [PUT, {"method": "POST"}, PUT]),
    "a time that is over": ("kept-briefly", [PUT, PUT | {"after": 1.1}]),
    "five seconds that are over": ("kept-by-default", [PUT, PUT, PUT | {"after": 5.1}]),
}
"""Requests that are made one after another, to one URL of a policy; `after` so many seconds, if need be."""

numbers = count()


class Decided:
    """What the application answers: as the service decides."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def preflight(self, request: Request) -> tuple[int, HeaderLines]:
        """Ask about the preflight of a request."""
        decision = self._service.decide(request.url, "OPTIONS", preflight_headers(request))
        return decision["status"], decision["headers"]

    def actual(self, request: Request) -> HeaderLines:
        """Ask about the request itself."""
        return answer_lines(self._service.decide(request.url, request.method, actual_headers(request)), 200)


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.value)
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser of each engine."""
    if request.param is Behaviour.CHROMIUM:
        yield request.getfixturevalue("chromium")
        return
    with running_engine(request.param, tmp_path_factory.mktemp(request.param.value)) as running:
        yield running


def make(application: Application, policy: str, page: str = "app", query: str = "", **what: Any) -> Case:
    """Make a case with the URL of one sequence."""
    table = Table(application.ports)
    case = Case("max-age", policy, getattr(table, page), (f"{table.api}/{policy}/things?{query}",))
    return replace(case, **what)


def made(
    name: str, browser: Browser, application: Application, outcomes: list[tuple[bool, bool]]
) -> Iterator[tuple[float, Request]]:
    """Make the requests of a sequence.

    Args:
        name: Which.
        browser: Who makes them.
        application: Whom they are made to.
        outcomes: Takes for each whether there was a preflight, and whether the page read the answer.

    Yields:
        The time at which each was received, and the request.
    """
    policy, steps = SEQUENCES[name]
    sequence = f"sequence={next(numbers)}"
    page, ended = "", 0.0
    for step in steps:
        due = ended + step.get("after", 0)
        wait_for(lambda: time.monotonic() >= due, "the time between two requests")  # noqa: B023 - called at once
        what = {key: value for key, value in step.items() if key != "after"}
        case = make(application, policy, **{**what, "query": sequence + what.get("query", "")})
        if case.page != page:
            browser.open(f"{(page := case.page)}/_page")
        application.take_log()
        what = {"url": case.urls[0], "method": case.method, "headers": case.headers, "credentials": case.credentials}
        [result] = attempt_in(browser, case.context, [what])
        ended = time.monotonic()
        received = [entry for entry in application.take_log() if entry["url"] == case.urls[0]]
        outcomes.append(("OPTIONS" in [entry["method"] for entry in received], result["read"]))
        yield received[0]["time"], request_of(case)


def go_through(
    name: str, browser: Browser, application: Application, service: Service
) -> tuple[list[tuple[bool, bool]], list[tuple[bool, bool]]]:
    """Make the requests of a sequence.

    Returns:
        For each request whether a preflight was sent and the answer read: as the model says, and in the browser.
    """
    decided, requests = Decided(service), list[Request]()
    actual = list[tuple[bool, bool]]()

    def timed() -> Iterator[tuple[float, Request]]:
        for at, request in made(name, browser, application, actual):
            requests.append(request)
            yield at, request

    asked = list(sent_preflights(timed(), decided, browser.engine))
    expected = []
    for asks, request in zip(asked, requests, strict=True):
        passes = not asks or preflight_check(request, *decided.preflight(request), browser.engine).allowed
        expected.append((asks, passes and cors_check(request, decided.actual(request)).allowed))
    return expected, actual


@pytest.mark.parametrize("name", SEQUENCES)
def test_kept_answers_prevent_preflights(
    name: str, browser: Browser, application: Application, service: Service
) -> None:
    """A preflight is sent where nothing kept allows the request, and only there."""
    expected, actual = go_through(name, browser, application, service)
    assert expected == actual


def test_a_longer_max_age_is_found_out(browser: Browser, application: Application, service: Service) -> None:
    """An application that lets preflights be kept for longer than decided does not agree with the model."""
    application.change(fault="longer_max_age")
    expected, actual = go_through("zero", browser, application, service)
    assert expected == [(True, True)] * 3
    assert actual == [(True, True), (False, True), (False, True)]


def test_preflights_are_repeated_when_the_time_is_over(chromium: Chromium, application: Application) -> None:
    """As soon as max-age is over, and not before, the browser sends another preflight."""
    case = make(application, "kept-briefly", query=f"sequence={next(numbers)}", method="PUT")
    times: list[float] = []

    def asked_twice() -> bool:
        [outcome] = attempt(chromium, application, [case])
        assert outcome.result["read"]
        times.extend(entry["time"] for entry in outcome.received if entry["method"] == "OPTIONS")
        return len(times) == 2

    wait_for(asked_twice, "a second preflight")
    assert 1 - 0.1 < times[1] - times[0] < 1 + 10

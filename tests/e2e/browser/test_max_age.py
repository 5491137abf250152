"""The browser asks again, or not, as the decided Access-Control-Max-Age says."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from cors_service.browser import Behaviour, fetch_verdict, preflight_headers
from cors_service.browser.cache import CacheEntry, preflight_cache_after, satisfied_by_cache
from cors_service.browser.request import actual_headers

from .cases import Case, Table
from .prediction import Service, answer_lines, request_of
from .processes import wait_for
from .setting import Application, attempt
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
}
"""Requests that are made one after another, to one URL of a policy."""

numbers = count()


def make(application: Application, policy: str, page: str = "app", query: str = "", **what: Any) -> Case:
    """Make a case with the URL of one sequence."""
    table = Table(application.ports)
    case = Case("max-age", policy, getattr(table, page), (f"{table.api}/{policy}/things?{query}",))
    return replace(case, **what)


def go_through(
    name: str, chromium: Chromium, application: Application, service: Service
) -> tuple[list[tuple[bool, bool]], list[tuple[bool, bool]]]:
    """Make the requests of a sequence.

    Returns:
        For each request whether a preflight was sent and the answer read: as the model says, and in the browser.
    """
    policy, steps = SEQUENCES[name]
    sequence = f"sequence={next(numbers)}"
    kept: tuple[CacheEntry, ...] = ()
    expected, actual = [], []
    for step in steps:
        case = make(application, policy, **{**step, "query": sequence + step.get("query", "")})
        request = request_of(case)
        asks = not satisfied_by_cache(request, kept, behaviour=Behaviour.CHROMIUM)
        decision = service.decide(request.url, "OPTIONS", preflight_headers(request))
        answer = decision["status"], decision["headers"]
        lines = answer_lines(service.decide(request.url, request.method, actual_headers(request)), 200)
        verdict = fetch_verdict(request, lines, answer, kept, behaviour=Behaviour.CHROMIUM)
        if asks:
            kept = preflight_cache_after(request, *answer, kept, behaviour=Behaviour.CHROMIUM)
        expected.append((asks, verdict.allowed))
        [outcome] = attempt(chromium, application, [case])
        actual.append(("OPTIONS" in [entry["method"] for entry in outcome.received], outcome.result["read"]))
    return expected, actual


@pytest.mark.parametrize("name", SEQUENCES)
def test_kept_answers_prevent_preflights(
    name: str, chromium: Chromium, application: Application, service: Service
) -> None:
    """A preflight is sent where nothing kept allows the request, and only there."""
    expected, actual = go_through(name, chromium, application, service)
    assert expected == actual


def test_a_longer_max_age_is_found_out(chromium: Chromium, application: Application, service: Service) -> None:
    """An application that lets preflights be kept for longer than decided does not agree with the model."""
    application.change(fault="longer_max_age")
    expected, actual = go_through("zero", chromium, application, service)
    assert expected == [(True, True)] * 3
    assert actual == [(True, True), (False, True), (False, True)]


@pytest.mark.parametrize(("policy", "seconds"), [("kept-briefly", 1), ("kept-by-default", 5)])
def test_preflights_are_repeated_when_the_time_is_over(
    policy: str, seconds: int, chromium: Chromium, application: Application
) -> None:
    """As soon as max-age is over, and not before, the browser sends another preflight."""
    case = make(application, policy, query=f"sequence={next(numbers)}", method="PUT")
    times: list[float] = []

    def asked_twice() -> bool:
        [outcome] = attempt(chromium, application, [case])
        assert outcome.result["read"]
        times.extend(entry["time"] for entry in outcome.received if entry["method"] == "OPTIONS")
        return len(times) == 2

    wait_for(asked_twice, "a second preflight")
    assert seconds - 0.1 < times[1] - times[0] < seconds + 10

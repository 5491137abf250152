"""Tests of the model of the preflight cache over time; tests/e2e/browser checks it against real browsers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cors_service.browser import Behaviour, Request
from cors_service.browser.cache import preflight_max_age
from cors_service.browser.headers import HeaderLines
from cors_service.browser.preflights import PreflightCache, sent_preflights

PAGE, URL = "https://app.example.com", "https://api.example.com/things"
ENGINES = (Behaviour.CHROMIUM, Behaviour.FIREFOX, Behaviour.WEBKIT)


class Granting:
    """Answers by a list of methods and one of headers, which are kept for some seconds."""

    def __init__(self, methods: str = "GET, PUT, DELETE", headers: str = "x-one, x-two", max_age: str = "100") -> None:
        self._methods = methods
        self._lines = [
            ("Access-Control-Allow-Methods", methods),
            ("Access-Control-Allow-Headers", headers),
            ("Access-Control-Max-Age", max_age),
        ]

    def preflight(self, request: Request) -> tuple[int, HeaderLines]:
        """Allow what is listed."""
        return 204, [*self._allow(request), *self._lines]

    def actual(self, request: Request) -> HeaderLines:
        """Let answers to listed methods be read."""
        return self._allow(request) if request.method in self._methods else []

    def _allow(self, request: Request) -> list[tuple[str, str]]:
        return [("Access-Control-Allow-Origin", request.origin), ("Access-Control-Allow-Credentials", "true")]


def request(method: str = "PUT", *headers: str, **more: Any) -> Request:
    """Make a request of the page."""
    return Request(PAGE, URL, method=method, headers=tuple((name, "1") for name in headers), **more)


def asks(behaviour: Behaviour, *timed: tuple[float, Request], **granted: str) -> list[bool]:
    """Say before which requests there is a preflight."""
    return list(sent_preflights(timed, Granting(**granted), behaviour))


@pytest.mark.parametrize("behaviour", Behaviour)
def test_time(behaviour: Behaviour) -> None:
    """An answer is good until its time is over, counted from the preflight and not from its last use."""
    times = [0, 1, 99, 99.9, 100, 101, 199.9, 200]
    expected = [True, False, False, False, True, False, False, True]
    assert asks(behaviour, *((at, request()) for at in times)) == expected


@pytest.mark.parametrize(
    ("behaviour", "cap"), [(Behaviour.CHROMIUM, 7200), (Behaviour.FIREFOX, 86400), (Behaviour.WEBKIT, 600)]
)
def test_caps(behaviour: Behaviour, cap: int) -> None:
    """No browser keeps an answer for longer than its cap."""
    assert asks(behaviour, (0, request()), (cap - 1, request()), (cap, request()), max_age="999999") == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("behaviour", ENGINES)
def test_safelisted_requests(behaviour: Behaviour) -> None:
    """What needs no preflight has none, whatever is kept; nor has what a page asks of its own origin."""
    own = Request(PAGE, f"{PAGE}/things", PAGE, method="PUT")
    assert asks(behaviour, (0, request("GET")), (1, request("POST")), (2, own)) == [False] * 3


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [(Behaviour.CHROMIUM, False), (Behaviour.FIREFOX, True), (Behaviour.WEBKIT, False), (Behaviour.STANDARD, False)],
)
def test_credentials_first(behaviour: Behaviour, expected: bool) -> None:
    """What came with credentials is good without them, but not in Firefox."""
    assert asks(behaviour, (0, request(credentials=True)), (1, request())) == [True, expected]


@pytest.mark.parametrize("behaviour", Behaviour)
def test_credentials_later(behaviour: Behaviour) -> None:
    """What came without credentials is not good with them."""
    assert asks(behaviour, (0, request()), (1, request(credentials=True))) == [True, True]


@pytest.mark.parametrize("behaviour", Behaviour)
def test_lists(behaviour: Behaviour) -> None:
    """All methods and headers of an answer are kept, asked for or not."""
    timed = [
        (0, request()),
        (1, request("DELETE")),
        (2, request("PUT", "x-one", "x-two")),
        (3, request("GET", "x-two")),
    ]
    assert asks(behaviour, *timed) == [True, False, False, False]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [(Behaviour.CHROMIUM, False), (Behaviour.WEBKIT, False), (Behaviour.FIREFOX, True), (Behaviour.STANDARD, True)],
)
def test_an_answer_that_is_refused(behaviour: Behaviour, expected: bool) -> None:
    """After the answer to a request itself is refused, the standard and Firefox ask again."""
    timed = [(0, request()), (1, request("POST")), (2, request())]
    assert asks(behaviour, *timed) == [True, False, expected]


@pytest.mark.parametrize("behaviour", Behaviour)
def test_a_preflight_that_is_refused(behaviour: Behaviour) -> None:
    """After a preflight is refused, nothing is left of what was kept."""
    timed = [(0, request()), (1, request("PATCH")), (2, request())]
    assert asks(behaviour, *timed) == [True, True, True]


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [(Behaviour.CHROMIUM, True), (Behaviour.WEBKIT, True), (Behaviour.FIREFOX, False), (Behaviour.STANDARD, False)],
)
def test_opaque_origins(behaviour: Behaviour, expected: bool) -> None:
    """What an opaque origin gets is for itself alone, but in the standard and in Firefox for all of them."""
    opaque = Request("null", URL, method="PUT")
    assert asks(behaviour, (0, opaque), (1, opaque)) == [True, expected]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ([], (5, 5, 5)),
        (["5x"], (5, 0, 5)),
        (["-1"], (0, 0, 0)),
        (["60", "60"], (5, 0, 5)),
        (["0"], (0, 0, 0)),
        (["99999"], (7200, 86400, 600)),
    ],
)
def test_max_age(value: Sequence[str], seconds: tuple[int, ...]) -> None:
    """Each browser reads Access-Control-Max-Age in its own way; the rest has its cap or the default."""
    lines = [("Access-Control-Max-Age", text) for text in value]
    caps = (7200, 86400, 600)
    assert tuple(preflight_max_age(lines, cap, engine) for engine, cap in zip(ENGINES, caps, strict=True)) == seconds


def test_a_name_is_kept_for_its_own_time() -> None:
    """Where answers add up, each method and each name has its own time."""
    cache = PreflightCache(Behaviour.FIREFOX)
    one = Granting(methods="PUT", headers="", max_age="100")
    two = Granting(methods="PUT", headers="x-one", max_age="10")
    cache.keep(request(), *one.preflight(request()), 0)
    cache.keep(request("GET", "x-one"), *two.preflight(request("GET", "x-one")), 50)
    assert cache.covers(request("PUT", "x-one"), 59)
    assert not cache.covers(request("PUT", "x-one"), 60)
    assert not cache.covers(request(), 60)

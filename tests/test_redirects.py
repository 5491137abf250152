"""What becomes of a request that is redirected, in the standard and in each engine."""

from __future__ import annotations

from typing import Final

import pytest

from cors_service.browser import ENGINES, Behaviour, Request, preflight_check, preflight_headers
from cors_service.browser.redirects import redirected
from cors_service.browser.request import needs_preflight

PAGE: Final = "https://app.example"
FIRST: Final = "https://api.example"
SECOND: Final = "https://other.example"
TOKEN: Final = ("Authorization", "Bearer a")
JSON: Final = ("Content-Type", "application/json")
each = pytest.mark.parametrize("behaviour", Behaviour)


def request(method: str = "GET", *headers: tuple[str, str], url_origin: str = FIRST) -> Request:
    """A request of the page."""
    return Request(PAGE, f"{url_origin}/1", url_origin, method, headers)


@each
@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "PUT", "PUT"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
    ],
)
def test_method(status: int, method: str, then: str, behaviour: Behaviour) -> None:
    """A POST becomes a GET after 301 and 302, and all but GET and HEAD after 303, without the headers of a body."""
    found = redirected(request(method, JSON), status, f"{FIRST}/2", FIRST, behaviour)
    assert (found.method, found.headers) == (then, (JSON,) if then == method else ())


@each
def test_own_origin_first(behaviour: Behaviour) -> None:
    """From its own origin to another one, a page goes by its origin."""
    found = redirected(request(url_origin=PAGE), 302, f"{FIRST}/2", FIRST, behaviour)
    assert (found.origin, found.url, found.url_origin) == (PAGE, f"{FIRST}/2", FIRST)


@each
def test_from_one_to_another(behaviour: Behaviour) -> None:
    """From one origin to another, a page becomes `null`, and loses its token."""
    found = redirected(request("GET", TOKEN), 302, f"{SECOND}/2", SECOND, behaviour)
    assert (found.origin, found.headers) == ("null", ())


@pytest.mark.parametrize(("behaviour", "again"), [(one, one.value in {"firefox", "webkit"}) for one in Behaviour])
def test_asked_again(behaviour: Behaviour, again: bool) -> None:
    """Firefox and WebKit ask again if they have asked before, where the request does not need it any more."""
    assert needs_preflight(redirected(request("PUT"), 303, f"{FIRST}/2", FIRST, behaviour)) == again
    assert not needs_preflight(redirected(request(), 302, f"{FIRST}/2", FIRST, behaviour))


@pytest.mark.parametrize(
    ("behaviour", "origin", "names"),
    [
        (Behaviour.STANDARD, "null", None),
        (Behaviour.CHROMIUM, "null", None),
        (Behaviour.FIREFOX, PAGE, None),
        (Behaviour.WEBKIT, "null", "authorization"),
    ],
)
def test_what_is_asked(behaviour: Behaviour, origin: str, names: str | None) -> None:
    """After a redirect to another origin, Firefox asks as the page, and WebKit for the token that it does not send."""
    found = redirected(request("PUT", TOKEN), 307, f"{SECOND}/2", SECOND, behaviour)
    asked = dict(preflight_headers(found))
    assert (asked["Origin"], asked.get("Access-Control-Request-Headers")) == (origin, names)
    assert (found.origin, found.headers) == ("null", ())
    answer = [("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Methods", "PUT")]
    assert preflight_check(found, 204, answer, behaviour).allowed == (names is None)
    answer.append(("Access-Control-Allow-Headers", "authorization"))
    assert preflight_check(found, 204, answer, behaviour).allowed


@pytest.mark.parametrize("behaviour", ENGINES)
def test_twice(behaviour: Behaviour) -> None:
    """After a second redirect it is all the same."""
    once = redirected(request("PUT"), 307, f"{SECOND}/2", SECOND, behaviour)
    twice = redirected(once, 307, f"{FIRST}/3", FIRST, behaviour)
    assert twice.origin == "null"
    assert dict(preflight_headers(twice))["Origin"] == (PAGE if behaviour is Behaviour.FIREFOX else "null")

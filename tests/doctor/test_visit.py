"""What a visit asks: little, politely, and what a browser would."""

from __future__ import annotations

import pytest

from cors_service.browser import Request
from cors_service.browser.headers import get
from cors_service.doctor.exchanges import Answer, Question, Role
from cors_service.doctor.near_misses import near_misses
from cors_service.doctor.target import read_target, read_url
from cors_service.doctor.visit import MOST
from tests.doctor.sites import PAGE, URL, Site, answer, granted, listing, request, saying, visited

SIMPLE = request()
PUT = request("PUT", ("Content-Type", "application/json"), ("Authorization", "Bearer secret"))


def roles(page: Request, site: Site) -> list[Role]:
    """What is asked, in order."""
    return [each.question.role for each in visited(page, site)]


def test_simple_request() -> None:
    """Of a simple request there is no preflight: the answer, an error, four for a fresh URL, and the near misses."""
    first, *others = roles(SIMPLE, listing(PAGE))
    assert first is Role.ACTUAL
    assert others[:5] == [
        Role.ERROR,
        Role.FRESH_NO_ORIGIN,
        Role.FRESH_STRANGER,
        Role.FRESH_AGAIN,
        Role.FRESH_NULL,
    ]
    assert set(others[5:]) == {Role.NEAR_MISS}


@pytest.mark.parametrize("page", [SIMPLE, PUT], ids=["simple", "preflighted"])
@pytest.mark.parametrize(
    "site",
    [listing(PAGE), saying({}), saying({**granted(PAGE), "Location": "/again"}, preflight=302), lambda _: None],
    ids=["good", "silent", "redirecting", "dead"],
)
def test_polite(page: Request, site: Site) -> None:
    """At most fifteen requests, GET and OPTIONS only, to one host, without credentials."""
    questions = [each.question for each in visited(page, site)]
    assert len(questions) <= MOST
    assert {question.method for question in questions} <= {"GET", "OPTIONS"}
    assert all(question.url.startswith("https://api.example.net/") for question in questions)
    names = {name.lower() for question in questions for name, _ in question.lines}
    assert not names & {"cookie", "authorization", "proxy-authorization"}
    assert not any("secret" in value for question in questions for _, value in question.lines)


def test_preflight() -> None:
    """A preflight has what a browser writes into it, also for a token that is never sent."""
    asked = visited(PUT, listing(PAGE))[0].question
    assert (asked.method, asked.url, asked.origin) == ("OPTIONS", URL, PAGE)
    assert get(asked.lines, "access-control-request-method") == "PUT"
    assert get(asked.lines, "access-control-request-headers") == "authorization,content-type"


def test_metadata() -> None:
    """What comes of a page says so as browsers do, and what comes of nobody's page does not."""
    site = listing("https://www.example.net")
    for each in visited(request(origin="https://www.example.net"), site):
        lines = each.question.lines
        expected = {None: None, "https://www.example.net": "same-site"}.get(each.question.origin, "cross-site")
        if each.question.role is not Role.NEAR_MISS:
            assert get(lines, "sec-fetch-site") == expected
            assert get(lines, "sec-fetch-mode") == (expected and "cors")


def test_metadata_over_cleartext() -> None:
    """Nobody is told over a connection that others read."""
    page = Request("http://app.example.com", "http://api.example.net/", "http://api.example.net")
    assert {get(each.question.lines, "sec-fetch-mode") for each in visited(page, listing(PAGE))} == {None}


def test_fresh_url() -> None:
    """What no cache has seen is the URL with one more parameter."""
    page = Request(PAGE, f"{URL}?a=b", "https://api.example.net")
    urls = [each.question.url for each in visited(page, listing(PAGE)) if each.question.role is Role.FRESH_AGAIN]
    assert urls == [f"{URL}?a=b&cors-service-doctor=mark"]


def test_send() -> None:
    """A method other than GET is sent once, if somebody says so."""
    methods = [each.question.method for each in visited(PUT, listing(PAGE), sends=True)]
    assert methods.count("PUT") == 1


def test_redirects() -> None:
    """A redirect is followed within the host, and to others only if somebody says so."""

    def site(question: Question) -> Answer:
        moved = {"https://api.example.net/orders/7": "/b", "https://api.example.net/b": "https://other.example/c"}
        where = moved.get(question.url)
        return answer(302 if where else 200, {**granted(PAGE), **({"Location": where} if where else {})})

    def asked(*, follows: bool) -> list[str]:
        done = visited(SIMPLE, site, follows=follows)
        return [f"{each.question.url} {each.question.origin}" for each in done if each.question.role.is_of_page]

    within = [f"{URL} {PAGE}", f"https://api.example.net/b {PAGE}"]
    assert within == asked(follows=False)
    assert [*within, "https://other.example/c null"] == asked(follows=True)


@pytest.mark.parametrize("where", ["javascript:alert(1)", "http://[", "https://a b/", "https://u:p@api.example.net/"])
def test_hostile_redirect(where: str) -> None:
    """A redirect to what is not a URL of a site leads nowhere."""
    moved = answer(302, {**granted(PAGE), "Location": where})
    assert [each for each in roles(SIMPLE, lambda _: moved) if each.is_of_page] == [Role.ACTUAL]


def test_no_near_misses_where_all_may_read() -> None:
    """Where everybody may read, near misses say nothing, and where the page may not, neither."""
    assert Role.NEAR_MISS not in roles(SIMPLE, saying({}))
    assert Role.NEAR_MISS not in roles(SIMPLE, lambda question: answer(200, granted(question.origin or "*")))


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (
            "https://app.example.co.uk",
            [
                "https://app.example.co.uk.cors-service-doctor.example",
                "https://app.doctorexample.co.uk",
                "http://app.example.co.uk",
                "https://appxexample.co.uk",
                "https://doctorapp.example.co.uk",
                "https://doctor.app.example.co.uk",
                "https://app.example.co.uk:8443",
                "https://app.example.co.uk.",
            ],
        ),
        (
            "http://localhost:8443",
            [
                "http://localhost.cors-service-doctor.example:8443",
                "http://doctorlocalhost:8443",
                "http://doctor.localhost:8443",
                "http://localhost:8444",
                "http://localhost.:8443",
            ],
        ),
        (
            "https://127.0.0.1",
            ["https://127.0.0.1.cors-service-doctor.example", "http://127.0.0.1", "https://127.0.0.1:8443"],
        ),
        ("https://[::1]", ["http://[::1]", "https://[::1]:8443"]),
        ("null", []),
        ("chrome-extension://abc", []),
    ],
)
def test_near_misses(origin: str, expected: list[str]) -> None:
    """The near misses of an origin begin with those that are somebody else's."""
    assert expected == [near.origin for near in near_misses(origin)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("HTTPS://API.Example.net:443/a?b#c", "https://api.example.net/a?b"),
        ("http://127.0.0.1:80", "http://127.0.0.1/"),
        ("http://127.1/", None),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("ftp://api.example.net/", None),
        ("https://user@api.example.net/", None),
        ("https://api.example.net/a b", None),
        ("https://api.example.net/\x1b[2J", None),
        ("https://bücher.example/", None),
        ("https:///x", None),
        ("https://[::1/", None),
        ("https://api.example.net:99999/", None),
    ],
)
def test_urls(text: str, expected: str | None) -> None:
    """A URL is read as a browser sends it, or not at all."""
    assert expected == read_url(text)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nonsense", PAGE), "is not a URL to ask"),
        ((URL, "https://app.example.com/"), "is not an origin"),
        ((URL, PAGE, "TRACE"), "is not a method that a page can use"),
        ((URL, PAGE, "A B"), "is not a method that a page can use"),
        ((URL, PAGE, "GET", ["Cookie: a=b"]), "is not a header that a page can set"),
        ((URL, PAGE, "GET", ["no colon"]), "is not a header: write 'name: value'"),
        ((URL, PAGE, "GET", ["x: a\r\ny: b"]), "is not a header: write 'name: value'"),
        (("http://api.example.net/", PAGE), "is mixed content for a page over https"),
        ((URL, "https://api.example.net"), "has the page's own origin"),
    ],
)
def test_wrong_targets(arguments: tuple[str, ...], says: str) -> None:
    """What no page can ask, and what CORS has nothing to do with, is not asked."""
    with pytest.raises(ValueError, match=says):
        read_target(*arguments)

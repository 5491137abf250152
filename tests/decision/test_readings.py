"""Tests that a path which can be read in several ways is decided where all readings agree, and refused where not."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cors_service.decision import BadQuery
from cors_service.decision._router import Router
from cors_service.decision._urls import MAX_URL, parse_url
from cors_service.decision.places import Places
from cors_service.grammar.match import parse_match
from cors_service.grammar.path import fold_path
from cors_service.testing import strategies
from tests import naive_urls
from tests.examples import examples
from tests.naive_urls import BETWEEN, Route

AMBIGUOUS = "url-ambiguous"
NO_POLICY = "no-policy-for-url"


def found(matches: Sequence[str], path: str) -> str:
    """The match on the host `a` that is found for a path, without the host; or the code of the mistake."""
    router = Router((match, [parse_match(f"a{match}")]) for match in matches)
    try:
        return router.find(parse_url(f"https://a{path}"))
    except BadQuery as error:
        return error.code


WIKI = ("/", "/wiki/", "/wiki/private/")
API = ("/", "/api/", "/api/admin/", "/open/")

DECIDED = {
    "an encoded slash": (("/",), "/api/v4/projects/group%2Fproject", "/"),
    "a URL in the path": (("/",), "/300x300/https://pics.example.net/a.png", "/"),
    "an encoded slash, beneath": (API, "/api/v4/projects/group%2Fproject", "/api/"),
    "encoded slashes, beneath": (API, "/api/v4/projects/group%2Fsub%2Fproject/raw", "/api/"),
    "an encoded slash, above": (WIKI, "/AC%2FDC", "/"),
    "an encoded slash in the name of a page": (WIKI, "/wiki/AC%2FDC", "/wiki/"),
    "a URL in the path, beneath": (API, "/api/fetch/https://pics.example.net/a.png", "/api/"),
    "a URL in the path, above": (API, "/300x300/https://pics.example.net/a.png", "/"),
    "two slashes at the end": (API, "/api//", "/api/"),
    "two slashes first, elsewhere": (API, "//elsewhere", "/"),
    "two dots within": (API, "/api/x/../y", "/api/"),
    "two dots within the root": (API, "/x/../y", "/"),
    "two dots at the root": (("/",), "/../../../etc/passwd", "/"),
    "encoded dots within": (API, "/api/x/%2e%2E/y", "/api/"),
    "a dot": (API, "/api/./x", "/api/"),
    "a dot and a letter": (API, "/.api/x", "/"),
    "a backslash": (API, "/api/a\\b", "/api/"),
    "parameters": (API, "/api/x;v=1/y", "/api/"),
    "parameters of what has no match": (API, "/x;v=1", "/"),
    "an encoded letter": (API, "/api/%61dmins", "/api/"),
    "an encoded letter of another": (API, "/%61bc", "/"),
    "a lone percent sign": (API, "/api/100%", "/api/"),
    "a percent sign first": (API, "/%zz", "/"),
    "an encoded percent sign": (API, "/api/100%25", "/api/"),
    "an encoded question mark": (API, "/api/what%3F", "/api/"),
    "an encoded number sign": (API, "/api/c%23/x", "/api/"),
    "a blank": (API, "/api/a b", "/api/"),
    "an encoded blank": (API, "/api%20/x", "/"),
    "braces": (API, "/api/{id}", "/api/"),
    "an encoded semicolon": (API, "/api/a%3Bb", "/api/"),
    "letters beyond ASCII": (API, "/api/caf\u00e9", "/api/"),
    "letters beyond ASCII, above": (API, "/caf\u00e9/x", "/"),
    "what no reading finds": (("/b/",), "/a;v=1/c//d", NO_POLICY),
    "what no reading finds, with dots": (("/b/",), "/a/../c", NO_POLICY),
    "nothing beneath it": (("/a/b/",), "/a%2Fc", NO_POLICY),
    "two policies for one place beneath": (("/a/", "/b/"), "/a/b%2Fb/..", "/a/"),
    "an ending": (("/", "/*.js"), "/x%2Fa.js", "/*.js"),
    "an ending, and a parameter before": (("/", "/*.js"), "/x;v=1/a.js", "/*.js"),
    "an ending within": (("/", "/*.js"), "/a.js%20b", "/"),
    "a segment that may be any": (("/", "/v1/*/public/"), "/v1/a;x=1/public/%2e", "/v1/*/public/"),
    "a segment that may be any, and no other": (("/", "/v1/*/public/"), "/v1/a%20b/private/x%2Fy", "/"),
}


@pytest.mark.parametrize(("matches", "path", "expected"), DECIDED.values(), ids=DECIDED)
def test_decided(matches: Sequence[str], path: str, expected: str) -> None:
    """A path is decided if all its readings find the same policy."""
    assert expected == found(matches, path)


REFUSED = {
    "two dots that leave": (("/", "/open/"), "/open/../shut"),
    "encoded dots that leave": (("/", "/open/"), "/open/%2e%2e/shut"),
    "an encoded slash that leaves": (("/", "/open/"), "/open/..%2fshut"),
    "a backslash that leaves": (("/", "/open/"), "/open/..\\shut"),
    "an encoded backslash that leaves": (("/", "/open/"), "/open/..%5Cshut"),
    "dots with a parameter": (("/", "/open/"), "/open/..;x=1/shut"),
    "dots that are encoded twice": (("/", "/open/"), "/open/%252e%252e%252fshut"),
    "a slash as Microsoft has it": (("/", "/open/"), "/open/..%u002fshut"),
    "a slash in two bytes": (("/", "/open/"), "/open/..%c0%afshut"),
    "a slash in three bytes": (("/", "/open/"), "/open/..%E0%80%AFshut"),
    "a slash in four bytes": (("/", "/open/"), "/open/..%F0%80%80%afshut"),
    "dots in two bytes": (("/", "/open/"), "/open/%C0%AE%c0%ae/shut"),
    "two dots behind an encoded slash": (API, "/x%2F../api/y"),
    "two dots between encoded slashes": (API, "/x%2f..%2Fapi/y"),
    "two dots behind a backslash": (API, "/x\\../api/y"),
    "two dots that enter": (API, "/x/../api/y"),
    "two slashes": (API, "//api/y"),
    "three slashes": (API, "/api///admin/x"),
    "a dot": (API, "/./api/y"),
    "an encoded letter": (API, "/%61pi/y"),
    "a letter encoded twice": (API, "/%2561pi/y"),
    "an encoded slash": (API, "/api%2Fadmin/x"),
    "an encoded slash, beneath": (API, "/api/admin%2Fx"),
    "parameters": (API, "/api;v=1/y"),
    "an encoded semicolon": (API, "/api%3Bv=1/y"),
    "parameters alone": (API, "/;v=1/api/y"),
    "parameters with an encoded slash": (("/", "/a/b/"), "/a;x%2Fy/b"),
    "an encoded question mark": (API, "/open%3F/../api"),
    "a question mark that is encoded twice": (API, "/api%253Fx"),
    "an encoded number sign": (API, "/api%23"),
    "a blank": (API, "/api HTTP/1.1"),
    "a line end that is encoded twice": (API, "/api%250A"),
    "what a reading does not find": (("/b/",), "/b;v=1"),
    "an ending that is a parameter": (("/", "/*.js"), "/me;x.js"),
    "an ending behind a question mark": (("/", "/*.js"), "/me%3Fx.js"),
    "an ending behind a line end": (("/", "/*.js"), "/me%250Ax.js"),
    "an ending with a slash": (("/", "/*.js"), "/a.js/"),
    "an ending before dots": (("/", "/*.js"), "/a.js/x/.."),
    "an ending that is encoded": (("/", "/*.js"), "/a.%6as"),
    "a name without its beginning": (("/", "/*.js"), "/a%2F.js"),
    "a segment that may be any, empty": (("/", "/v1/*/public/"), "/v1//public/x"),
    "a segment that may be any, left out": (("/", "/v1/*/public/"), "/v1/a/b/../public/x"),
}


@pytest.mark.parametrize(("matches", "path"), REFUSED.values(), ids=REFUSED)
def test_refused(matches: Sequence[str], path: str) -> None:
    """A path with readings that find different policies, or none, is refused."""
    assert found(matches, path) == AMBIGUOUS


@pytest.mark.parametrize(
    ("matches", "path", "named"),
    [
        (("/", "/open/"), "/open/..%2fshut", ["the policy '/open/'", "the policy '/'"]),
        (("/open/",), "/open/..%2fshut", ["the policy '/open/'", "none"]),
    ],
)
def test_both_are_named(matches: Sequence[str], path: str, named: list[str]) -> None:
    """The message of a refusal names two policies that are found, or says that none is."""
    router = Router((match, [parse_match(f"a{match}")]) for match in matches)
    with pytest.raises(BadQuery) as caught:
        router.find(parse_url(f"https://a{path}"))
    assert [name for name in named if name not in caught.value.message] == []


PATHS = ("", "a", "b", "a b", "b a", "a a", "*", "* a", "a *", "a * b", "*.js", "a *.js", "%C3%A9", "b b")
ROUTES = [
    Route(host, None, tuple(path.split()))
    for path in PATHS
    for host in ("a.example", "a.example", "<x>.example", "*.example", "*")
]
SOME_ROUTES = st.lists(st.sampled_from(ROUTES), min_size=1, max_size=6, unique=True)


def found_by(routes: list[Route], path: str) -> str:
    """As `found`, for the routes of an oracle; all fit the host."""
    router = Router((str(route), [parse_match(str(route))]) for route in routes)
    try:
        return router.find(parse_url(f"https://a.example{path}"))
    except BadQuery as error:
        return error.code


def name_of(route: Route | None) -> str:
    """What the product has to find."""
    return NO_POLICY if route is None else str(route)


@examples(3_000)
@given(SOME_ROUTES, st.lists(st.sampled_from(list(BETWEEN)), min_size=1, max_size=4))
def test_readings_one_by_one(routes: list[Route], between: list[str]) -> None:
    """A path is decided as each of its readings is, where they agree, and refused where two do not."""
    without_endings = [route for route in routes if not route.ending]
    names = {
        name_of(naive_urls.best(without_endings if is_open else routes, segments))
        for segments, is_open in naive_urls.readings(between)
    }
    expected = names.pop() if len(names) == 1 else AMBIGUOUS
    assert expected == found_by(routes, "/" + "/".join(between))


ODD = ["a", "b", "/", "/", "//", "/.", "/..", "%2e", "%2F", "%5c", "\\", ";", ";x", "%3B", "%61", "%2561", "%25", "%3F"]
ODD_PATHS = st.lists(
    st.sampled_from([*ODD, "a%2F..", "..%2f", "\\..", "%252f", "%23", " ", "%20", "js", ".js", "%6a"]), max_size=8
)


@examples(1_000)
@given(SOME_ROUTES, ODD_PATHS.map("".join).map("/".__add__))
@example([Route("a.example", None, ("*.js",))], "/%3B.js;")
def test_what_servers_make_of_it(routes: list[Route], path: str) -> None:
    """Whatever a chain of servers makes of a path that is decided, it finds the policy that decides."""
    expected = found_by(routes, path)
    if expected != AMBIGUOUS:
        names = {name_of(naive_urls.best(routes, naive_urls.segments_of(each))) for each in naive_urls.processed(path)}
        assert names == {expected}


MATCHES = ["/", "/v1/", "/v1/*/public/", "/*.js", "/v1/acme/", "/x/", "/caf\u00e9/", "/v1/a%C3%A9/*/*.min.js"]


@st.composite
def near_cases(draw: st.DrawFn) -> tuple[list[str], str]:
    """Draw matches of the host `a`, and a URL near one of them."""
    matches = draw(st.lists(st.sampled_from(MATCHES), min_size=1, max_size=4, unique=True))
    return matches, draw(strategies.urls(f"a{draw(st.sampled_from(matches))}"))


@examples(2_000)
@given(near_cases())
def test_near_urls(case: tuple[list[str], str]) -> None:
    """However a URL is spelled, it is decided by the match that all servers find, or refused."""
    matches, text = case
    router = Router((match, [parse_match(f"a{match}")]) for match in matches)
    try:
        url = parse_url(text)
        name = router.find(url)
    except BadQuery as error:
        if error.code != NO_POLICY:
            return
        name = NO_POLICY
    if url.host == "a" and url.is_default:
        routes = [Route("a", None, naive_urls.segments_of(fold_path(match) or "")) for match in matches]
        by_route = {str(route): match for route, match in zip(routes, matches, strict=True)}
        found = {naive_urls.best(routes, naive_urls.segments_of(each)) for each in naive_urls.processed(url.path, 3)}
        assert {by_route[str(route)] if route else NO_POLICY for route in found} == {name}


FORMS = ["a.example/", "*.example:8443/x/", "<t>.example/v1/*/", "<host>/", "[::1]/*.js", "*:1/", "a/*/\u00e9/*.min.js"]


@given(st.sampled_from(FORMS).flatmap(lambda match: st.tuples(st.just(match), strategies.urls(match, exact=True))))
def test_found_urls(case: tuple[str, str]) -> None:
    """A URL that is drawn for a match is found by it."""
    match, url = case
    assert Router([("a", [parse_match(match)])]).find(parse_url(url)) == "a"


@examples(2_000)
@given(st.text() | st.text("/.;%\\ 2eEfF5cC3u0aA?#", max_size=40))
def test_one_policy(text: str) -> None:
    """A host with one policy for all of it has no path that could be another's: only what can't be read is refused."""
    path = re.sub(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]|%(?:[01][0-9A-Fa-f]|7[Ff])", "", text)
    while re.search("%(?:[01][0-9A-Fa-f]|7[Ff])", path):
        path = re.sub("%(?:[01][0-9A-Fa-f]|7[Ff])", "", path)
    assert found(("/",), f"/{path}") == "/"


HOSTILE = {
    "slashes": "/",
    "encoded slashes": "%2F",
    "slashes that are encoded twice": "%252f",
    "dots": "/..",
    "names and dots": "a/../",
    "names and slashes": "a//",
    "parameters and encoded slashes": ";%2F",
    "encoded question marks": "%3F",
    "backslashes": "a\\",
    "names that fit": "a/;",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("matches", [("/", "/a/"), ("/", "/*/*/*/a/b/", "/a/*/b/*/a/", "/*.js", "/a/a/")])
def test_long_paths(matches: Sequence[str], piece: str, steps: list[None]) -> None:
    """However long a path with many readings is, they are followed for a bounded number of steps."""
    assert found(matches, "/" + piece * ((MAX_URL - 20) // len(piece))) in {AMBIGUOUS, NO_POLICY, *matches}
    assert len(steps) <= 2_000


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Notes each step along the matches."""
    noted: list[None] = []
    step = Places.step

    def counted(self: Places, *args: object) -> object:
        noted.append(None)
        return step(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Places, "step", counted)
    return noted

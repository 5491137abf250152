"""Tests of the router of URLs to policies: by tables, and against a naive one that compares lists of segments."""

from collections.abc import Sequence
from itertools import product
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import BadQuery
from cors_service.decision._router import Router
from cors_service.decision._urls import parse_url
from cors_service.grammar.match import parse_match
from tests.examples import examples
from tests.naive_urls import Route, best, fits_host


def policy_of(matches: Sequence[str], text: str) -> str:
    """The name of the policy that is found, which is its match, or the code of the mistake."""
    try:
        return Router((match, [parse_match(match)]) for match in matches).find(parse_url(text))
    except BadQuery as error:
        return error.code


NO_POLICY = "no-policy-for-url"
HOSTS = (
    "api.example.com:8443/",
    "api.example.com/",
    "*.example.com:8443/",
    "*.example.com/",
    "*.com:8443/",
    "*.com/",
    "*:8443/",
    "*/",
)
CATALOGUE = ("api.example.com/catalogue/",)

ROUTES: dict[str, tuple[Sequence[str], str, str]] = {
    "no matches": ((), "https://api.example.com/", NO_POLICY),
    "all of a host": (("api.example.com/",), "https://api.example.com/a/b", "api.example.com/"),
    "a path": (CATALOGUE, "https://api.example.com/catalogue/x", CATALOGUE[0]),
    "the path itself": (CATALOGUE, "https://api.example.com/catalogue/", CATALOGUE[0]),
    "the path without its slash": (CATALOGUE, "https://api.example.com/catalogue", CATALOGUE[0]),
    "the path without its slash, and a query": (CATALOGUE, "https://api.example.com/catalogue?x", CATALOGUE[0]),
    "more than a segment": (CATALOGUE, "https://api.example.com/catalogues", NO_POLICY),
    "more than a segment, and another": (CATALOGUE, "https://api.example.com/catalogues/x", NO_POLICY),
    "less than a segment": (CATALOGUE, "https://api.example.com/catalogu/", NO_POLICY),
    "another case": (CATALOGUE, "https://api.example.com/Catalogue/", NO_POLICY),
    "the segment elsewhere": (CATALOGUE, "https://api.example.com/x/catalogue/", NO_POLICY),
    "a host in upper case": (CATALOGUE, "https://API.example.com/catalogue/", CATALOGUE[0]),
    "a path in a query": (CATALOGUE, "https://api.example.com/?/catalogue/", NO_POLICY),
    "a longer path": (
        ("api.example.com/a/", "api.example.com/a/b/", "api.example.com/"),
        "https://api.example.com/a/b/c",
        "api.example.com/a/b/",
    ),
    "a longer path that does not fit": (
        ("api.example.com/a/", "api.example.com/a/b/", "api.example.com/"),
        "https://api.example.com/a/bc/",
        "api.example.com/a/",
    ),
    "a path shorter than the longest match": (
        ("a.example/", "a.example/b/", "a.example/b/c/d/"),
        "https://a.example/b/",
        "a.example/b/",
    ),
    "no longer path": (
        ("api.example.com/a/", "api.example.com/a/b/", "api.example.com/"),
        "https://api.example.com/b/",
        "api.example.com/",
    ),
    "a longer path of a wider host": (("api.example.com/", "*/a/"), "https://api.example.com/a/b", "*/a/"),
    "a longer path of another host": (
        ("api.example.com/", "*.example.org/a/"),
        "https://api.example.com/a",
        "api.example.com/",
    ),
    "a host and its port": (HOSTS, "https://api.example.com:8443/", "api.example.com:8443/"),
    "a host": (HOSTS, "https://api.example.com/", "api.example.com/"),
    "a suffix and its port": (HOSTS, "https://www.example.com:8443/", "*.example.com:8443/"),
    "a suffix": (HOSTS, "https://www.example.com/", "*.example.com/"),
    "a suffix, labels above": (HOSTS, "https://c.b.a.example.com/", "*.example.com/"),
    "a shorter suffix and its port": (HOSTS, "https://example.com:8443/", "*.com:8443/"),
    "a shorter suffix": (HOSTS, "https://example.com/", "*.com/"),
    "any host and a port": (HOSTS, "https://com:8443/", "*:8443/"),
    "any host": (HOSTS, "https://com/", "*/"),
    "any host, any port": (HOSTS, "https://com:1/", "*/"),
    "any host before none of the port": (HOSTS, "https://api.example.com:1/", "*/"),
    "a suffix and its port before a host without": (
        ("api.example.com/", "*.com:8443/"),
        "https://api.example.com:8443/",
        "*.com:8443/",
    ),
    "the default port, written in the match": (
        ("api.example.com:443/", "api.example.com/"),
        "https://api.example.com/",
        "api.example.com:443/",
    ),
    "the default port, written in the match, of the other scheme": (
        ("api.example.com:443/", "api.example.com/"),
        "http://api.example.com/",
        "api.example.com/",
    ),
    "the default port, written in both": (
        ("api.example.com:443/",),
        "https://api.example.com:443/",
        "api.example.com:443/",
    ),
    "the default port, written in the URL": (("api.example.com/",), "http://api.example.com:80/", "api.example.com/"),
    "the default port of the other scheme": (("api.example.com/",), "http://api.example.com:443/", NO_POLICY),
    "another port": (("api.example.com/",), "https://api.example.com:8443/", NO_POLICY),
    "another port of a suffix": (("*.example.com/",), "https://api.example.com:8443/", NO_POLICY),
    "no port": (("api.example.com:8443/",), "https://api.example.com/", NO_POLICY),
    "another port than any host's": (("*:8443/",), "https://api.example.com/", NO_POLICY),
    "a suffix is no bare domain": (("*.example.com/",), "https://example.com/", NO_POLICY),
    "a suffix is whole labels": (("*.example.com/",), "https://notexample.com/", NO_POLICY),
    "a trailing dot is no other host": (("api.example.com/", "*/"), "https://api.example.com./x", "api.example.com/"),
    "a trailing dot and a port": (("a.example:1/", "*:1/"), "https://a.example.:1/x", "a.example:1/"),
    "a trailing dot and a suffix": (("*.example/", "*/"), "https://a.example./x", "*.example/"),
    "an address with a trailing dot": (("127.0.0.1/", "*/"), "https://127.0.0.1./", "127.0.0.1/"),
    "an IPv6 address": (("[::1]:8080/", "*/"), "http://[::1]:8080/", "[::1]:8080/"),
    "another IPv6 address": (("[::1]/",), "http://[::2]/", NO_POLICY),
    "a reserved character, encoded in the URL": (("a.example/b:c/",), "https://a.example/b%3Ac/d", "a.example/b:c/"),
    "a letter that is encoded is refused": (("a.example/b/",), "https://a.example/%62/", "url-ambiguous"),
    "parameters of what is beneath": (("a.example/b/",), "https://a.example/b/c;v=1/d", "a.example/b/"),
    "parameters beneath all": (("a.example/",), "https://a.example/c;v=1", "a.example/"),
    "parameters that hide a segment": (("a.example/b/", "a.example/"), "https://a.example/b;v=1/c", "url-ambiguous"),
    "parameters that hide the only match": (("a.example/b/",), "https://a.example/b;v=1", "url-ambiguous"),
    "an empty parameter that hides a segment": (("a.example/b/",), "https://a.example/b;/c", "url-ambiguous"),
    "parameters that hide the second segment": (
        ("a.example/b/", "a.example/b/c/"),
        "https://a.example/b/c;v=1",
        "url-ambiguous",
    ),
    "a parameter that looks like a segment": (("a.example/b/",), "https://a.example/x;/b/", NO_POLICY),
    "a parameter alone, of no consequence": (("a.example/b/",), "https://a.example/b/;v=1", "a.example/b/"),
    "a parameter alone, before a segment": (
        ("a.example/b/", "a.example/"),
        "https://a.example/;v=1/b/c",
        "url-ambiguous",
    ),
    "a parameter alone, between segments": (
        ("a.example/a/b/", "a.example/a/"),
        "https://a.example/a/;v=1/b",
        "url-ambiguous",
    ),
    "parameters where nothing matches": (("a.example/b/",), "https://a.example/c;v=1", NO_POLICY),
    "parameters where no host matches": (("a.example/b/",), "https://b.example/b;v=1", NO_POLICY),
}


@pytest.mark.parametrize(("matches", "text", "found"), ROUTES.values(), ids=ROUTES)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
def test_route(matches: Sequence[str], text: str, found: str, order: int) -> None:
    """The longest path wins, then the most specific host, in whatever order the matches are written."""
    assert found == policy_of(matches[::order], text)


def test_several_matches() -> None:
    """Each of a policy's matches finds it, and a policy without any is found by none."""
    matches = {"a": ["a.example/", "b.example/x/"], "b": ["b.example/"], "c": []}
    router = Router((name, map(parse_match, texts)) for name, texts in matches.items())
    urls = ("https://a.example/x", "https://b.example/x/y", "https://b.example/y")
    assert [router.find(parse_url(url)) for url in urls] == ["a", "a", "b"]


class Target(NamedTuple):
    """A URL, taken apart; segments with their parameters, as they stand once escapes are folded."""

    scheme: str
    host: str
    port: int | None
    segments: tuple[str, ...]

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        path = "/".join(segment.replace("!", "%21") for segment in self.segments)
        return f"{self.scheme}://{self.host}{port}/{path}"


def naive_policy(routes: Sequence[Route], target: Target) -> str:
    """What the router has to find: the best of all matches that fit, unless parameters make a difference."""
    default = {"http": 80, "https": 443}[target.scheme]
    port = default if target.port is None else target.port
    here = [route for route in routes if fits_host(route, target.host, port, default)]
    plain = tuple(segment.partition(";")[0] for segment in target.segments)
    found = [best(here, segments) for segments in (target.segments, plain)]
    if found[0] != found[1]:
        return "url-ambiguous"
    return str(found[0]) if found[0] else NO_POLICY


# Few parts and short paths above all, so that several matches fit what is drawn, and others nearly do.
ALL_ROUTES = tuple(
    Route(host, port, segments)
    for segments in ((), (), ("a",), ("a",), ("a", "b"), ("b",), ("ab",), ("A",), ("a!", "b"))
    for port in (None, None, 443, 8443)
    for host in ("*", "*.example", "*.a.example", "a.example", "b.a.example", "xa.example", "<x>.a.example")
)
SEVERAL_ROUTES = st.tuples(*[st.sampled_from(ALL_ROUTES)] * 10).map(dict.fromkeys).map(list)
TARGETS = st.builds(
    Target,
    st.sampled_from(["https", "http"]),
    st.sampled_from(["a.example", "b.a.example", "a.a.example", "xa.example", "example"]),
    st.sampled_from([None, None, 443, 80, 8443]),
    st.lists(st.sampled_from(["a", "b", "a", "b", "ab", "A", "a!", "a;x", "b;", "ab;a=b"]), max_size=4).map(tuple),
)


@examples(5_000)
@given(SEVERAL_ROUTES, TARGETS)
def test_router_agrees_with_a_naive_one(routes: list[Route], target: Target) -> None:
    """The policy that is found is that of the best of all matches that fit, segment by segment."""
    assert naive_policy(routes, target) == policy_of(list(map(str, routes)), str(target))


# All lists of up to three of these, for hosts; two may fit.
WILD_ROUTES = tuple(
    Route(host, None, segments)
    for length in range(4)
    for parts in product(("a", "b", "*"), repeat=length)
    for segments in (parts, (*parts, "*.js"), (*parts, "*.min.js"))
    for host in ("a.example", "*.example", "<x>.example")
)
PLAIN_SEGMENTS = st.lists(st.sampled_from(["a", "b", "x", "a.js", "b.min.js", ".js", "x.mjs"]), max_size=5).map(tuple)


@examples(5_000)
@given(st.lists(st.sampled_from(WILD_ROUTES), min_size=1, max_size=12, unique=True), PLAIN_SEGMENTS)
def test_wildcards_agree_with_naive_ones(routes: list[Route], segments: tuple[str, ...]) -> None:
    """At the first segment that differs a literal wins over an ending, that over a star, and any over none."""
    target = Target("https", "a.example", None, segments)
    assert naive_policy(routes, target) == policy_of(list(map(str, routes)), str(target))


@given(st.lists(st.sampled_from(WILD_ROUTES), max_size=12, unique=True), st.randoms(use_true_random=False))
def test_removed(routes: list[Route], random: Random) -> None:
    """Of matches that were removed nothing is left."""
    kept = [route for route in routes if random.randrange(2)]
    names = {str(route): [parse_match(str(route))] for route in routes}
    router, expected = Router(names.items()), Router((str(route), names[str(route)]) for route in kept)
    for route in set(routes) - set(kept):
        router.remove(str(route), names[str(route)])
    assert vars(router) == vars(expected)


PATTERN_ROUTES: dict[str, tuple[Sequence[str], str, str]] = {
    "a segment": (("a.example/v1/*/public/",), "https://a.example/v1/acme/public/x", "a.example/v1/*/public/"),
    "a segment, and nothing behind": (("a.example/v1/*/",), "https://a.example/v1/acme", "a.example/v1/*/"),
    "no segment": (("a.example/v1/*/",), "https://a.example/v1/", NO_POLICY),
    "two segments": (("a.example/v1/*/public/",), "https://a.example/v1/a/b/public/", NO_POLICY),
    "another segment behind": (("a.example/v1/*/public/",), "https://a.example/v1/acme/private/x", NO_POLICY),
    "a star in the URL": (("a.example/v1/*/public/",), "https://a.example/v1/*/public/", "a.example/v1/*/public/"),
    "a literal before a star": (
        ("a.example/v1/*/public/", "a.example/v1/acme/"),
        "https://a.example/v1/acme/public/x",
        "a.example/v1/acme/",
    ),
    "a literal that leads nowhere": (
        ("a.example/v1/*/public/", "a.example/v1/acme/private/"),
        "https://a.example/v1/acme/public/x",
        "a.example/v1/*/public/",
    ),
    "a star before nothing": (("a.example/v1/*/", "a.example/v1/"), "https://a.example/v1/x", "a.example/v1/*/"),
    "a star of a narrower host": (("a.example/*/", "*/*/"), "https://a.example/x", "a.example/*/"),
    "a literal of a wider host": (("a.example/*/", "*/x/"), "https://a.example/x", "*/x/"),
    "an ending": (("a.example/*.woff2",), "https://a.example/a/b/f.woff2", "a.example/*.woff2"),
    "an ending at the top": (("a.example/*.woff2",), "https://a.example/f.woff2?x", "a.example/*.woff2"),
    "another ending": (("a.example/*.woff2",), "https://a.example/f.woff", NO_POLICY),
    "an ending in another case": (("a.example/*.woff2",), "https://a.example/f.WOFF2", NO_POLICY),
    "nothing but the ending": (("a.example/*.woff2",), "https://a.example/.woff2", NO_POLICY),
    "an ending without its dot": (("a.example/*.woff2",), "https://a.example/fwoff2", NO_POLICY),
    "an ending within": (("a.example/*.woff2",), "https://a.example/f.woff2/x", NO_POLICY),
    "an ending of a folder": (("a.example/a/*.js",), "https://a.example/b/f.js", NO_POLICY),
    "the longer ending": (("a.example/*.js", "a.example/*.min.js"), "https://a.example/f.min.js", "a.example/*.min.js"),
    "the shorter ending": (("a.example/*.js", "a.example/*.min.js"), "https://a.example/min.js", "a.example/*.js"),
    "an ending before all": (("a.example/*.js", "a.example/"), "https://a.example/x/f.js", "a.example/*.js"),
    "an ending before a star": (("a.example/*.js", "a.example/*/"), "https://a.example/f.js", "a.example/*.js"),
    "a folder before an ending": (("a.example/*.js", "a.example/x/"), "https://a.example/x/f.js", "a.example/x/"),
    "an IRI": (("a.example/caf\u00e9/",), "https://a.example/caf\u00e9/x", "a.example/caf\u00e9/"),
    "an IRI, encoded in the URL": (("a.example/caf\u00e9/",), "https://a.example/caf%c3%a9/x", "a.example/caf\u00e9/"),
    "an IRI, encoded in the match": (("a.example/caf%c3%A9/",), "https://a.example/caf\u00e9", "a.example/caf%c3%A9/"),
    "a label": (("<t>.a.example/", "*.a.example/"), "https://x.a.example/", "<t>.a.example/"),
    "more than a label": (("<t>.a.example/", "*.a.example/"), "https://y.x.a.example/", "*.a.example/"),
    "no label": (("<t>.a.example/",), "https://a.example/", NO_POLICY),
    "a label, and its port": (("<t>.a.example:8443/",), "https://x.a.example:8443/", "<t>.a.example:8443/"),
    "a label, and no port": (("<t>.a.example:8443/",), "https://x.a.example/", NO_POLICY),
    "a name before a label": (("<t>.a.example/", "x.a.example/"), "https://x.a.example/", "x.a.example/"),
    "the whole host": (("<host>/",), "http://localhost:3000/x", "<host>/"),
    "the whole host on a port": (("<host>:3000/",), "http://[::1]:3000/x", "<host>:3000/"),
    "sockets": (("a.example/ws/",), "wss://a.example/ws/chat", "a.example/ws/"),
}


@pytest.mark.parametrize(("matches", "text", "found"), PATTERN_ROUTES.values(), ids=PATTERN_ROUTES)
@pytest.mark.parametrize("order", [1, -1], ids=["in order", "reversed"])
def test_pattern(matches: Sequence[str], text: str, found: str, order: int) -> None:
    """A star is one segment, an ending is that of the last one, and a name in brackets is a label or the host."""
    assert found == policy_of(matches[::order], text)

"""Tests of queries: how they find a policy, which are the caller's mistakes, and how they are made of header lines."""

import pytest

from cors_service.decision import BadQuery, Circumstances, Query
from tests.decision.queries import ACAO, PAGE, VARY, active, flat

API = "https://api.example"
POLICIES = active(
    a={"origins": [PAGE], "match": ["api.example/a/"]},
    b={"origins": ["https://*.example"], "match": ["api.example/b/", "*.api.example:8080/"]},
)

MISTAKES: dict[str, tuple[Query, str]] = {
    "neither policy nor URL": (Query("GET", origins=(PAGE,)), "no-selector"),
    "an unknown policy": (Query("GET", "c"), "unknown-policy"),
    "a policy without a name": (Query("GET", ""), "unknown-policy"),
    "a policy in another case": (Query("GET", "A"), "unknown-policy"),
    "an unknown policy and a good URL": (Query("GET", "c", f"{API}/a/"), "unknown-policy"),
    "a URL of no policy": (Query("GET", url=f"{API}/c/"), "no-policy-for-url"),
    "an empty URL": (Query("GET", url=""), "url-malformed"),
    "no URL, but a path": (Query("GET", url="/a/"), "url-malformed"),
    "an ambiguous URL": (Query("GET", url=f"{API}/a/%2e%2e/b/"), "url-ambiguous"),
    "an ambiguous parameter": (Query("GET", url=f"{API}/a;x/"), "url-ambiguous"),
    "a control character": (Query("GET", url=f"{API}/a/%0a"), "url-ambiguous"),
}


@pytest.mark.parametrize(("query", "code"), MISTAKES.values(), ids=MISTAKES)
def test_mistake(query: Query, code: str) -> None:
    """A question to which no decision exists is the caller's mistake, with a code and a sentence."""
    with pytest.raises(BadQuery) as caught:
        POLICIES.decide(query)
    assert code == caught.value.code
    assert str(caught.value) == caught.value.message
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("query", [query for query, _ in MISTAKES.values()], ids=MISTAKES)
def test_mistake_twice(query: Query) -> None:
    """A mistake is one however often it is made: nothing is remembered of it."""
    for _ in range(2):
        with pytest.raises(BadQuery):
            POLICIES.decide(query)


def test_by_url() -> None:
    """A query that names no policy is decided by that of its URL."""
    assert [
        POLICIES.decide(Query("GET", url=url)).policy
        for url in (f"{API}/a/x", f"{API}/b", "https://x.api.example:8080/a/")
    ] == ["a", "b", "b"]


def test_policy_for_a_url() -> None:
    """The policy that decides about a URL can be had by itself, and there are the same mistakes."""
    assert [POLICIES.policy_for(url) for url in (f"{API}/a/x", f"{API}/b")] == ["a", "b"]
    for url, code in ((f"{API}/c/", "no-policy-for-url"), (f"{API}/a/../b/", "url-ambiguous"), ("", "url-malformed")):
        with pytest.raises(BadQuery) as caught:
            POLICIES.policy_for(url)
        assert caught.value.code == code


def test_by_policy_and_url() -> None:
    """A policy that is named decides, whatever other policy its URL has or that it has none."""
    for url in (f"{API}/b/", f"{API}/c/", "http://elsewhere.example/"):
        assert POLICIES.decide(Query("GET", "a", url)).policy == "a"


@pytest.mark.parametrize("path", ["/a/../b/", "/a%2Fb//..", "/%0a", "/\0\ud800", "/%", "/" + "a" * 10_000, "?\n", "#"])
def test_any_path(path: str) -> None:
    """Where the policy is named, the path counts for nothing, and the URL says which origin is the service's own."""
    for url in (f"{API}{path}", f"wss://api.example{path}"):
        kinds = [POLICIES.decide(Query("GET", "a", url, (origin,))).kind for origin in (API, PAGE)]
        assert kinds == ["same-origin", "actual"]


NO_HOSTS = ["", "/a/", "a", "ftp://api.example/", "https://", "https://api.example\\", "https://user@api.example/"]


@pytest.mark.parametrize(
    "url", [*NO_HOSTS, "https://api.example:x/", "https://127.1/", "https://\ud800/", "\0" * 10_000]
)
def test_any_url(url: str) -> None:
    """A URL that is the origin of no page says nothing, and the rules of the named policy decide."""
    for origin, allowed in ((PAGE, True), (API, False), ("https://127.1", False)):
        decision = POLICIES.decide(Query("GET", "a", url, (origin,)))
        assert (decision.kind, decision.allowed) == ("actual", allowed)


# A URL, an Origin, and whether the two are of one origin.
SAME_ORIGIN: dict[str, tuple[str, str, bool]] = {
    "https": ("https://api.example/a/", "https://api.example", True),
    "http": ("http://api.example/a/", "http://api.example", True),
    "the default port written": ("https://api.example:443/a/", "https://api.example", True),
    "the default port of http written": ("http://api.example:80/a/", "http://api.example", True),
    "another port": ("https://api.example:8443/a/", "https://api.example:8443", True),
    "the default port of another scheme": ("http://api.example:443/a/", "http://api.example:443", True),
    "an upper-case host": ("https://API.Example/a/", "https://api.example", True),
    "an upper-case scheme": ("HTTPS://api.example/a/", "https://api.example", True),
    "an IPv6 address": ("http://[::1]:8080/", "http://[::1]:8080", True),
    "no path": ("https://api.example", "https://api.example", True),
    "a WebSocket": ("wss://api.example/a/", "https://api.example", True),
    "a WebSocket in clear text": ("ws://api.example/a/", "http://api.example", True),
    "a WebSocket on a port": ("wss://api.example:8443/a/", "https://api.example:8443", True),
    "a WebSocket as an Origin": ("wss://api.example/a/", "wss://api.example", False),
    "a WebSocket of the other scheme": ("ws://api.example/a/", "https://api.example", False),
    "a query": ("https://api.example?x=https://other.example", "https://api.example", True),
    "another scheme": ("http://api.example/a/", "https://api.example", False),
    "another host": ("https://api.example/a/", "https://www.api.example", False),
    "no port": ("https://api.example/a/", "https://api.example:8443", False),
    "a port": ("https://api.example:8443/a/", "https://api.example", False),
    "the default port in Origin": ("https://api.example/a/", "https://api.example:443", False),
    "an upper-case Origin": ("https://api.example/a/", "https://API.example", False),
    "a slash in Origin": ("https://api.example/a/", "https://api.example/", False),
    "null": ("https://api.example/a/", "null", False),
    "a trailing dot": ("https://api.example./a/", "https://api.example", False),
}


@pytest.mark.parametrize(("url", "origin", "same"), SAME_ORIGIN.values(), ids=SAME_ORIGIN)
def test_same_origin(url: str, origin: str, same: bool) -> None:
    """A request is within an origin if its Origin is that of the URL, byte for byte as browsers serialise it."""
    policies = flat("https://nobody.example")
    for method in ("PATCH", "GET"):
        decision = policies.decide(Query(method, "a", url, (origin,)))
        assert (same, same) == (decision.kind == "same-origin", decision.allowed)
        assert decision.headers == (VARY,)


def test_same_origin_twice() -> None:
    """Two Origin lines are not one, even where both name the URL's origin."""
    assert POLICIES.decide(Query("GET", "a", API, (API, API))).reason.code == "multiple-origins"


def test_same_origin_preflight() -> None:
    """A request within an origin is never a preflight, and never refused."""
    query = Query("OPTIONS", "a", API, (API,), ("PATCH",), ("x-other",))
    assert (
        POLICIES.decide(query).kind,
        POLICIES.decide(query).allowed,
        POLICIES.decide(query).status,
    ) == ("same-origin", True, None)


def test_same_origin_that_is_covered() -> None:
    """A request within an origin gets no headers of a rule, even where one covers it."""
    assert flat(API).decide(Query("GET", "a", f"{API}/", (API,))).headers == (VARY,)
    assert flat(API).decide(Query("GET", "a", "http://other.example/", (API,))).headers == ((ACAO, API), VARY)


def test_no_url() -> None:
    """Without a URL nothing is known of the service's own origin, so every Origin is a page's."""
    assert POLICIES.decide(Query("GET", "a", origins=(API,))).kind == "actual"


RECEIVED: dict[str, tuple[list[tuple[str, str]], Query]] = {
    "nothing": ([], Query("GET")),
    "other headers": ([("Accept", "a"), ("X-Origin", "b"), ("Origin-", "c")], Query("GET")),
    "those of a guard": (
        [("Host", "a"), ("sec-fetch-SITE", "b"), ("Upgrade", "c"), ("upgrade", "d")],
        Query("GET", circumstances=Circumstances(hosts=("a",), sites=("b",), upgrades=("c", "d"))),
    ),
    "Origin": ([("Origin", PAGE)], Query("GET", origins=(PAGE,))),
    "names in any case": (
        [("oRIGIN", "a"), ("ACCESS-CONTROL-REQUEST-METHOD", "b"), ("access-control-request-headers", "c")],
        Query("GET", origins=("a",), request_methods=("b",), request_headers=("c",)),
    ),
    "repeated lines, in order": (
        [
            ("Origin", "b"),
            ("Access-Control-Request-Headers", "y"),
            ("origin", "a"),
            ("Access-Control-Request-Headers", "x"),
            ("Access-Control-Request-Method", "PUT"),
            ("Access-Control-Request-Method", "GET"),
        ],
        Query("GET", origins=("b", "a"), request_methods=("PUT", "GET"), request_headers=("y", "x")),
    ),
    "values as they are": ([("Origin", " a,\tb ")], Query("GET", origins=(" a,\tb ",))),
    "an empty value": ([("Origin", "")], Query("GET", origins=("",))),
    "names that are not ASCII": ([("or\u0130gin", "a"), ("acce\u017fs-control-request-method", "b")], Query("GET")),
    "names with blanks": ([("Origin ", "a"), (" Origin", "b"), ("Origin:", "c")], Query("GET")),
}


@pytest.mark.parametrize(("lines", "query"), RECEIVED.values(), ids=RECEIVED)
def test_received(lines: list[tuple[str, str]], query: Query) -> None:
    """Of the lines of a request those that decide are kept, whatever the case of their names, all and in order."""
    assert query == Query.received("GET", lines)


def test_received_with_a_selector() -> None:
    """A query keeps the method and what finds its policy as they are given."""
    received = Query.received("pUt", iter([("Origin", PAGE)]), policy="a", url=API)
    assert received == Query("pUt", "a", API, (PAGE,))

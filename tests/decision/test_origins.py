"""Tests of the index of origin patterns: against the oracle, and by tables where the oracle has no say."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision._origins import MALFORMED, NOT_COVERED, OriginIndex
from cors_service.policy import PolicyError, read_document
from cors_service.testing import strategies
from tests import naive
from tests.decision.queries import ACAC, ACAO, VARY, ruled, sent
from tests.examples import examples
from tests.policy.documents import origin_patterns

Rules = Sequence[Sequence[str]]


def index_of(rules: Rules) -> OriginIndex:
    """Compile rules without credentials."""
    return OriginIndex.of((origin_patterns(patterns), True) for patterns in rules)


def first_that_covers(rules: Rules, origin: str) -> int:
    """What the oracle expects of `find`."""
    if not naive.is_origin(origin):
        return MALFORMED
    return next((index for index, patterns in enumerate(rules) if naive.any_covers(patterns, origin)), NOT_COVERED)


def dealt(patterns: list[str], deal: int) -> list[list[str]]:
    """Deal patterns out to five rules, with `null` to one of them or none, and with or without a rule for everybody."""
    deal, everybody = divmod(deal, 2)
    deal, null_in = divmod(deal, 6)
    rules: list[list[str]] = [[] for _ in range(6)]
    for pattern in patterns:
        deal, rule = divmod(deal, 5)
        rules[rule].append(pattern)
    if null_in:
        rules[null_in - 1].append("null")
    if everybody:
        rules[5].append("*")
    return rules


# Half of the cases have all their patterns in the first rule.
DEALS = st.just(0) | st.integers(0, 2 * 6 * 5**6 - 1)


@examples(20_000)
@given(strategies.matching_cases(), DEALS)
def test_find_agrees_with_the_oracle(case: tuple[list[str], str], deal: int) -> None:
    """The first rule that covers an origin is found, or none, or the origin is malformed, as the oracle says."""
    patterns, origin = case
    rules = dealt(patterns, deal)
    assert first_that_covers(rules, origin) == index_of(rules).find(origin)


EXACT = strategies.exact_origins() | st.sampled_from(
    ["https://a.example.com", "https://example.com", "http://localhost:1"]
)


@examples(2_000)
@given(st.lists(EXACT, max_size=4), DEALS, strategies.near_misses("https://{a.,b.,}example.com{,:8080}"))
def test_exact_origins(listed: list[str], deal: int, origin: str) -> None:
    """Where no pattern is a wildcard, an origin is found, not found, or malformed, as the oracle says."""
    rules = dealt(listed, deal)
    assert first_that_covers(rules, origin) == index_of(rules).find(origin)


EXPRESSIONS = (
    r"re:https://pr-[0-9]+\.preview\.example\.com",
    r"re:https://pr-[0-9]+\.preview\.example\.com(:[0-9]+)?",
    r"re:https://pr-1\.preview\.example\.com|https://pr-2\.preview\.example\.com",
    r"re:^https://pr-1\.preview\.example\.com$",
    r"re:https://pr-2",
    r"re:.*",
    r"re:(?i)HTTPS://PR-1\.PREVIEW\.EXAMPLE\.COM",
    r"re:https://.*example.com",
    r"re:(http|app)://.+",
    r"re:[a-z]+(://pr-1)?",
)
LIKE_EXPRESSIONS = "{https,http,app}://{pr-1,pr-2,pr-22,pr-,a,pr-1.a}.preview.example.com{,:8080}"


@examples(5_000)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                (*EXPRESSIONS, "https://*.preview.example.com", "https://pr-1.preview.example.com:*", "https://pr-2")
            ),
            max_size=4,
        ),
        min_size=1,
        max_size=4,
    ),
    strategies.near_misses(LIKE_EXPRESSIONS),
)
def test_expressions(rules: list[list[str]], origin: str) -> None:
    """Regular expressions match whole origins, and take their place among the other patterns of all rules."""
    assert first_that_covers(rules, origin) == index_of(rules).find(origin)


CASES: dict[str, tuple[Rules, str, int]] = {
    "no rules": ([], "https://a.example", NOT_COVERED),
    "an exact origin": ([["https://a.example"]], "https://a.example", 0),
    "an exact origin of two rules": ([["https://a.example"], ["https://a.example"]], "https://a.example", 0),
    "an origin behind an earlier wildcard": (
        [["https://x.example"], ["https://*.a.example"], ["https://b.a.example"]],
        "https://b.a.example",
        1,
    ),
    "an origin behind an earlier ?": ([["https://?.a.example"], ["https://b.a.example"]], "https://b.a.example", 0),
    "an origin too deep for an earlier ?": (
        [["https://?.a.example"], ["https://c.b.a.example"]],
        "https://c.b.a.example",
        1,
    ),
    "an origin behind an earlier range": (
        [["http://a.example:8000-8999"], ["http://a.example:8080"]],
        "http://a.example:8080",
        0,
    ),
    "an origin behind an earlier alternative": (
        [["https://{a,b}.example"], ["https://b.example"]],
        "https://b.example",
        0,
    ),
    "an origin behind an earlier expression": (
        [["https://x.example"], ["re:https://[a-z]\\.example"], ["https://b.example"]],
        "https://b.example",
        1,
    ),
    "an origin before a later wildcard": (
        [["https://b.a.example"], ["https://*.a.example"]],
        "https://b.a.example",
        0,
    ),
    "an origin before a later *": ([["https://a.example"], ["*"]], "https://a.example", 0),
    "an address behind an earlier range": ([["http://[::1]:*"], ["http://[::1]:80-90"]], "http://[::1]:81", 0),
    "the deepest of three wildcards comes last": (
        [["https://*.example"], ["https://*.a.example"], ["https://*.b.a.example"]],
        "https://c.b.a.example",
        0,
    ),
    "the deepest of three wildcards comes first": (
        [["https://*.b.a.example"], ["https://*.a.example"], ["https://*.example"]],
        "https://c.b.a.example",
        0,
    ),
    "a wildcard is no bare domain": ([["https://*.a.example"]], "https://a.example", NOT_COVERED),
    "a wildcard of another scheme": ([["http://*.a.example"]], "https://b.a.example", NOT_COVERED),
    "null, listed": ([["https://a.example"], ["null"]], "null", 1),
    "null, listed behind a wildcard": ([["https://*.a.example"], ["null"]], "null", 1),
    "null, not listed": ([["https://a.example"], ["https://*.a.example"]], "null", NOT_COVERED),
    "null is of *": ([["https://a.example"], ["*"]], "null", 1),
    "null, listed before *": ([["null"], ["*"]], "null", 0),
    "null is of no expression": ([["re:.*"], ["re:[a-z]+(://b)?"]], "null", NOT_COVERED),
    "files, listed": ([["https://a.example"], ["file://"]], "file://", 1),
    "files are of *": ([["https://a.example"], ["*"]], "file://", 1),
    "files are of no expression": ([["re:.*"], ["https://*"]], "file://", NOT_COVERED),
    "files with a host": ([["*"]], "file://host", MALFORMED),
    "files with a path": ([["file://"]], "file:///etc", MALFORMED),
    "capitals of a scheme without a network": (
        [["safari-web-extension://E5F6ABCD-12AB"]],
        "safari-web-extension://E5F6ABCD-12AB",
        0,
    ),
    "other capitals of such a scheme": (
        [["safari-web-extension://E5F6ABCD-12AB"]],
        "safari-web-extension://e5f6abcd-12ab",
        NOT_COVERED,
    ),
    "a dot alone": ([["app://."]], "app://.", 0),
    "sub-domains of such a scheme keep their case": ([["app://*.Example"]], "app://A.example", NOT_COVERED),
    "a glob": ([["https://app-*-team.vercel.app"]], "https://app-git-x-team.vercel.app", 0),
    "a glob, nothing for the star": ([["https://app-*-team.vercel.app"]], "https://app--team.vercel.app", NOT_COVERED),
    "a glob, the hyphens overlap": ([["https://app-*-team.vercel.app"]], "https://app-team.vercel.app", NOT_COVERED),
    "a glob, two labels": ([["https://app-*-team.vercel.app"]], "https://app-a.b-team.vercel.app", NOT_COVERED),
    "a glob, an underscore": ([["https://app-*.a.example"]], "https://app-x_y.a.example", NOT_COVERED),
    "a glob, something before": ([["https://app-*.a.example"]], "https://xapp-y.a.example", NOT_COVERED),
    "a glob, something behind": ([["https://*-app.a.example"]], "https://y-appx.a.example", NOT_COVERED),
    "a glob of an earlier rule": ([["https://a-*.b"], ["https://a-x.b"]], "https://a-x.b", 0),
    "a glob of a later rule": ([["https://a-x.b"], ["https://a-*.b"]], "https://a-x.b", 0),
    "globs within each other, the widest last": (
        [["https://abc*.d"], ["https://ab*.d"], ["https://a*.d"]],
        "https://abx.d",
        1,
    ),
    "globs within each other, the widest first": (
        [["https://a*.d"], ["https://ab*.d"], ["https://abc*.d"]],
        "https://abcx.d",
        0,
    ),
    "globs that begin alike": ([["https://a*b.d"], ["https://a*c.d"]], "https://axc.d", 1),
    "a glob on another port": ([["https://a-*.b"]], "https://a-x.b:8443", NOT_COVERED),
    "any host": ([["moz-extension://*", "https://*"]], "https://x.example", 0),
    "any host with odd characters": ([["https://*"]], 'https://a"b.example', 0),
    "any host, an address": ([["http://*:3000"]], "http://[::1]:3000", 0),
    "any host, another port": ([["https://*"]], "https://x.example:8443", NOT_COVERED),
    "any host, another scheme": ([["https://*"]], "http://x.example", NOT_COVERED),
    "any host of a later rule": ([["https://*.example"], ["https://*"]], "https://x.example", 0),
    "any host is not null": ([["https://*"]], "null", NOT_COVERED),
    "a range": ([["http://192.168.0.0/16"]], "http://192.168.7.9", 0),
    "the first address of a range": ([["http://192.168.0.0/16"]], "http://192.168.0.0", 0),
    "the last address of a range": ([["http://192.168.0.0/16"]], "http://192.168.255.255", 0),
    "an address before a range": ([["http://192.168.0.0/16"]], "http://192.167.255.255", NOT_COVERED),
    "an address behind a range": ([["http://192.168.0.0/16"]], "http://192.169.0.0", NOT_COVERED),
    "a port of a range": ([["http://192.168.0.0/16"]], "http://192.168.7.9:8080", NOT_COVERED),
    "a name that begins like an address of a range": (
        [["http://192.168.0.0/16"]],
        "http://192.168.7.9.evil.test",
        NOT_COVERED,
    ),
    "a range within a range of an earlier rule": (
        [["http://10.0.0.0/8"], ["http://10.1.0.0/16"]],
        "http://10.1.2.3",
        0,
    ),
    "a range within a range of a later rule": (
        [["http://10.1.0.0/16"], ["http://10.0.0.0/8"]],
        "http://10.1.2.3",
        0,
    ),
    "beside a range within a range": ([["http://10.1.0.0/16"], ["http://10.0.0.0/8"]], "http://10.2.0.0", 1),
    "an IPv6 range": ([["http://[fd00::]/8:3000"]], "http://[fd12::1]:3000", 0),
    "IPv4 addresses are in no IPv6 range": ([["http://[::]/0"]], "http://10.0.0.1", NOT_COVERED),
    "IPv6 addresses are in no IPv4 range": ([["http://0.0.0.0/0"]], "http://[::1]", NOT_COVERED),
    "all addresses": ([["http://0.0.0.0/0"]], "http://255.255.255.255", 0),
    "NULL is no origin": ([["null"], ["*"]], "NULL", MALFORMED),
    "* covers any origin": ([["*"]], "chrome-extension://abc", 0),
    "* covers origins alone": ([["*"]], "https://a.example/", MALFORMED),
    "an expression covers origins alone": ([["re:.*"]], "https://a.example/", MALFORMED),
    "* itself is no origin": ([["*"]], "*", MALFORMED),
    "nothing is no origin": ([["*"]], "", MALFORMED),
    "what is not ASCII is no origin": ([["*"]], "https://\u00e9.example", MALFORMED),
    "half a character is no origin": ([["*"]], "https://\ud800.example", MALFORMED),
    "a look-alike of a pattern": ([["https://k.example"]], "https://\u212a.example", MALFORMED),
    "a pattern is no origin": ([["https://a.example:*"]], "https://a.example:*", MALFORMED),
    "a wildcard as an origin, which browsers send": (
        [["https://*.example"]],
        "https://*.example",
        NOT_COVERED,
    ),
    "braces as an origin, which browsers send": (
        [["https://{a,b}.example"]],
        "https://{a,b}.example",
        NOT_COVERED,
    ),
}


@pytest.mark.parametrize(("rules", "origin", "found"), CASES.values(), ids=CASES)
def test_case(rules: Rules, origin: str, found: int) -> None:
    """The first rule that covers an origin speaks for it, whatever the kinds of its patterns and of others."""
    assert found == index_of(rules).find(origin)


def test_overlapping_ports() -> None:
    """Of port intervals that overlap the first rule's speaks, at each of their borders."""
    index = index_of(
        [
            ["http://a.example:100-200"],
            ["http://a.example:50-100", "http://a.example:150-250"],
            ["http://a.example:60-65"],
            ["http://a.example:250-251", "http://a.example:79-81"],
            ["http://a.example:1-65535"],
            ["http://a.example:*"],
        ]
    )
    ports = ("0", "1", "49", "50", "60", "65", "99", "100", "149", "200", "201", "250", "251", "252", "65535")
    expected = (5, 4, 4, 1, 1, 1, 1, 0, 0, 0, 1, 1, 3, 4, 4)
    assert expected == tuple(index.find(f"http://a.example:{port}") for port in ports)


def test_default_port_in_a_range() -> None:
    """A range that takes in the default port covers the origin that has none written, and no other scheme's."""
    index = index_of([["{http,https,app}://a.example:80-100"]])
    origins = ("http://a.example", "https://a.example:80", "https://a.example", "app://a.example", "app://a.example:80")
    assert tuple(map(index.find, origins)) == (0, 0, NOT_COVERED, NOT_COVERED, 0)


def test_port_of_a_scheme_without_default() -> None:
    """Any port is also none, where the scheme has no default."""
    index = index_of([["app://a.example:0-65535"], ["app://a.example:*"]])
    assert (index.find("app://a.example:0"), index.find("app://a.example")) == (0, 1)


ANY_SCHEME = r"re:[a-z]+://(app\.example\.com|localhost|[a-z.]+\.localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?"
CREDENTIALED = {"origins": [ANY_SCHEME], "credentials": True}
EVERYBODY = {"origins": ["*"]}

CLEAR_TEXT = (
    "http://app.example.com",
    "http://app.example.com:8080",
    "ws://app.example.com",
    "ftp://app.example.com",
)
NOT_CLEAR_TEXT = (
    "https://app.example.com",
    "wss://app.example.com",
    "app://app.example.com",
    "http://localhost",
    "http://localhost:3000",
    "http://a.localhost",
    "http://127.0.0.1:8080",
    "http://[::1]",
    "ws://[::1]:8080",
)


@pytest.mark.parametrize("origin", CLEAR_TEXT)
def test_insecure_origin_of_a_credentialed_expression(origin: str) -> None:
    """An expression in a rule with credentials speaks for no origin in clear text, and leaves it to later rules."""
    decision = ruled(CREDENTIALED, EVERYBODY).decide(sent(origin))
    assert (decision.rule, decision.headers) == (2, ((ACAO, "*"), VARY))


@pytest.mark.parametrize("origin", NOT_CLEAR_TEXT)
def test_secure_origin_of_a_credentialed_expression(origin: str) -> None:
    """An expression in a rule with credentials speaks for what nobody on the network can forge."""
    decision = ruled(CREDENTIALED, EVERYBODY).decide(sent(origin))
    assert (1, ((ACAO, origin), ACAC, VARY)) == (decision.rule, decision.headers)


@pytest.mark.parametrize("keys", [{"credentials": False}, {"dangerously_allow": ["insecure-origins"]}], ids=str)
@pytest.mark.parametrize("origin", CLEAR_TEXT)
def test_insecure_origin_allowed(origin: str, keys: dict[str, object]) -> None:
    """Without credentials, or with the flag, an expression speaks for origins in clear text too."""
    assert ruled({**CREDENTIALED, **keys}, EVERYBODY).decide(sent(origin)).rule == 1


def test_insecure_origin_listed_behind_a_credentialed_expression() -> None:
    """An exact origin in clear text stays with its own rule, where an earlier expression may not speak for it."""
    policies = ruled(
        CREDENTIALED, {"origins": ["http://app.example.com", "https://app.example.com", "https://b.example"]}
    )
    origins = ("http://app.example.com", "https://app.example.com", "https://b.example")
    assert [policies.decide(sent(origin)).rule for origin in origins] == [2, 1, 2]


def test_more_expressions_than_one_automaton_can_hold() -> None:
    """However many expressions there are, and however large, each origin is found by the first that covers it."""
    expressions = [rf"re:https://[a-z]{{1,200}}\.n{number}\.example\.com" for number in range(40)]
    read_document({"version": 1, "policies": {"a": {"origins": expressions}}})
    rules = [[expressions[0]], *([expression, r"re:https://last\..*"] for expression in expressions[1:]), ["re:.*"]]
    index = index_of(rules)
    assert list(range(40)) == [index.find(f"https://app.n{number}.example.com") for number in range(40)]
    assert tuple(index.find(f"https://{host}.example.com") for host in ("last.n0", "last.n39", "app.n40")) == (0, 1, 40)


def test_expression_that_no_automaton_can_hold() -> None:
    """An expression that can't be compiled by itself is no valid pattern, alone or among others."""
    for patterns in (["re:("], ["re:https://a", "re:(", "re:https://b"]):
        with pytest.raises(PolicyError) as caught:
            index_of([patterns])
        assert (caught.value.code, caught.value.value) == ("regex-malformed", "re:(")

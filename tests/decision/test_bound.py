"""Tests of origins that use what `match` binds of the request's host."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.decision import ActivePolicies, Decision, Query
from cors_service.decision._bound import Binding, BoundIndex
from cors_service.decision._ports import NO_RULE
from cors_service.decision._urls import parse_url
from cors_service.grammar.bound import BoundHost
from cors_service.grammar.match import parse_match
from cors_service.grammar.origin import read_origin
from cors_service.grammar.pattern import read_pattern
from tests import naive
from tests.decision.queries import active
from tests.policy.documents import codes_in, mistakes_in, policy, rule

TENANTS = {"match": ["<tenant>.api.example.com/"], "origins": ["https://<tenant>.app.example.com"], "credentials": True}
ANY_PORT = {"match": ["<host>/"], "origins": ["http://<host>:*"]}


def decided(policies: ActivePolicies, origin: str, url: str | None, *, named: bool = False) -> Decision:
    """The decision about a request, which finds the policy by its URL, or names it."""
    return policies.decide(Query("GET", "a" if named or url is None else None, url, (origin,)))


CASES: dict[str, tuple[dict[str, Any], str, str, bool]] = {
    "the tenant's own pages": (TENANTS, "https://acme.app.example.com", "https://acme.api.example.com/x", True),
    "another tenant's pages": (TENANTS, "https://evil.app.example.com", "https://acme.api.example.com/x", False),
    "pages below the tenant's": (TENANTS, "https://x.acme.app.example.com", "https://acme.api.example.com/", False),
    "pages of a tenant that begins alike": (
        TENANTS,
        "https://acme2.app.example.com",
        "https://acme.api.example.com/",
        False,
    ),
    "pages of a tenant that ends alike": (
        TENANTS,
        "https://xacme.app.example.com",
        "https://acme.api.example.com/",
        False,
    ),
    "pages on a port": (TENANTS, "https://acme.app.example.com:8443", "https://acme.api.example.com/", False),
    "pages of another scheme": (TENANTS, "http://acme.app.example.com", "https://acme.api.example.com/", False),
    "no page": (TENANTS, "null", "https://acme.api.example.com/", False),
    "no origin": (TENANTS, "https://Acme.app.example.com", "https://acme.api.example.com/", False),
    "a host with capitals": (TENANTS, "https://acme.app.example.com", "https://ACME.api.example.com/", True),
    "a host with a trailing dot": (TENANTS, "https://acme.app.example.com", "https://acme.api.example.com./", True),
    "another port of the same host": (ANY_PORT, "http://dev.lan:3000", "http://dev.lan:8080/", True),
    "another port of an address": (ANY_PORT, "http://10.0.0.7:3000", "http://10.0.0.7:8080/", True),
    "another port of an IPv6 address": (ANY_PORT, "http://[::1]:3000", "http://[::1]:8080/", True),
    "another host": (ANY_PORT, "http://evil.lan:3000", "http://dev.lan:8080/", False),
    "a host that ends in it": (ANY_PORT, "http://evil.dev.lan:3000", "http://dev.lan:8080/", False),
    "a host that begins with it": (ANY_PORT, "http://dev.lan.evil.test:3000", "http://dev.lan:8080/", False),
    "the scheme of a request counts for nothing": (ANY_PORT, "http://dev.lan:3000", "https://dev.lan/", True),
    "a match on a port": (
        {"match": ["<tenant>.api.example.com:8443/"], "origins": ["https://<tenant>.app.example.com"]},
        "https://acme.app.example.com",
        "https://acme.api.example.com:8443/",
        True,
    ),
    "two matches": (
        {"match": ["<t>.api.example.com/", "<t>.example.net/v1/"], "origins": ["https://<t>.app.example.com"]},
        "https://acme.app.example.com",
        "https://acme.example.net/v1/x",
        True,
    ),
    "a label in the middle": (
        {"match": ["<t>.api.example.com/"], "origins": ["https://app.<t>.example.com:{1,8000-8999}"]},
        "https://app.acme.example.com:8080",
        "https://acme.api.example.com/",
        True,
    ),
    "the same label twice in the origin": (
        {"match": ["<t>.api.example.com/"], "origins": ["https://app.<t>.example.com"]},
        "https://app.app.example.com",
        "https://app.api.example.com/",
        True,
    ),
    "a label before the whole host": (
        {"match": ["<host>/"], "origins": ["https://www.<host>"]},
        "https://www.shop.example",
        "https://shop.example/",
        True,
    ),
    "one of several origins": (
        {"match": ["<t>.api.example.com/"], "origins": ["https://x.example", "https://{<t>,www}.app.example.com"]},
        "https://www.app.example.com",
        "https://acme.api.example.com/",
        True,
    ),
    "a scheme without a network": (
        {"match": ["<t>.api.example.com/"], "origins": ["app://<t>"]},
        "app://acme",
        "https://acme.api.example.com/",
        True,
    ),
}


@pytest.mark.parametrize(("body", "origin", "url", "allowed"), CASES.values(), ids=CASES)
def test_case(body: dict[str, Any], origin: str, url: str, *, allowed: bool) -> None:
    """An origin is covered if it is made of what the URL binds, whether the policy is named or found by the URL."""
    policies = active(a=body)
    for named in (False, True):
        decision = decided(policies, origin, url, named=named)
        assert allowed == decision.allowed
        if not allowed:
            assert decision.reason.code in {"origin-not-allowed", "origin-malformed"}


def test_without_a_url() -> None:
    """A query without a URL binds nothing: its origin is not covered, and the reason says what is missing."""
    decision = decided(active(a=TENANTS), "https://acme.app.example.com", None)
    assert (decision.allowed, decision.rule, decision.reason.code) == (False, None, "origin-needs-url")
    assert decision.reason.is_about_origin
    message = (
        "No rule of policy a covers 'https://acme.app.example.com' without the URL of the request, because its "
        "origins depend on the host."
    )
    assert message == decision.reason.message


@pytest.mark.parametrize("url", ["acme.api.example.com/x", "/x", "ftp://acme.api.example.com/x", "https://127.1/", ""])
def test_url_that_cannot_be_read(url: str) -> None:
    """Where the URL beside a policy's name has no host that can be read, the reason shows that URL: it was sent."""
    decision = decided(active(a=TENANTS), "https://acme.app.example.com", url, named=True)
    assert (decision.allowed, decision.reason.code) == (False, "origin-needs-url")
    message = (
        "No rule of policy a covers 'https://acme.app.example.com' without the host of the request's URL, and "
        f"'{url}' has none that can be read."
    )
    assert message == decision.reason.message


MISSING = {
    "another tenant": ("https://evil.app.example.com", True),
    "no tenant": ("https://app.example.com", False),
    "two labels": ("https://a.b.app.example.com", True),
    "another domain": ("https://acme.evil.example", False),
    "another scheme": ("http://acme.app.example.com", False),
    "another port": ("https://acme.app.example.com:8443", False),
    "another port that is listed": ("https://a.other.example:8443", True),
    "an empty label": ("https://.app.example.com", False),
    "more labels than anybody has": (f"https://{'a.' * 20}example", True),
    "null": ("null", False),
    "files": ("file://", False),
}


@pytest.mark.parametrize(("origin", "missing"), MISSING.values(), ids=MISSING)
def test_what_is_missing(origin: str, *, missing: bool) -> None:
    """The URL is missing where a rule could cover the origin; of others it is said that no rule covers them."""
    policies = active(
        a={"match": ["<t>.m.example/"], "origins": ["https://<t>.app.example.com", "https://a.<t>.example:8443"]}
    )
    expected = "origin-needs-url" if missing else "origin-not-allowed"
    assert decided(policies, origin, None).reason.code == expected


def test_malformed_origin_without_a_url() -> None:
    """What is no origin is said to be none, URL or not."""
    assert decided(active(a=TENANTS), "https://acme.app.example.com/", None).reason.code == "origin-malformed"


def test_other_rules_without_a_url() -> None:
    """Rules that use nothing that is bound decide without a URL, too."""
    bodies = [{"origins": ["http://<host>:*"]}, {"origins": ["https://a.example"]}, {"origins": ["*"]}]
    policies = active(a={"match": ["<host>/"], "rules": bodies})
    assert decided(policies, "https://a.example", None).rule == 2
    assert decided(policies, "https://b.example", None).rule == 3


def test_refusals_without_a_url() -> None:
    """Without a URL nobody knows whom a rule refuses by what is bound, so no later rule lets such an origin in."""
    bodies = [
        {"origins": ["https://c.bad.example"]},
        {"origins": ["https://<t>.bad.example"], "refuse": True},
        {"origins": ["https://<t>.good.example"]},
        {"origins": ["https://*.example"]},
    ]
    policies = active(a={"match": ["<t>.api.example/"], "rules": bodies})
    rules = {
        "https://a.bad.example": (2, 4, None),
        "https://b.bad.example": (4, 4, None),
        "https://c.bad.example": (1, 1, 1),
        "https://a.bad.example:8443": (None, None, None),
        "https://a.good.example": (3, 4, 4),
        f"https://{'a.' * 20}example": (4, 4, None),
    }
    for origin, expected in rules.items():
        missing = {"https://a.bad.example:8443": "origin-not-allowed"}
        urls = ("https://a.api.example/", "https://other.example/", None)
        decisions = [decided(policies, origin, url, named=True) for url in urls]
        assert tuple(decision.rule for decision in decisions) == expected
        assert decisions[2].reason.code == ("allowed" if expected[2] else missing.get(origin, "origin-needs-url"))


def test_url_of_another_host() -> None:
    """A URL that is not on a host of a match binds nothing; it is not the URL that is missing."""
    decision = decided(active(a=TENANTS), "https://acme.app.example.com", "https://acme.other.example/", named=True)
    assert (decision.allowed, decision.reason.code) == (False, "origin-not-allowed")


def test_first_rule_decides() -> None:
    """Of a rule that uses what is bound and others the first that covers the origin decides."""
    bound, exact = {"origins": ["http://<host>:*"]}, {"origins": ["http://dev.lan:3000", "http://other.lan"]}
    first = active(a={"match": ["<host>/"], "rules": [bound, exact]})
    last = active(a={"match": ["<host>/"], "rules": [exact, bound]})
    for policies in (first, last):
        assert decided(policies, "http://dev.lan:3000", "http://dev.lan/").rule == 1
    assert decided(first, "http://other.lan", "http://dev.lan/").rule == 2
    assert decided(last, "http://dev.lan:3001", "http://dev.lan/").rule == 2


def test_own_origin() -> None:
    """The origin of the URL itself is the service's own, where the match binds the host, too."""
    policies = active(a=TENANTS)
    url = "https://acme.api.example.com/"
    for named in (False, True):
        assert decided(policies, "https://acme.api.example.com", url, named=named).kind == "same-origin"


UNKNOWN = {
    "no match": policy(origins=["https://<tenant>.a.example"]),
    "a match that binds nothing": policy(match=["a.example/"], origins=["https://<tenant>.a.example"]),
    "another name": policy(match=["<customer>.a.example/"], origins=["https://<tenant>.a.example"]),
    "the whole host": policy(match=["<host>/"], origins=["https://{<tenant>,x}.a.example"]),
}


@pytest.mark.parametrize("document", UNKNOWN.values(), ids=UNKNOWN)
def test_unknown(document: dict[str, Any]) -> None:
    """A name that no match of the policy binds is a mistake, which says how to bind it."""
    (mistake,) = mistakes_in(document)
    assert (mistake.code, mistake.path) == ("binding-unknown", ("policies", "a", "origins", 0))
    assert mistake.message == "No match of the policy binds <tenant>."
    hint = 'Write match = ["<tenant>.api.example.com/"] on the policy, or an origin without <tenant>.'
    assert hint == mistake.hint


def test_unknown_in_a_set() -> None:
    """An origin set may use names, and each policy that uses the set has to bind them."""
    sets = {"origin_sets": {"s": ["https://<tenant>.a.example"]}}
    assert codes_in({**rule("@s", match=["<tenant>.b.example/"]), **sets}) == []
    (mistake,) = mistakes_in({**rule("https://x.example", "@s"), **sets})
    assert (mistake.code, mistake.path) == ("binding-unknown", ("policies", "a", "origins", 1))


def test_behind_a_malformed_match() -> None:
    """Nobody can say that a name is not bound as long as a match is malformed."""
    assert codes_in(rule("https://<tenant>.a.example", match=["<tenant>.a.example"])) == ["match-malformed"]


MALFORMED = {
    "a part of a label": "https://<tenant>-app.example.com",
    "two names": "https://<tenant>.<region>.example.com",
    "no name": "https://<>.example.com",
    "no end": "https://<tenant.example.com",
    "no beginning": "https://tenant>.example.com",
    "a star": "https://<*>.example.com",
    "a digit first": "https://<1>.example.com",
}


@pytest.mark.parametrize("pattern", MALFORMED.values(), ids=MALFORMED)
def test_malformed(pattern: str) -> None:
    """What is not one name in angle brackets as a whole label is a mistake, which shows what is."""
    (mistake,) = mistakes_in(rule(pattern, match=["<tenant>.example.com/"]))
    assert (mistake.code, mistake.value) == ("binding-malformed", pattern)
    assert mistake.message.endswith(" does not have one name in angle brackets, as a whole label.")
    hint = 'Such a name is that of a label, as in "https://<tenant>.app.example.com", or "<host>": "http://<host>:*".'
    assert hint == mistake.hint


OTHERS = {
    "a number behind": ("https://<tenant>.1", "origin-malformed"),
    "Punycode that is none": ("https://<tenant>.xn--a", "origin-malformed"),
    "an empty label": ("https://a..<tenant>", "origin-malformed"),
    "a tilde": ("https://<tenant>.a~b", "origin-malformed"),
    "a star before": ("https://*.<tenant>.example.com", "origin-malformed"),
    "a slash": ("https://<tenant>.example.com/", "origin-trailing-slash"),
    "capitals": ("https://<Tenant>.example.com", "origin-uppercase"),
}


@pytest.mark.parametrize(("pattern", "code"), OTHERS.values(), ids=OTHERS)
def test_refused(pattern: str, code: str) -> None:
    """What stands around a name has to be as in other patterns."""
    assert codes_in(rule(pattern, match=["<tenant>.example.com/"])) == [code]


SENTENCES = {
    "https://<tenant>.a~b": "has a host that is not made of labels of letters, digits, - and _, joined by dots.",
    "https://<tenant>.1": "has a host that no browser sends, whatever is bound.",
}


@pytest.mark.parametrize(("pattern", "sentence"), SENTENCES.items())
def test_sentence(pattern: str, sentence: str) -> None:
    """The message says what is wrong around a name."""
    (mistake,) = mistakes_in(rule(pattern, match=["<tenant>.example.com/"]))
    assert mistake.message == f"'{pattern}' {sentence}"


DANGERS: dict[str, tuple[str, str, list[str]]] = {
    "a label of a domain": ("<t>.a.example/", "https://<t>.app.example.com", []),
    "cleartext": ("<host>/", "http://<host>:*", ["insecure-origin"]),
    "cleartext below localhost": ("<t>.a.example/", "http://<t>.localhost:*", []),
    "the host itself": ("<host>/", "https://<host>:*", []),
    "a label under a public suffix": ("<t>.a.example/", "https://<t>.vercel.app", ["public-suffix-subdomains"]),
    "a label above public suffixes": ("<t>.a.example/", "https://<t>.amazonaws.com", []),
    "labels above public suffixes": ("<host>/", "https://<host>.amazonaws.com", ["public-suffix-subdomains"]),
    "a label under a public suffix, a trailing dot": (
        "<t>.a.example/",
        "https://<t>.vercel.app.",
        ["public-suffix-subdomains"],
    ),
    "a label below localhost, a trailing dot": ("<t>.a.example/", "https://<t>.localhost.", []),
    "the name that is registered": ("<t>.a.example/", "https://<t>.com", ["public-suffix-subdomains"]),
    "a scheme without a network": ("<t>.a.example/", "app://<t>", []),
}


@pytest.mark.parametrize(("match", "origin", "codes"), DANGERS.values(), ids=DANGERS)
def test_danger(match: str, origin: str, codes: list[str]) -> None:
    """With credentials an origin that uses a name has the dangers of its scheme and of the labels behind it."""
    assert codes == codes_in(rule(origin, match=[match], credentials=True))
    flags = ["insecure-origins", "public-suffix-subdomains"]
    assert codes_in(rule(origin, match=[match], credentials=True, dangerously_allow=flags)) == []


LABELS = ["a", "b", "ab", "x-y"]
HOSTS = st.lists(st.sampled_from(LABELS), min_size=1, max_size=4).map(".".join)
PATTERNS = ["{0}", "{0}.a", "a.{0}", "b.{0}.a.b", "{0}.a:*", "{0}:1-9", "x-y.{0}"]


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4), HOSTS, HOSTS, st.sampled_from(["", ":1", ":10"]))
def test_index_agrees_with_the_oracle(patterns: list[str], bound: str, host: str, port: str) -> None:
    """The first pattern is found that covers an origin with what is bound in the place of its name."""
    index = BoundIndex()
    for number, pattern in enumerate(patterns):
        read = read_pattern(f"https://{pattern.format('<t>')}")
        assert isinstance(read, BoundHost)
        index.add(read, number)
    for _ in index.seal():
        pass
    written = [f"https://{pattern.format(bound)}" for pattern in patterns]
    for origin in (f"https://{host}{port}", *(one.replace(":*", port).replace(":1-9", port) for one in written)):
        if not naive.is_origin(origin):
            continue
        covering = (number for number, one in enumerate(written) if naive.covers(one, origin))
        parsed = read_origin(origin)
        assert parsed is not None
        assert next(covering, NO_RULE) == index.find(parsed, bound)


BOUND: dict[str, tuple[list[str], str, str | None]] = {
    "a label": (["<t>.a.example/"], "https://x.a.example/", "x"),
    "a label on a port that is not the match's": (["<t>.a.example/"], "https://x.a.example:8443/", None),
    "a label on a port": (["<t>.a.example:8443/"], "https://x.a.example:8443/", "x"),
    "a label on no port": (["<t>.a.example:8443/"], "https://x.a.example/", None),
    "a label on the default port that is written": (["<t>.a.example:443/"], "https://x.a.example/", "x"),
    "two labels": (["<t>.a.example/"], "https://x.y.a.example/", None),
    "no label": (["<t>.a.example/"], "https://a.example/", None),
    "the whole host": (["<host>/"], "https://x.a.example/", "x.a.example"),
    "the whole host on a port": (["<host>/"], "https://x.a.example:8443/", "x.a.example"),
    "the whole host on another port": (["<host>:1/"], "https://x.a.example/", None),
    "an address": (["<host>/"], "http://[::1]:1/", "[::1]"),
    "one of two": (["<t>.b.example/", "<t>.a.example/x/"], "https://x.a.example/", "x"),
}


@pytest.mark.parametrize(("matches", "url", "bound"), BOUND.values(), ids=BOUND)
def test_binding(matches: list[str], url: str, bound: str | None) -> None:
    """Of a URL on a host of a match, the match binds its first label or all of it, whatever the path."""
    assert bound == Binding.of([*map(parse_match, matches)]).bound(parse_url(url))

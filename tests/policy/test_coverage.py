"""Tests of the search for rules that can never decide."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.policy._coverage import Coverage
from tests import naive
from tests.examples import examples
from tests.policy.documents import codes_in, mistakes_in, mistakes_of, origin_patterns, policy, toml

# The origins of earlier rules, those of the last rule, whether earlier rules cover all of these.
CASES = {
    "the same origin": (["https://a.example"], ["https://a.example"], True),
    "another origin": (["https://a.example"], ["https://b.example"], False),
    "another scheme": (["https://a.example"], ["http://a.example"], False),
    "another port": (["https://a.example"], ["https://a.example:8443"], False),
    "one of two": (["https://a.example"], ["https://a.example", "https://b.example"], False),
    "both of two": (["https://a.example", "https://b.example"], ["https://b.example", "https://a.example"], True),
    "everything": (["*"], ["https://a.example", "null", "re:a://b", "https://*.a.example"], True),
    "everything, twice": (["*"], ["*"], True),
    "everything behind something": (["https://a.example"], ["*"], False),
    "null, twice": (["null"], ["null"], True),
    "null behind something": (["https://a.example"], ["null"], False),
    "a regular expression, twice": (["re:https://a"], ["re:https://a"], True),
    "another regular expression": (["re:https://a"], ["re:https://b"], False),
    "an origin behind sub-domains": (["https://*.a.example"], ["https://x.a.example"], True),
    "a deep origin behind sub-domains": (["https://*.a.example"], ["https://x.y.z.a.example"], True),
    "the domain behind its sub-domains": (["https://*.a.example"], ["https://a.example"], False),
    "a domain that ends alike": (["https://*.a.example"], ["https://xa.example"], False),
    "an origin behind one label": (["https://?.a.example"], ["https://x.a.example"], True),
    "a deep origin behind one label": (["https://?.a.example"], ["https://x.y.a.example"], False),
    "one label behind sub-domains": (["https://*.a.example"], ["https://?.a.example"], True),
    "sub-domains behind one label": (["https://?.a.example"], ["https://*.a.example"], False),
    "sub-domains behind those of a shorter domain": (["https://*.example"], ["https://*.a.example"], True),
    "one label behind sub-domains of a shorter domain": (["https://*.example"], ["https://?.b.a.example"], True),
    "one label behind one label of a shorter domain": (["https://?.example"], ["https://?.a.example"], False),
    "sub-domains behind those of a longer domain": (["https://*.a.example"], ["https://*.example"], False),
    "a trailing dot": (["https://*.example"], ["https://a.example."], False),
    "an address behind sub-domains": (["https://*.example"], ["https://1.2.3.4"], False),
    "an IPv6 address": (["http://[::1]:*"], ["http://[::1]:8080"], True),
    "another IPv6 address": (["http://[::1]:*"], ["http://[::2]:8080"], False),
    "a port behind any port": (["http://a:*"], ["http://a:8080"], True),
    "no port behind any port": (["http://a:*"], ["http://a"], True),
    "no port, and no default, behind any port": (["app://a:*"], ["app://a"], True),
    "a range behind any port": (["http://a:*"], ["http://a:1-9"], True),
    "any port behind one": (["http://a"], ["http://a:*"], False),
    "a port behind a range": (["http://a:1-9"], ["http://a:9"], True),
    "a port beside a range": (["http://a:1-9"], ["http://a:10"], False),
    "no port behind a range with the default": (["http://a:79-81"], ["http://a"], True),
    "no port, and no default, behind a range": (["app://a:0-65535"], ["app://a"], False),
    "a range behind two that touch": (["http://a:5-9", "http://a:1-4"], ["http://a:2-8"], True),
    "a range behind two that overlap": (["http://a:1-6", "http://a:3-9"], ["http://a:1-9"], True),
    "a range behind one within another": (["http://a:1-9", "http://a:3-4"], ["http://a:2-9"], True),
    "a range behind one, one within it, and one": (
        ["http://a:1-6", "http://a:2-3", "http://a:7-9"],
        ["http://a:1-9"],
        True,
    ),
    "a range behind two with a gap": (["http://a:1-4", "http://a:6-9"], ["http://a:2-8"], False),
    "a range that begins earlier": (["http://a:2-9"], ["http://a:1-9"], False),
    "a range that ends later": (["http://a:1-8"], ["http://a:1-9"], False),
    "a range of two behind two ports": (["http://a:1", "http://a:2"], ["http://a:1-2"], True),
    "ports of sub-domains and of an origin": (["http://*.a:1-4", "http://b.a:5-9"], ["http://b.a:1-9"], True),
    "any port behind all ports": (["http://a:0-65535"], ["http://a:*"], True),
    "any port behind all ports, where none may be written": (["app://a:0-65535"], ["app://a:*"], False),
    "alternatives, all covered": (["https://a.example", "https://b.example"], ["https://{a,b}.example"], True),
    "alternatives, one covered": (["https://a.example"], ["https://{a,b}.example"], False),
    "an alternative": (["https://{a,b}.example"], ["https://b.example"], True),
    "an alternative with a wildcard": (["https://{*.,}a.example"], ["https://a.example", "https://x.a.example"], True),
    "a quantifier, which is no alternative": (["re:https://a{1,2}"], ["re:https://a{1,2}"], True),
    "an origin behind any host": (["https://*"], ["https://a.b.example"], True),
    "an address behind any host": (["https://*"], ["https://1.2.3.4"], True),
    "an IPv6 address behind any host": (["http://*:*"], ["http://[::1]:80-90"], True),
    "sub-domains, a glob and a range behind any host": (
        ["http://*:*"],
        ["http://*.a", "http://?.a:1", "http://a-*.b", "http://10.0.0.0/8:1-9"],
        True,
    ),
    "any host behind itself, on more ports": (["http://*:*"], ["http://*:3000"], True),
    "any host behind sub-domains": (["https://*.example"], ["https://*"], False),
    "another port behind any host": (["https://*"], ["https://a.example:8443"], False),
    "another scheme behind any host": (["https://*"], ["app://*"], False),
    "files behind any host": (["app://*"], ["file://"], False),
    "an origin behind a glob": (["https://a-*.b"], ["https://a-x.b"], True),
    "an origin behind a glob, nothing for the star": (["https://a-*.b"], ["https://a-.b"], False),
    "an origin behind a glob, an underscore": (["https://a-*.b"], ["https://a-x_y.b"], False),
    "an origin behind a glob with an end": (["https://a-*-b.c"], ["https://a-x-b.c"], True),
    "a deep origin behind a glob": (["https://a-*.b"], ["https://x.a-y.b"], False),
    "a glob behind one label": (["https://?.b"], ["https://a-*.b"], True),
    "a glob behind sub-domains": (["https://*.c"], ["https://a-*.b.c"], True),
    "one label behind a glob": (["https://a-*.b"], ["https://?.b"], False),
    "a narrower glob": (["https://a*.b"], ["https://a-*.b"], True),
    "a narrower glob, at the end": (["https://*b.c"], ["https://a*-b.c"], True),
    "a narrower glob, an underscore": (["https://a*.b"], ["https://a_*.b"], False),
    "a wider glob": (["https://a-*.b"], ["https://a*.b"], False),
    "a glob that overlaps": (["https://a*.c"], ["https://*b.c"], False),
    "a glob on other ports": (["http://a-*.b:1-5", "http://a*.b:6-9"], ["http://a-b*.b:2-8"], True),
    "an address behind a range": (["http://10.0.0.0/8"], ["http://10.1.2.3"], True),
    "an address beside a range": (["http://10.0.0.0/8"], ["http://11.1.2.3"], False),
    "an address of another scheme behind a range": (["http://10.0.0.0/8"], ["https://10.1.2.3"], False),
    "a name behind a range": (["http://0.0.0.0/0"], ["http://a.example"], False),
    "an IPv6 address behind a range": (["http://[fd00::]/8"], ["http://[fd12::1]"], True),
    "an IPv6 address behind a range of the others": (["http://0.0.0.0/0"], ["http://[::]"], False),
    "a range behind a wider one": (["http://10.0.0.0/8"], ["http://10.1.0.0/16"], True),
    "a range behind an equal one, on more ports": (["http://10.0.0.0/8:*"], ["http://10.0.0.0/8:1-9"], True),
    "a range behind a narrower one": (["http://10.1.0.0/16"], ["http://10.0.0.0/8"], False),
    "a range behind one beside it": (["http://10.1.0.0/16"], ["http://10.2.0.0/16"], False),
    "what is bound behind any host": (["https://*"], ["https://<t>.a", "https://<t>"], True),
    "what is bound behind sub-domains": (["https://*.a"], ["https://<t>.a"], True),
    "what is bound behind sub-domains of a shorter domain": (["https://*.a"], ["https://<t>.b.a"], True),
    "what is bound behind one label": (["https://?.a"], ["https://<t>.a"], True),
    "what is bound behind a glob": (["https://x-*.a"], ["https://<t>.a"], False),
    "what is bound behind itself, on more ports": (["https://<t>.a:*"], ["https://<t>.a"], True),
    "what is bound behind itself, on a port": (["https://<t>.a:1"], ["https://<t>.a"], False),
    "an origin behind what is bound": (["https://<t>.a"], ["https://x.a"], False),
    "what is bound, with a label before it": (["https://<t>"], ["https://x.<t>"], False),
    "a set": (["@s"], ["https://s.example"], True),
    "a set behind its members": (["https://s.example", "https://t.example"], ["@s"], True),
    "a set, twice": (["@s"], ["@s"], True),
    "a set behind one of its members": (["https://s.example"], ["@s"], False),
}
SETS = {"s": ["https://s.example", "https://t.example"]}


def unreachable(*rules: list[str]) -> list[int]:
    """Which of the rules with these origins, counted from 0, can never decide."""
    listed = [{"origins": origins, "dangerously_allow": ["null-origin"]} for origins in rules]
    found = mistakes_in({**policy(rules=listed, match=["<t>.example/"]), "origin_sets": SETS})
    paths: list[tuple[str | int, ...]] = [("policies", "a", "rules", index) for index in range(len(rules))]
    return [paths.index(mistake.path) for mistake in found if mistake.code == "rule-unreachable"]


@pytest.mark.parametrize(("earlier", "last", "covered"), CASES.values(), ids=CASES)
def test_rule(earlier: list[str], last: list[str], *, covered: bool) -> None:
    """A rule is refused if and only if earlier rules cover each of its origins."""
    assert ([1] if covered else []) == unreachable(earlier, last)


@pytest.mark.parametrize(("earlier", "last", "covered"), CASES.values(), ids=CASES)
def test_several_earlier_rules(earlier: list[str], last: list[str], *, covered: bool) -> None:
    """It does not matter over how many earlier rules the origins are spread."""
    rules = [[origin] for origin in earlier]
    assert covered == (len(rules) in unreachable(*rules, last))


@pytest.mark.parametrize(("pattern", "covered"), [("https://?.a", False), ("https://*.a", True), ("https://*", True)])
def test_whole_host(pattern: str, *, covered: bool) -> None:
    """The whole host of a request can have several labels."""
    assert covered == covers([pattern], "https://<host>.a")


@pytest.mark.parametrize(
    ("text", "earlier", "last", "covered"),
    [
        (r"re:http[s]?://a\.example", True, False, False),
        (r"re:http[s]?://a\.example", True, True, True),
        (r"re:http[s]?://a\.example", False, True, True),
        (r"re:https://a\.example\.com", True, False, True),
    ],
)
def test_cleartext(text: str, earlier: bool, last: bool, *, covered: bool) -> None:
    """With credentials, an expression leaves its cleartext origins to later rules."""
    lifted = ["public-suffix-subdomains"]
    rules = [{"origins": [text], "credentials": each, "dangerously_allow": lifted} for each in (earlier, last)]
    assert (["rule-unreachable"] if covered else []) == codes_in(policy(rules=rules))


def test_within_a_rule() -> None:
    """A rule may list an origin twice, or beside a wildcard that covers it."""
    assert unreachable(["https://a.example", "https://a.example", "https://*.example"]) == []


def test_between_policies() -> None:
    """Rules of different policies have nothing to do with each other."""
    body = {"origins": ["https://a.example"]}
    assert codes_in({"version": 1, "policies": {"a": body, "b": body}}) == []


def test_mistake() -> None:
    """The mistake names the rule by its place in the policy, at its place in the file."""
    text = 'version = 1\n[[policies.a.rules]]\norigins = ["*"]\n[[policies.a.rules]]\norigins = ["https://a.example"]'
    (mistake,) = mistakes_of(toml(text))
    assert (mistake.code, mistake.line) == ("rule-unreachable", 4)
    assert "Rule 2 " in mistake.message


def test_number_of_a_rule_behind_a_refused_one() -> None:
    """The number of a rule counts those before it that are refused."""
    rules = [5, {"origins": ["*"]}, {"origins": ["*"]}]
    found = {mistake.code: mistake.message for mistake in mistakes_in(policy(rules=rules))}
    assert "Rule 3 " in found["rule-unreachable"]


UNKNOWN = {
    "a malformed origin": ["https://a.example", "HTTPS://b.example"],
    "an origin that is no string": ["https://a.example", 5],
    "a set that does not exist": ["https://a.example", "@nothing"],
    "a set with a malformed member": ["https://a.example", "@bad"],
}


@pytest.mark.parametrize("origins", UNKNOWN.values(), ids=UNKNOWN)
def test_rule_with_a_refused_origin(origins: list[object]) -> None:
    """Nobody can say that a rule never decides as long as one of its origins is not known."""
    rules = [{"origins": ["https://a.example"]}, {"origins": origins}, {"origins": ["@bad"]}]
    document = {**policy(rules=rules), "origin_sets": {"bad": ["HTTPS://b.example"]}}
    assert "rule-unreachable" not in codes_in(document)


def test_rule_with_a_set_of_an_unreadable_document() -> None:
    """Nobody can say that a rule never decides if its set may stand in a document that can't be read."""
    text = 'version = 1\n[policies.a]\nrules = [{origins = ["https://a.example"]}, {origins = ["@s", "https://a.example"]}]'
    assert [mistake.code for mistake in mistakes_of(toml(text, "a"), toml("origin_sets", "b"))] == ["syntax"]


# A small world, in which all there is can be listed.
HOSTS = [
    "a",
    "b.a",
    "c.a",
    "b.b.a",
    "c.b.a",
    "c.c.b.a",
    "ba",
    "[::1]",
    "bc.a",
    "b-c.a",
    "b_c.a",
    "10.0.0.1",
    "10.0.0.2",
]
PORTS = ["", ":0", ":1", ":2", ":3", ":4", ":79", ":80", ":81", ":65535"]
WORLD = {
    scheme: [origin for host, port in product(HOSTS, PORTS) if naive.is_origin(origin := f"{scheme}://{host}{port}")]
    for scheme in ("http", "app")
}
PORTS_MEANT = ["", ":1", ":*", ":0-1", ":2-79", ":1-80", ":80-65535", ":2-65535", ":0-65535", ":{1,2-3}"]
WITHOUT_WILDCARD = ["a", "b.a", "{b,c}.a", "[::1]", "10.0.0.1", "b-c.a"]
WITH_WILDCARD = ["*.a", "?.a", "{*.,}a", "*.b.a", "?.b.a", "*.ba", "*", "b*.a", "*c.a", "b*c.a", "b-*.a"]
RANGES = ["10.0.0.0/8", "10.0.0.0/30", "10.0.0.2/31", "[::]/127"]


def patterns(scheme: str, hosts: list[str]) -> st.SearchStrategy[str]:
    """Draw a pattern of some hosts."""
    known = [host for host in hosts if "/" not in host or scheme == "http"]
    return st.sampled_from([f"{scheme}://{host}{port}" for host, port in product(known, PORTS_MEANT)])


def cases(hosts: list[str]) -> st.SearchStrategy[tuple[list[str], str, list[str]]]:
    """Draw the origins of earlier rules, a pattern for some of these hosts, and all origins that it covers."""
    return st.sampled_from(list(WORLD)).flatmap(
        lambda scheme: st.tuples(
            st.lists(patterns(scheme, [*WITHOUT_WILDCARD, *WITH_WILDCARD, *RANGES]), min_size=1, max_size=8),
            patterns(scheme, hosts),
        ).map(lambda case: (*case, [origin for origin in WORLD[scheme] if naive.covers(case[1], origin)]))
    )


def covers(earlier: list[str], pattern: str) -> bool:
    """Whether earlier patterns are found to cover a pattern."""
    coverage = Coverage()
    for each in origin_patterns(earlier):
        coverage.add(each)
    return all(map(coverage.covers, origin_patterns([pattern])))


@given(cases([*WITHOUT_WILDCARD, *WITH_WILDCARD, *RANGES]))
def test_found_to_be_covered(case: tuple[list[str], str, list[str]]) -> None:
    """Where a pattern is found to be covered, each of its origins is."""
    earlier, pattern, origins = case
    if covers(earlier, pattern):
        assert all(naive.any_covers(earlier, origin) for origin in origins)


@examples(300)
@given(cases(WITHOUT_WILDCARD))
def test_covered(case: tuple[list[str], str, list[str]]) -> None:
    """Where each origin of a pattern without a wildcard in its host is covered, that is found."""
    earlier, pattern, origins = case
    if all(naive.any_covers(earlier, origin) for origin in origins):
        assert covers(earlier, pattern)

"""Tests of what a rule may not grant, or only where `dangerously_allow` says so."""

import pytest

from cors_service.grammar.origin import is_insecure_origin
from cors_service.grammar.wildcard import read_wildcard
from cors_service.policy import PolicyError, read_document
from tests.policy.documents import codes_in, mistakes_in, rule

FLAGS = {
    "null-origin": "null-origin",
    "file-origin": "file-origin",
    "any-host": "any-host",
    "insecure-origin": "insecure-origins",
    "public-suffix-subdomains": "public-suffix-subdomains",
}

# What is refused in a rule with credentials, without its flag.
INSECURE = {
    "http": "http://a.example",
    "http on a port": "http://a.example:8080",
    "http, sub-domains": "http://*.a.example",
    "http, any port": "http://a.example:*",
    "ws": "ws://a.example",
    "ftp": "ftp://a.example",
    "one of two schemes": "{http,https}://a.example",
    "an IPv4 address": "http://128.0.0.1",
    "the unspecified address": "http://0.0.0.0",
    "an IPv6 address": "http://[::2]",
    "a name that begins like a loopback address": "http://127.0.0.1.example",
    "a name that begins with localhost": "http://localhost.example",
    "a name that ends in localhost": "http://evillocalhost",
    "http, a glob": "http://app-*.a.example",
    "http, private addresses": "http://192.168.0.0/16",
    "http, private IPv6 addresses": "http://[fd00::]/8",
}
SPANNING = {
    "a top-level domain": "https://*.com",
    "one label": "https://?.com",
    "any port": "https://*.com:*",
    "a domain of registrars": "https://*.co.uk",
    "a suffix of the private section": "https://*.github.io",
    "a suffix by a wildcard of the list": "https://*.kawasaki.jp",
    "an internationalised suffix": "https://*.xn--p1ai",
    "a trailing dot": "https://*.com.",
    "another scheme": "app://*.com",
    "one of several": "https://*.{a.example,com}",
    "a domain above public suffixes": "https://*.amazonaws.com",
    "a domain above public suffixes, a trailing dot": "https://*.amazonaws.com.",
    "a domain two labels above a public suffix": "https://*.windows.net",
    "a glob": "https://app-*-team.vercel.app",
    "a glob, a trailing dot": "https://*-team.vercel.app.",
    "one of several, a glob": "https://{app-*,b}.vercel.app",
    "addresses that anybody can rent": "https://1.2.3.0/24",
    "all addresses": "https://0.0.0.0/0",
    "private addresses and others": "https://192.0.0.0/8",
    "IPv6 addresses that anybody can rent": "https://[2a00::]/16",
}
SAFE = {
    "https": "https://a.example",
    "https, sub-domains": "https://*.a.example",
    "https, one label of a domain": "https://?.a.co.uk",
    "https, any port": "https://a.example:*",
    "https, sub-domains, a trailing dot": "https://*.a.example.",
    "wss": "wss://a.example",
    "a public suffix itself": "https://github.io",
    "an exception of the list": "https://*.city.kawasaki.jp",
    "an app": "app://bundle",
    "localhost": "http://localhost:3000",
    "localhost, any port": "http://localhost:*",
    "below localhost": "http://a.localhost",
    "sub-domains of localhost": "http://*.localhost:*",
    "a loopback address": "http://127.0.0.1:8080",
    "another loopback address": "http://127.255.255.254",
    "the IPv6 loopback address": "http://[::1]:8080",
    "a glob": "https://app-*.a.example",
    "a glob below a name under a public suffix": "https://app-*.team.vercel.app",
    "a glob below localhost": "http://app-*.localhost:*",
    "loopback addresses": "http://127.0.0.0/8:*",
    "the IPv6 loopback address as a range": "http://[::1]/128:3000",
    "private addresses": "https://192.168.0.0/16",
    "private IPv6 addresses": "https://[fd00::]/8",
}
CASES = {
    "null": ("null", "null-origin"),
    "files": ("file://", "file-origin"),
    "files and others": ("{file://,https://a.example}", "file-origin"),
    "any host of a scheme without a network": ("moz-extension://*", "any-host"),
    "any host of one of two schemes": ("{app,tauri}://{*,a}", "any-host"),
    **{f"insecure: {name}": (pattern, "insecure-origin") for name, pattern in INSECURE.items()},
    **{f"public suffix: {name}": (pattern, "public-suffix-subdomains") for name, pattern in SPANNING.items()},
}


@pytest.mark.parametrize(("pattern", "code"), CASES.values(), ids=CASES)
def test_flag(pattern: str, code: str) -> None:
    """What is dangerous with credentials is refused without its flag, whatever other flags there are."""
    flag = FLAGS[code]
    others = [other for other in FLAGS.values() if other != flag]
    found = mistakes_in(rule("https://a.b.example", pattern, credentials=True, dangerously_allow=others))
    assert [(code, ("policies", "a", "origins", 1), pattern)] == [(one.code, one.path, one.value) for one in found]
    assert f'dangerously_allow = ["{flag}"]' in found[0].hint
    assert codes_in(rule(pattern, credentials=True, dangerously_allow=[flag])) == []


@pytest.mark.parametrize("pattern", [*INSECURE.values(), *SPANNING.values(), *SAFE.values()])
def test_without_credentials(pattern: str) -> None:
    """Without credentials insecure origins and sub-domains of a public suffix need no flag."""
    assert codes_in(rule(pattern)) == []


@pytest.mark.parametrize("pattern", SAFE.values(), ids=SAFE)
def test_safe(pattern: str) -> None:
    """What is encrypted, or never leaves the machine, and spans no registrants needs no flag."""
    assert codes_in(rule(pattern, credentials=True)) == []


def test_null_without_credentials() -> None:
    """`null` needs its flag even without credentials, because it is everybody's origin."""
    assert codes_in(rule("null")) == ["null-origin"]
    assert codes_in(rule("null", dangerously_allow=["null-origin"])) == []


def test_any_origin() -> None:
    """`*` with credentials is refused whatever the flags."""
    flags = list(FLAGS.values())
    assert codes_in(rule("*", credentials=True, dangerously_allow=flags)) == ["any-origin-with-credentials"]
    assert codes_in({**rule("@s", credentials=True), "origin_sets": {"s": ["*"]}}) == ["any-origin-with-credentials"]
    assert codes_in(rule("*")) == []


@pytest.mark.parametrize("pattern", ["http://126.0.0.0/7", "http://[::]/127", "http://0.0.0.0/0"])
def test_range_of_loopback_addresses_and_others(pattern: str) -> None:
    """A range with loopback addresses and others has the dangers of the others."""
    flags = ["insecure-origins", "public-suffix-subdomains"]
    assert codes_in(rule(pattern, credentials=True)) == ["insecure-origin"]
    assert codes_in(rule(pattern, credentials=True, dangerously_allow=flags)) == []
    for flag in flags:
        assert len(codes_in(rule(pattern, credentials=True, dangerously_allow=[flag]))) == 1


def test_files_without_credentials() -> None:
    """Files need their flag even without credentials, but `*` covers them without."""
    assert codes_in(rule("file://")) == ["file-origin"]
    assert codes_in(rule("file://", dangerously_allow=["file-origin"])) == []


ANY_HOSTS = ["https://*", "https://*:*", "http://*:3000", "wss://*", "{https,app}://*", "https://{*,a.example}"]


@pytest.mark.parametrize("pattern", ANY_HOSTS)
def test_any_host_of_a_network(pattern: str) -> None:
    """Any host of a scheme with a network is everybody, so no flag allows it with credentials."""
    flags = list(FLAGS.values())
    found = codes_in(rule(pattern, credentials=True, dangerously_allow=flags))
    assert found == ["any-origin-with-credentials"]
    assert codes_in(rule(pattern)) == []


def test_any_host_without_a_network() -> None:
    """Any host of a scheme without a network needs its flag only with credentials."""
    assert codes_in(rule("moz-extension://*")) == []


PLACES = {
    "on the rule": {"rules": [{"origins": ["null"], "dangerously_allow": ["null-origin"]}]},
    "on the policy": {"rules": [{"origins": ["null"]}], "dangerously_allow": ["null-origin"]},
    "on both": {
        "rules": [{"origins": ["null"], "dangerously_allow": ["null-origin", "null-origin"]}],
        "dangerously_allow": ["null-origin"],
    },
    "on a flat policy": {"origins": ["null"], "dangerously_allow": ["null-origin"]},
}


@pytest.mark.parametrize("body", PLACES.values(), ids=PLACES)
def test_place_of_a_flag(body: dict[str, object]) -> None:
    """A flag may stand on a rule, or on a policy, where it holds for all its rules."""
    (rule_read,) = read_document({"version": 1, "policies": {"a": body}}).policies["a"].rules
    assert rule_read.dangerously_allow == ("null-origin",)


def test_flag_of_another_rule() -> None:
    """A flag on one rule does not hold for the next."""
    rules = [{"origins": ["https://a.example"], "dangerously_allow": ["null-origin"]}, {"origins": ["null"]}]
    found = mistakes_in({"version": 1, "policies": {"a": {"rules": rules}}})
    assert [(one.code, one.path) for one in found] == [("null-origin", ("policies", "a", "rules", 1, "origins", 0))]


def found_in_set(*members: str) -> list[PolicyError]:
    """What is wrong with a rule with credentials that uses a set of these members."""
    return mistakes_in({**rule("https://a.example", "@s", credentials=True), "origin_sets": {"s": list(members)}})


def test_danger_in_a_set() -> None:
    """What a rule may not grant to a member of a set is refused where the rule uses the set, and names the member."""
    (mistake,) = found_in_set("https://b.example", "http://c.example")
    expected = ("insecure-origin", ("policies", "a", "origins", 1), "http://c.example")
    assert expected == (mistake.code, mistake.path, mistake.value)
    assert "http://c.example" in mistake.message


def test_several_dangers_in_a_set() -> None:
    """Each member of a set that a rule may not have is reported, not just the first."""
    members = ["http://b.example", "null", "http://c.example", "https://*.com"]
    assert members == [mistake.value for mistake in found_in_set(*members)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("https://*.a.example", False),
        ("https://*.com", True),
        ("https://?.com.", True),
        ("https://com", False),
        ("https://*.localhost", False),
    ],
)
def test_spans_registrants(pattern: str, *, expected: bool) -> None:
    """Sub-domains belong to strangers where the host is a public suffix; the host itself does not."""
    read = read_wildcard(pattern)
    assert expected == read.spans_registrants


INSECURE_ORIGINS = [
    ("http://a.example", True),
    ("http://a.example:8080", True),
    ("ws://[::2]:8080", True),
    ("http://127.1.example", True),
    ("https://a.example", False),
    ("app://a", False),
    ("http://localhost:3000", False),
    ("http://a.localhost", False),
    ("http://127.9.9.9:1", False),
    ("http://[::1]", False),
    ("ws://[::1]:8080", False),
]


@pytest.mark.parametrize(("origin", "expected"), INSECURE_ORIGINS)
def test_insecure_origin(origin: str, *, expected: bool) -> None:
    """An origin is insecure if its scheme is clear text, and its host is not the machine itself."""
    assert expected == is_insecure_origin(origin)
    assert expected == read_wildcard(origin).is_insecure

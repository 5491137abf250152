"""Tests of origin patterns: how they are read, how alternatives expand, what is refused and why."""

from string import ascii_uppercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cors_service.grammar.addresses import AddressRange
from cors_service.grammar.alternatives import MAX_ALTERNATIVES, expand
from cors_service.grammar.bound import BoundHost
from cors_service.grammar.origin import NO_PORT
from cors_service.grammar.pattern import read_pattern, write_pattern
from cors_service.grammar.single import is_exact
from cors_service.grammar.wildcard import AnyHost, Glob, Wildcard, read_wildcard
from cors_service.policy import PolicyError
from cors_service.testing import strategies
from tests import naive
from tests.policy.documents import codes_in, mistakes_in, rule

SCHEME = "abcdefghijklmnopqrstuvwxyz0123456789+-."
PATTERNS = {
    "an exact origin": ("https://a.example", ("https", "", "a.example", 443, 443)),
    "a port": ("http://localhost:3000", ("http", "", "localhost", 3000, 3000)),
    "a scheme without a default port": ("app://bundle", ("app", "", "bundle", NO_PORT, NO_PORT)),
    "an IPv4 address": ("http://127.0.0.1", ("http", "", "127.0.0.1", 80, 80)),
    "an IPv6 address": ("http://[::1]:8080", ("http", "", "[::1]", 8080, 8080)),
    "a sign behind the first letter of a scheme": ("a+b://c", ("a+b", "", "c", NO_PORT, NO_PORT)),
    "every character of a scheme": (
        f"{SCHEME}://a",
        (SCHEME, "", "a", NO_PORT, NO_PORT),
    ),
    "the longest": (f"https://{'a' * 342}", ("https", "", "a" * 342, 443, 443)),
    "an underscore and hyphens": ("https://-a_b-.c", ("https", "", "-a_b-.c", 443, 443)),
    "a trailing dot": ("https://a.", ("https", "", "a.", 443, 443)),
    "an opaque host that looks like a number": ("app://127.1", ("app", "", "127.1", NO_PORT, NO_PORT)),
    "sub-domains": ("https://*.a.example", ("https", "*", "a.example", 443, 443)),
    "one label": ("https://?.a.example", ("https", "?", "a.example", 443, 443)),
    "sub-domains of a label": ("http://*.localhost", ("http", "*", "localhost", 80, 80)),
    "sub-domains on a port": ("https://*.a.example:8443", ("https", "*", "a.example", 8443, 8443)),
    "any port, which takes in the default": ("http://a:*", ("http", "", "a", 0, 65535)),
    "any port, none too": ("app://a:*", ("app", "", "a", NO_PORT, 65535)),
    "any port of an address": ("http://[::1]:*", ("http", "", "[::1]", 0, 65535)),
    "a range of ports": ("http://localhost:8000-8999", ("http", "", "localhost", 8000, 8999)),
    "a range of one port": ("http://localhost:1-1", ("http", "", "localhost", 1, 1)),
    "every port by number": ("https://a:0-65535", ("https", "", "a", 0, 65535)),
    "sub-domains on any port": ("https://?.a:*", ("https", "?", "a", 0, 65535)),
}


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS.values(), ids=PATTERNS)
def test_pattern(pattern: str, expected: tuple[str, str, str, int, int]) -> None:
    """A pattern is a scheme, a host or the sub-domains of one, and a range of effective ports."""
    read = read_wildcard(pattern)
    assert isinstance(read, Wildcard)
    assert expected == (read.scheme, read.subdomains, read.host, *read.ports)
    assert pattern == read.text


GLOBS = {
    "a beginning": ("https://app-*.a.example", Glob("https", "app-", "", "a.example", "")),
    "an end": ("https://*-team.vercel.app", Glob("https", "", "-team", "vercel.app", "")),
    "both": ("https://app-*-team.vercel.app", Glob("https", "app-", "-team", "vercel.app", "")),
    "two hyphens behind": ("https://pr-*--site.netlify.app", Glob("https", "pr-", "--site", "netlify.app", "")),
    "a port": ("http://pr-*.localhost:3000", Glob("http", "pr-", "", "localhost", "3000")),
    "any port": ("https://a*.b.example:*", Glob("https", "a", "", "b.example", "*")),
    "a scheme without a network": ("app://A*z.Example", Glob("app", "A", "z", "Example", "")),
}


@pytest.mark.parametrize(("pattern", "expected"), GLOBS.values(), ids=GLOBS)
def test_glob(pattern: str, expected: Glob) -> None:
    """A glob is a first label with a free part, before a host, and is written back as it was."""
    read = read_pattern(pattern)
    assert expected == read
    assert pattern == write_pattern(read)


ANY_HOSTS = {
    "no port": ("https://*", AnyHost("https", "")),
    "any port": ("https://*:*", AnyHost("https", "*")),
    "a port": ("http://*:3000", AnyHost("http", "3000")),
    "a range of ports": ("http://*:3000-3009", AnyHost("http", "3000-3009")),
    "a scheme without a network": ("moz-extension://*", AnyHost("moz-extension", "")),
}


@pytest.mark.parametrize(("pattern", "expected"), ANY_HOSTS.values(), ids=ANY_HOSTS)
def test_any_host(pattern: str, expected: AnyHost) -> None:
    """A star as the host is any host of the scheme, and is written back as it was."""
    read = read_pattern(pattern)
    assert expected == read
    assert pattern == write_pattern(read)


RANGES = {
    "IPv4": ("http://192.168.0.0/16", AddressRange("http", "192.168.0.0", 16, "")),
    "any port": ("http://10.0.0.0/8:*", AddressRange("http", "10.0.0.0", 8, "*")),
    "a range of ports": ("wss://10.0.0.0/8:1-9", AddressRange("wss", "10.0.0.0", 8, "1-9")),
    "one address": ("https://10.1.2.3/32", AddressRange("https", "10.1.2.3", 32, "")),
    "all addresses": ("http://0.0.0.0/0", AddressRange("http", "0.0.0.0", 0, "")),
    "IPv6": ("http://[fd00::]/8:3000", AddressRange("http", "[fd00::]", 8, "3000")),
    "IPv6, the whole length": ("http://[::1]/128", AddressRange("http", "[::1]", 128, "")),
}


@pytest.mark.parametrize(("pattern", "expected"), RANGES.values(), ids=RANGES)
def test_range(pattern: str, expected: AddressRange) -> None:
    """A range of addresses is its first address and a length, and is written back as it was."""
    read = read_pattern(pattern)
    assert expected == read
    assert pattern == write_pattern(read)


BOUND = {
    "a label": ("https://<tenant>.a.example", BoundHost("https", "", "tenant", ".a.example", "")),
    "a port": ("https://<t-1_a>.a.example:1", BoundHost("https", "", "t-1_a", ".a.example", "1")),
    "a label before": ("https://www.<tenant>.a.", BoundHost("https", "www.", "tenant", ".a.", "")),
    "the host": ("http://<host>:*", BoundHost("http", "", "host", "", "*")),
    "a label before the host": ("app://a.<host>:1-9", BoundHost("app", "a.", "host", "", "1-9")),
}


@pytest.mark.parametrize(("pattern", "expected"), BOUND.values(), ids=BOUND)
def test_bound(pattern: str, expected: BoundHost) -> None:
    """What is bound is a name among the labels of a host, and is written back as it was."""
    read = read_pattern(pattern)
    assert expected == read
    assert pattern == write_pattern(read)


@given(strategies.patterns())
def test_valid_pattern(pattern: str) -> None:
    """What the design calls a pattern can be read, is written back as it was, and may stand in a document."""
    assert pattern == write_pattern(read_pattern(pattern))
    assert codes_in(rule(pattern)) == []


REFUSED = {
    "nothing": ("", "origin-malformed"),
    "a host alone": ("a.example", "origin-malformed"),
    "a host and a port": ("localhost:3000", "origin-malformed"),
    "no scheme": ("//a.example", "origin-malformed"),
    "one slash": ("https:/a.example", "origin-malformed"),
    "an empty scheme": ("://a.example", "origin-malformed"),
    "a scheme that begins with a digit": ("1a://a", "origin-malformed"),
    "a scheme with an underscore": ("a_b://a", "origin-malformed"),
    "a blank before": (" https://a.example", "origin-malformed"),
    "a blank behind": ("https://a.example ", "origin-malformed"),
    "a line end behind": ("https://a.example\n", "origin-malformed"),
    "a tab inside": ("https://a\t.example", "origin-malformed"),
    "no host": ("https://", "origin-malformed"),
    "no host but a port": ("https://:80", "origin-malformed"),
    "two origins in one item": ("https://a.example,b.example", "origin-malformed"),
    "an empty label": ("https://a..b", "origin-malformed"),
    "a dot first": ("https://.a", "origin-malformed"),
    "sub-domains of nothing": ("https://*.", "origin-malformed"),
    "a host that browsers send but no policy may list": ("https://a~b", "origin-malformed"),
    "an encoded host": ("https://%61.example", "origin-malformed"),
    "too long": ("https://" + "a" * 343, "origin-malformed"),
    "an empty port": ("https://a:", "origin-malformed"),
    "a port that is too large": ("https://a:65536", "origin-malformed"),
    "a zero before the port": ("https://a:080", "origin-malformed"),
    "a sign before the port": ("https://a:+80", "origin-malformed"),
    "a range that runs backwards": ("https://a:9-8", "origin-malformed"),
    "a range of three": ("https://a:1-2-3", "origin-malformed"),
    "a range without an end": ("https://a:1-", "origin-malformed"),
    "a range without a start": ("https://a:-1", "origin-malformed"),
    "a name behind an IPv6 address": ("https://[::1]a", "origin-malformed"),
    "an upper-case scheme": ("HTTPS://a.example", "origin-uppercase"),
    "an upper-case host": ("https://A.example", "origin-uppercase"),
    "an upper-case IPv6 address": ("https://[FE80::1]", "origin-uppercase"),
    "an upper-case wildcard": ("https://*.A.example:*", "origin-uppercase"),
    "a Unicode host": ("https://bücher.example", "origin-unicode-host"),
    "a Unicode wildcard": ("https://*.bücher.example", "origin-unicode-host"),
    "a Unicode host that is none": ("https://é..a", "origin-unicode-host"),
    "digits of another script": ("https://a:٣", "origin-unicode-host"),
    "the default port": ("https://a.example:443", "origin-default-port"),
    "the default port of ws": ("ws://a:80", "origin-default-port"),
    "the default port of an address": ("http://[::1]:80", "origin-default-port"),
    "the default port of a wildcard": ("https://*.a.example:443", "origin-default-port"),
    "a trailing slash": ("https://a.example/", "origin-trailing-slash"),
    "a path": ("https://a.example/x", "origin-path"),
    "two slashes": ("https://a.example//", "origin-path"),
    "two schemes": ("https://a://b", "origin-path"),
    "a query": ("https://a.example?x=1", "origin-path"),
    "a query behind a wildcard": ("https://?.a.example?x", "origin-path"),
    "a question mark alone": ("https://a.example?", "origin-path"),
    "a fragment": ("https://a.example#x", "origin-path"),
    "a backslash": ("https://a.example\\x", "origin-path"),
    "a user": ("https://u@a.example", "origin-userinfo"),
    "a user and a password": ("https://u:p@a.example", "origin-userinfo"),
    "a short IPv4 address": ("https://127.1", "origin-ipv4-not-canonical"),
    "an IPv4 address as a number": ("https://2130706433", "origin-ipv4-not-canonical"),
    "a hexadecimal IPv4 address": ("https://0x7f.1", "origin-ipv4-not-canonical"),
    "an octal IPv4 address": ("https://127.0.0.01", "origin-ipv4-not-canonical"),
    "an IPv4 address out of range": ("https://1.2.3.256", "origin-ipv4-not-canonical"),
    "an IPv4 address with a trailing dot": ("https://1.2.3.4.", "origin-ipv4-not-canonical"),
    "sub-domains of an IPv4 address": ("https://*.1.2.3.4", "origin-ipv4-not-canonical"),
    "a name that ends in a number": ("https://a.1", "origin-ipv4-not-canonical"),
    "a long IPv6 address": ("https://[0:0:0:0:0:0:0:1]", "origin-ipv6-not-canonical"),
    "a dotted IPv6 address": ("https://[::127.0.0.1]", "origin-ipv6-not-canonical"),
    "an IPv6 zone": ("https://[fe80::1%25eth0]", "origin-ipv6-not-canonical"),
    "an IPv6 address cut off": ("https://[::1", "origin-ipv6-not-canonical"),
    "sub-domains in brackets": ("https://*.[a]", "origin-ipv6-not-canonical"),
    "a file": ("file:///x", "origin-path"),
    "a file on a host": ("file://host", "origin-path"),
    "a file in upper case": ("FILE:///x", "origin-path"),
    "file, without slashes": ("file:x", "origin-path"),
    "any file": ("file://*", "origin-path"),
    "a file with a port": ("file://:1", "origin-path"),
    "a wildcard for a scheme": ("*://a.example", "wildcard-misplaced"),
    "a wildcard in a scheme": ("http?://a.example", "wildcard-misplaced"),
    "a wildcard in the name that is registered": ("https://a*.com", "wildcard-misplaced"),
    "a wildcard before the name that is registered": ("https://*example.co.uk", "wildcard-misplaced"),
    "a wildcard in the only label": ("https://a*", "wildcard-misplaced"),
    "a wildcard in the second label": ("https://a.b*.example", "wildcard-misplaced"),
    "two wildcards in a label": ("https://a*b*.c.example", "wildcard-misplaced"),
    "a question mark in a label": ("https://a?.c.example", "wildcard-misplaced"),
    "a glob in an address": ("https://a*.1.2.3.4", "origin-ipv4-not-canonical"),
    "a range that begins within": ("http://192.168.0.1/16", "range-malformed"),
    "an IPv6 range that begins within": ("http://[fd00::1]/8", "range-malformed"),
    "a range that is too long": ("http://10.0.0.0/33", "range-malformed"),
    "an IPv6 range that is too long": ("http://[::]/129", "range-malformed"),
    "a range of thousands of digits": (f"http://10.0.0.0/{'9' * 100}", "range-malformed"),
    "a range with a zero before its length": ("http://10.0.0.0/08", "range-malformed"),
    "a range of an address in another form": ("http://10.0/8", "origin-ipv4-not-canonical"),
    "a range of an IPv6 address in another form": ("http://[0::]/8", "origin-ipv6-not-canonical"),
    "a range of a scheme without a network": ("app://10.0.0.0/8", "origin-path"),
    "a range with a path": ("http://10.0.0.0/8/", "origin-path"),
    "a range with the default port": ("http://10.0.0.0/8:80", "origin-default-port"),
    "a range in upper case": ("HTTP://10.0.0.0/8", "origin-uppercase"),
    "a range of names": ("http://a.example/8", "origin-path"),
    "Punycode that is none": ("https://xn--a", "origin-punycode-malformed"),
    "Punycode that is none, behind a wildcard": ("https://*.xn--a.example", "origin-punycode-malformed"),
    "an expression that covers nothing": ("re:/^https:/", "regex-covers-nothing"),
    "an alternative that covers nothing": (r"re:https://(www\.|WWW\.)a\.example", "regex-covers-nothing"),
    "a wildcard that is not the first label": ("https://a.*.example", "wildcard-misplaced"),
    "a wildcard that is the last label": ("https://a.*", "wildcard-misplaced"),
    "two wildcards": ("https://*.*.example", "wildcard-misplaced"),
    "two kinds of wildcards": ("https://*.?.example", "wildcard-misplaced"),
    "one label that is not the first": ("https://a.?.example", "wildcard-misplaced"),
    "a double star": ("https://**.example", "wildcard-misplaced"),
    "a wildcard in a port": ("https://a:80*", "wildcard-misplaced"),
    "a brace that opens": ("https://{a", "alternatives-malformed"),
    "a brace that closes": ("https://a}", "alternatives-malformed"),
    "braces the wrong way round": ("https://}a,b{", "alternatives-malformed"),
    "a brace that opens in place of one that closes": ("https://{a,b{.example", "alternatives-malformed"),
    "a brace that closes in place of one that opens": ("https://}a,b}.example", "alternatives-malformed"),
    "braces without a choice": ("https://{a}.example", "alternatives-malformed"),
    "empty braces": ("https://{}a", "alternatives-malformed"),
    "alternatives in alternatives": ("https://{a,{b,c}}", "alternatives-malformed"),
    "a good and a bad alternative": ("https://{a,B}.example", "origin-uppercase"),
    "a star among alternatives": ("{*,https://a.example}", "origin-malformed"),
    "257 alternatives": ("https://{" + ",".join(map(str, range(257))) + "}.example", "alternatives-too-many"),
    "alternatives that multiply": ("https://" + "{a,b}" * 9, "alternatives-too-many"),
    "alternatives by the thousand": ("https://" + "{a,b}" * 20_000, "alternatives-too-many"),
}


@pytest.mark.parametrize(("pattern", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(pattern: str, code: str) -> None:
    """What is no pattern is refused with the code of its most telling mistake, and with what was written."""
    found = mistakes_in(rule("https://fine.example", pattern))
    expected = [(code, ("policies", "a", "origins", 1), pattern)]
    assert expected == [(mistake.code, mistake.path, mistake.value) for mistake in found]


@pytest.mark.parametrize(("pattern", "code"), REFUSED.values(), ids=REFUSED)
def test_refused_in_a_set(pattern: str, code: str) -> None:
    """An origin set may hold what a rule may list, and is refused for the same reasons, where it is written."""
    found = mistakes_in({**rule("@s"), "origin_sets": {"s": ["https://fine.example", pattern]}})
    expected = [(code, ("origin_sets", "s", 1), pattern)]
    assert expected == [(mistake.code, mistake.path, mistake.value) for mistake in found]


@given(st.text(st.sampled_from("a.*?:/[]{},-@#1hé "), max_size=12) | st.text(max_size=8).map("https://".__add__))
def test_any_pattern(pattern: str) -> None:
    """No text whatever makes the reader fail otherwise than by refusing it, once."""
    if not pattern.startswith("@"):
        assert len(mistakes_in(rule(pattern))) <= 1


@given(strategies.patterns().flatmap(strategies.near_misses))
def test_exact_agrees_with_the_oracle(text: str) -> None:
    """An exact pattern is an origin whose host is made of letters, digits, dots, hyphens and underscores."""
    assume("xn--" not in text)
    scheme, _, rest = text.partition("://")
    host = rest.partition(":")[0].removesuffix(".")
    plain = "[" in text or all(label and set(label) <= PLAIN for label in host.split("."))
    if text == "file://" or scheme not in {"http", "https", "ws", "wss", "ftp"}:
        plain = "[" in text or set(host) <= PLAIN | set(ascii_uppercase) | {"."}
    assert (text != "null" and naive.is_origin(text) and plain) == is_exact(text)
    assert not is_exact(text) or read_pattern(text) == text


PLAIN = set("abcdefghijklmnopqrstuvwxyz0123456789-_")

EXPANSIONS = {
    "no braces": ("https://a", ["https://a"]),
    "labels": ("https://{en,de}.a", ["https://en.a", "https://de.a"]),
    "schemes": ("{http,https}://a", ["http://a", "https://a"]),
    "an empty alternative": ("https://{www.,}a", ["https://www.a", "https://a"]),
    "only empty alternatives": ("https://a{,}", ["https://a"]),
    "each once": ("https://{a,b,a}", ["https://a", "https://b"]),
    "two lists, the last turns fastest": ("{a,b}://{c,d}", ["a://c", "a://d", "b://c", "b://d"]),
    "two lists side by side": ("{a,b}{c,d}", ["ac", "ad", "bc", "bd"]),
    "ports": ("http://a:{1,2-3,*}", ["http://a:1", "http://a:2-3", "http://a:*"]),
    "wildcards": ("https://{*.,?.,}a", ["https://*.a", "https://?.a", "https://a"]),
    "whole origins": ("{https://a,http://b}", ["https://a", "http://b"]),
}


@pytest.mark.parametrize(("pattern", "expected"), EXPANSIONS.values(), ids=EXPANSIONS)
def test_expansion(pattern: str, expected: list[str]) -> None:
    """Alternatives are written out in order, each combination once."""
    assert expected == expand(pattern)


@given(strategies.alternative_patterns())
def test_expansion_agrees_with_the_oracle(pattern: str) -> None:
    """What a pattern expands to is what the oracle writes out."""
    assert set(naive.expansions(pattern)) == set(expand(pattern))


def test_most_alternatives() -> None:
    """A pattern may stand for 256 origins."""
    pattern = "https://{" + ",".join(map(str, range(16))) + "}-{" + ",".join(map(str, range(16))) + "}.example"
    assert len(expand(pattern)) == MAX_ALTERNATIVES
    assert codes_in(rule(pattern)) == []


def test_count_of_alternatives() -> None:
    """A pattern with too many alternatives is told how many there are, and how many may be."""
    with pytest.raises(PolicyError, match=r"stands for 512 origins; at most 256 are allowed") as raised:
        expand("https://" + "{a,b}" * 9)
    assert raised.value.code == "alternatives-too-many"

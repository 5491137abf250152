"""Tests of the oracle, by tables, and of the strategies which feed it."""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from cors_service.testing import strategies
from tests import naive

T = TypeVar("T")

WELL_FORMED = [
    "null",
    "https://app.example.com",
    "http://localhost:3000",
    "a://b",
    "app://bundle",
    "chrome-extension://abcdefghijklmnop",
    "web+x.1-y://host",
    # Odd hosts, which browsers send.
    "https://a..b",
    "https://-a",
    "https://a.",
    "https://.",
    "https://.a",
    "https://a_b",
    "https://*",
    "https://*.example.com",
    *(f"https://app.example.com{byte}.evil.com" for byte in "_-\"{}+`!~;&'(),$=*"),
    # Looks like a number, but is none.
    "https://1a",
    "https://1.example",
    "https://example.1e3",
    "https://0x.example",
    "https://example.0xg",
    "https://x0x1",
    "https://1..",
    "https://1.2.3.4._",
    # IPv4.
    "http://0.0.0.0",
    "http://127.0.0.1",
    "http://255.255.255.255:8080",
    # Hosts of schemes that are not special are opaque.
    "app://127.1",
    "app://0x7f",
    "app://256.256.256.256",
    "app://1.2.3.4.",
    # IPv6.
    "http://[::]",
    "http://[::1]:8080",
    "http://[1::]",
    "http://[2001:db8::1]",
    "http://[2001:db8::1:0:0:1]",
    "http://[1:0:0:2::3]",
    "http://[1::2:0:0:3:4]",
    "http://[1:0:2:3:4:5:6:7]",
    "http://[1:2:3:4:5:6:7:8]",
    "http://[::ffff:7f00:1]",
    "app://[::1]",
    # Ports.
    "https://app.example.com:0",
    "https://app.example.com:1",
    "https://app.example.com:80",
    "http://app.example.com:443",
    "https://app.example.com:21",
    "ftp://app.example.com:80",
    "https://app.example.com:65535",
    "app://bundle:80",
    "app://bundle:443",
    # Length.
    "https://" + "a" * 342,
]

MALFORMED = [
    "",
    "*",
    "NULL",
    "Null",
    "null ",
    "nul",
    "null,null",
    "app.example.com",
    "https:app.example.com",
    "https:/app.example.com",
    "https//app.example.com",
    "//app.example.com",
    "://app.example.com",
    "https://",
    "https://:8080",
    "https:///app.example.com",
    # Schemes.
    "HTTPS://app.example.com",
    "hTtps://app.example.com",
    "1https://app.example.com",
    "+https://app.example.com",
    "ht_tps://app.example.com",
    "ht tps://app.example.com",
    " https://app.example.com",
    "view-source:https://app.example.com",
    "http\u017f://app.example.com",
    # Hosts.
    "https://App.example.com",
    "https://app.example.coM",
    *(f"https://app{byte}example.com" for byte in "#/<>?@[\\]^|%"),
    *(f"https://app.example.com{byte}" for byte in "#/<>?@[\\]^|%"),
    *(f"https://app.example.com{byte}" for byte in "\0\t\n\r\x1f \x7f"),
    *(f"https://app{byte}.example.com" for byte in "\0\t\n\r\x1f \x7f"),
    "https://app.example.com\r\nX-Injected: 1",
    "https://user@app.example.com",
    "https://user:pw@app.example.com",
    "https://@app.example.com",
    "https://app.example.com, https://evil.com",
    "https://app.example.com,https://evil.com",
    "https://app.example.com https://evil.com",
    # Beyond ASCII: a Cyrillic a, the Kelvin sign, an ideographic full stop, a soft hyphen.
    "https://\u0430pp.example.com",
    "https://\u212aelvin.example.com",
    "https://app\u3002example.com",
    "https://app.example.com\u00ad",
    "https://b\u00fccher.example",
    # Numbers and IPv4.
    "http://1",
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x",
    "http://127.0.0.0x",
    "http://127.0.0.0xf",
    "http://127.0.0.1.",
    "http://1.",
    "http://127.0.0.01",
    "http://127.0.0.00",
    "http://127.0.0.256",
    "http://256.0.0.1",
    "http://127.0.0.1000",
    "http://1.2.3",
    "http://1.2.3.4.5",
    "http://1..2.3",
    "http://example.1",
    "http://example.08",
    "https://example.0x1f",
    "https://example.0x1f.",
    "ws://example.1",
    "wss://example.1",
    "ftp://example.1",
    # IPv6.
    "http://[]",
    "http://[:]",
    "http://[:::]",
    "http://[::1",
    "http://::1",
    "http://::1]",
    "http://::1:8080",
    "http://[::1]evil",
    "http://[::1].evil.com",
    "http://[::1]]",
    "http://[[::1]]",
    "http://evil[::1]",
    "http://[app.example.com]",
    "http://[127.0.0.1]",
    "http://[::127.0.0.1]",
    "http://[::0001]",
    "http://[::01]",
    "http://[::0]",
    "http://[0::1]",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[FE80::1]",
    "http://[::1%eth0]",
    "http://[::1%25eth0]",
    "http://[::g]",
    "http://[::12345]",
    "http://[1::2::3]",
    "http://[1::2:3:4:5:6:7]",
    "http://[1:2:3:4:5:6:7]",
    "http://[1:2:3:4:5:6:7:8:9]",
    "http://[1:2:3:4:5:6:7:8::]",
    "http://[1:0:0:2:0:0:0:3]",
    "http://[1::2:0:0:0:3]",
    "http://[2001:db8:0:0:1::1]",
    # Ports.
    "https://app.example.com:",
    "https://app.example.com:443",
    "http://app.example.com:80",
    "ws://app.example.com:80",
    "wss://app.example.com:443",
    "ftp://app.example.com:21",
    "http://[::1]:80",
    "http://[::1]:",
    "https://app.example.com:00",
    "https://app.example.com:08443",
    "https://app.example.com:65536",
    "https://app.example.com:99999",
    "https://app.example.com:100000",
    "https://app.example.com:-1",
    "https://app.example.com:+80",
    "https://app.example.com:8_0",
    "https://app.example.com:0x50",
    "https://app.example.com: 80",
    "https://app.example.com:80 ",
    "https://app.example.com:80\n",
    "https://app.example.com:8080:8080",
    "https://app.example.com:*",
    "https://app.example.com:\u0668\u0660",
    "https://app.example.com:\uff18\uff10",
    "https://app.example.com:\u00b2",
    # Length.
    "https://" + "a" * 343,
]

COVERED = [
    # An exact origin covers itself.
    ("https://app.example.com", "https://app.example.com"),
    ("http://localhost:3000", "http://localhost:3000"),
    ("http://[::1]:8080", "http://[::1]:8080"),
    ("http://127.0.0.1", "http://127.0.0.1"),
    ("app://bundle", "app://bundle"),
    ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ("https://a_b.example.", "https://a_b.example."),
    ("https://a,b", "https://a,b"),
    ("null", "null"),
    # `*` covers every origin.
    ("*", "null"),
    ("*", "https://app.example.com"),
    ("*", "https://a..b"),
    ("*", "app://[::1]:80"),
    # `*.` stands for one label or more.
    ("https://*.example.com", "https://a.example.com"),
    ("https://*.example.com", "https://a.b.example.com"),
    ("https://*.example.com", "https://a.b.c.d.e.f.example.com"),
    ("https://*.example.com", "https://example.com.example.com"),
    ("https://*.example.com", "https://-.example.com"),
    ("https://*.example.com", "https://_a._b.example.com"),
    ("https://*.example.com", "https://0.example.com"),
    ("https://*.example.com", "https://evil.com.example.com"),
    ("https://*.example.com", "https://" + "a" * 330 + ".example.com"),
    ("https://*.com", "https://example.com"),
    ("app://*.bundle", "app://a.bundle"),
    ("https://*.example.com:8080", "https://a.example.com:8080"),
    # `?.` stands for one label.
    ("https://?.example.com", "https://a.example.com"),
    ("https://?.example.com", "https://_a-0.example.com"),
    ("https://?.example.com:8080", "https://a.example.com:8080"),
    # `:*` is any port, and none.
    ("http://localhost:*", "http://localhost"),
    ("http://localhost:*", "http://localhost:0"),
    ("http://localhost:*", "http://localhost:65535"),
    ("http://[::1]:*", "http://[::1]"),
    ("http://[::1]:*", "http://[::1]:8080"),
    ("app://bundle:*", "app://bundle"),
    ("https://*.example.com:*", "https://a.b.example.com:8443"),
    ("https://?.example.com:*", "https://a.example.com"),
    # A range has its borders in it, and the default port where it takes that in.
    ("http://localhost:8000-8999", "http://localhost:8000"),
    ("http://localhost:8000-8999", "http://localhost:8500"),
    ("http://localhost:8000-8999", "http://localhost:8999"),
    ("http://localhost:9-10000", "http://localhost:99"),
    ("http://localhost:79-81", "http://localhost"),
    ("http://localhost:80-81", "http://localhost"),
    ("http://localhost:79-80", "http://localhost"),
    ("https://localhost:442-444", "https://localhost"),
    ("ws://localhost:79-81", "ws://localhost"),
    ("wss://localhost:442-444", "wss://localhost"),
    ("ftp://localhost:20-22", "ftp://localhost"),
    ("app://bundle:79-81", "app://bundle:80"),
    ("https://*.example.com:8000-8999", "https://a.b.example.com:8443"),
    ("http://[::1]:8000-8999", "http://[::1]:8000"),
    # Alternatives are replaced as text.
    ("https://{en,de}.example.com", "https://en.example.com"),
    ("https://{en,de}.example.com", "https://de.example.com"),
    ("{http,https}://host.example", "http://host.example"),
    ("{http,https}://host.example", "https://host.example"),
    ("https://{a.,}example.com", "https://example.com"),
    ("https://{a.,}example.com", "https://a.example.com"),
    ("https://{,a.}example.com", "https://example.com"),
    ("https://a{,-b,-c}.example.com", "https://a.example.com"),
    ("https://a{,-b,-c}.example.com", "https://a-c.example.com"),
    ("https://{a}.example.com", "https://a.example.com"),
    ("https://a{}.example.com", "https://a.example.com"),
    ("https://{*.,}example.com", "https://example.com"),
    ("https://{*.,}example.com", "https://a.b.example.com"),
    ("https://{*,?}.example.com", "https://a.b.example.com"),
    ("http{s,}://{a,b}.example.{com,org}", "http://b.example.org"),
    ("http{s,}://{a,b}.example.{com,org}", "https://a.example.org"),
    ("http{s,}://{a,b}.example.{com,org}", "https://b.example.com"),
    ("http://localhost{:8080,}", "http://localhost"),
    ("http://localhost{:8080,}", "http://localhost:8080"),
    ("http://localhost:{1-9,*}", "http://localhost:8080"),
    # A regular expression matches whole origins.
    (r"re:https://pr-[0-9]+\.preview\.example\.com", "https://pr-17.preview.example.com"),
    (r"re:https://[a-z]{2}\.example\.com(:[0-9]+)?", "https://en.example.com:8080"),
    ("re:https://a|https://ab", "https://ab"),
    ("re:.*", "https://app.example.com"),
]

NOT_COVERED = [
    # An exact origin covers nothing else.
    ("https://app.example.com", "https://evil.com"),
    ("https://app.example.com", "http://app.example.com"),
    ("https://app.example.com", "ftp://app.example.com"),
    ("https://app.example.com", "https://app.example.com:8443"),
    ("https://app.example.com:8443", "https://app.example.com"),
    ("https://app.example.com:8443", "https://app.example.com:8444"),
    ("https://app.example.com", "https://app.example.com.evil.com"),
    ("https://app.example.com", "https://app.example.comevil.com"),
    ("https://app.example.com", "https://evilapp.example.com"),
    ("https://app.example.com", "https://evil.app.example.com"),
    ("https://app.example.com", "https://appxexample.com"),
    ("https://app.example.com", "https://pp.example.com"),
    ("https://app.example.com", "https://app.example.co"),
    ("https://app.example.com", "https://app.example.com."),
    ("https://app.example.com", "https://example.com"),
    ("https://app.example.com", "https://xn--pp-8cd.example.com"),
    ("https://app.example.com", "null"),
    ("http://127.0.0.1", "http://[::1]"),
    ("http://[::1]:8080", "http://127.0.0.1:8080"),
    ("null", "https://app.example.com"),
    ("null", "https://null"),
    # A wildcard is not a literal, and a literal is not a wildcard.
    ("https://*.example.com", "https://*.example.com"),
    ("https://a.example.com", "https://*.example.com"),
    ("https://a*.example.com", "https://a*.example.com"),
    # `*.` stands for labels which are not empty, and of the plain characters alone.
    ("https://*.example.com", "https://example.com"),
    ("https://*.example.com", "https://.example.com"),
    ("https://*.example.com", "https://..example.com"),
    ("https://*.example.com", "https://a..example.com"),
    ("https://*.example.com", "https://a..b.example.com"),
    ("https://*.example.com", "https://.a.example.com"),
    ("https://*.example.com", "https://evilexample.com"),
    ("https://*.example.com", "https://evil-example.com"),
    ("https://*.example.com", "https://a.evilexample.com"),
    ("https://*.example.com", "https://a.example.com."),
    ("https://*.example.com", "https://a.example.com.evil.com"),
    ("https://*.example.com", "https://a.example.com.evil.co"),
    ("https://*.example.com", "https://a.example.org"),
    ("https://*.example.com", "https://a.example.co"),
    ("https://*.example.com", "https://a.xample.com"),
    ("https://*.example.com", "http://a.example.com"),
    ("https://*.example.com", "https://a.example.com:8080"),
    ("https://*.example.com:8080", "https://a.example.com"),
    ("https://*.example.com:8080", "https://example.com:8080"),
    ("https://*.example.com", "null"),
    *(("https://*.example.com", f"https://a{byte}.example.com") for byte in "\"{}+`!~;&'(),$=*"),
    *(("https://*.example.com", f"https://a{byte}b.c.example.com") for byte in "\"{}+`!~;&'(),$=*"),
    # `?.` does not stand for two.
    ("https://?.example.com", "https://example.com"),
    ("https://?.example.com", "https://.example.com"),
    ("https://?.example.com", "https://a.b.example.com"),
    ("https://?.example.com", "https://a..example.com"),
    ("https://?.example.com", "https://.a.example.com"),
    ("https://?.example.com", "https://a$.example.com"),
    ("https://?.example.com", "https://aexample.com"),
    ("https://?.example.com", "http://a.example.com"),
    ("https://?.example.com", "https://a.example.com:8080"),
    # Ports.
    ("http://localhost:*", "https://localhost:8080"),
    ("http://localhost:*", "http://localhost.evil.com:8080"),
    ("http://localhost:*", "http://alocalhost"),
    ("http://localhost:8080", "http://localhost:808"),
    ("http://localhost:808", "http://localhost:8080"),
    ("http://localhost:8000-8999", "http://localhost:7999"),
    ("http://localhost:8000-8999", "http://localhost:9000"),
    ("http://localhost:8000-8999", "http://localhost:800"),
    ("http://localhost:800-899", "http://localhost:8080"),
    ("http://localhost:8000-8999", "http://localhost"),
    ("http://localhost:81-443", "http://localhost"),
    ("https://localhost:80-442", "https://localhost"),
    ("ftp://localhost:22-443", "ftp://localhost"),
    ("app://bundle:1-65535", "app://bundle"),
    ("http://localhost:1-65535", "http://localhost:0"),
    ("https://*.example.com:8000-8999", "https://a.example.com:7999"),
    ("https://*.example.com:8000-8999", "https://example.com:8000"),
    # Alternatives.
    ("https://{en,de}.example.com", "https://fr.example.com"),
    ("https://{en,de}.example.com", "https://en,de.example.com"),
    ("https://{en,de}.example.com", "https://{en,de}.example.com"),
    ("https://{en,de}.example.com", "https://ende.example.com"),
    ("https://{en,de}.example.com", "https://.example.com"),
    ("https://{a.,}example.com", "https://.example.com"),
    ("https://{a.,}example.com", "https://a.a.example.com"),
    ("https://{*.,}example.com", "https://evilexample.com"),
    ("{http,https}://host.example", "ws://host.example"),
    ("http{s,}://{a,b}.example.{com,org}", "https://c.example.com"),
    ("http{s,}://{a,b}.example.{com,org}", "https://a.example.net"),
    ("http://localhost{:8080,}", "http://localhost:808"),
    # There is no nesting, and no brace without its partner.
    ("https://{a,{b,c}}.example.com", "https://a.example.com"),
    ("https://{a,{b,c}}.example.com", "https://b.example.com"),
    ("https://{a{b}.example.com", "https://a{b.example.com"),
    ("https://{a.example.com", "https://{a.example.com"),
    ("https://a}.example.com", "https://a}.example.com"),
    # A regular expression matches whole origins, and origins alone.
    (r"re:https://pr-[0-9]+\.preview\.example\.com", "https://pr-.preview.example.com"),
    (r"re:https://pr-[0-9]+\.preview\.example\.com", "https://pr-1.preview.example.com.evil.com"),
    (r"re:https://pr-[0-9]+\.preview\.example\.com", "https://pr-1xpreview.example.com"),
    ("re:app.example.com", "https://app.example.com"),
    ("re:https://a|https://b", "https://b.evil.com"),
    ("re:.*", "null"),
    ("re:null", "null"),
]


@pytest.mark.parametrize("text", WELL_FORMED)
def test_well_formed(text: str) -> None:
    """What a browser may send is an origin."""
    assert naive.is_origin(text)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed(text: str) -> None:
    """What no browser serialises is not an origin."""
    assert not naive.is_origin(text)


@pytest.mark.parametrize("text", MALFORMED)
@pytest.mark.parametrize("pattern", ["*", "re:(?s).*", None])
def test_malformed_is_not_covered(pattern: str | None, text: str) -> None:
    """What is not an origin is covered by nothing, not even by the same text or a pattern for everything."""
    assert not naive.covers(text if pattern is None else pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("https://*.example.com", "https://A.example.com"),
        ("https://*.example.com", "https://a.example.com/"),
        ("https://*.example.com", "https://a.example.com\n"),
        ("https://*.example.com", "https://evil.com/.example.com"),
        ("https://*.example.com", "https://evil.com#.example.com"),
        ("https://*.example.com", "https://evil.com@a.example.com"),
        ("https://*.example.com", "https://a\u0430.example.com"),
        ("https://*.example.com", "https://" + "a" * 331 + ".example.com"),
        ("https://*.example.com:*", "https://a.example.com:443"),
        ("http://localhost:*", "http://localhost:"),
        ("http://localhost:*", "http://localhost:08080"),
        ("http://localhost:*", "http://localhost:65536"),
        ("http://localhost:79-81", "http://localhost:80"),
        ("http://localhost:8000-8999", "http://localhost:08080"),
        ("http://localhost:8000-8999", "http://localhost:\uff18\uff10\uff18\uff10"),
        ("http://localhost{:80,}", "http://localhost:80"),
        ("re:https://[a-z.]+:443", "https://app.example.com:443"),
    ],
)
def test_malformed_by_a_hair(pattern: str, text: str) -> None:
    """A pattern that would fit does not make an origin of what is none."""
    assert not naive.covers(pattern, text)


@pytest.mark.parametrize(("pattern", "origin"), COVERED)
def test_covered(pattern: str, origin: str) -> None:
    """Each kind of pattern covers what the design says that it covers."""
    assert naive.covers(pattern, origin)


@pytest.mark.parametrize(("pattern", "origin"), NOT_COVERED)
def test_not_covered(pattern: str, origin: str) -> None:
    """No kind of pattern covers a well-formed origin beyond what the design says."""
    assert naive.is_origin(origin)
    assert not naive.covers(pattern, origin)


@pytest.mark.parametrize(
    ("patterns", "origin", "expected"),
    [
        ([], "https://foo.com", False),
        (["https://foo.com"], "https://foo.com", True),
        (["https://foo.com", "https://bar.com"], "https://bar.com", True),
        (["https://foo.com", "https://bar.com"], "https://barfoo.com", False),
        (["https://foo.com", "https://bar.com"], "https://foo.com,https://bar.com", False),
        (["https://foo.com", "http://bar.com"], "http://foo.com", False),
        (["https://foo.com:1", "https://bar.com"], "https://bar.com:1", False),
        (["https://foo.com", "*"], "null", True),
    ],
)
def test_any_covers(patterns: list[str], origin: str, expected: bool) -> None:
    """A list covers what one of its patterns covers, and no mixture of them."""
    assert expected == naive.any_covers(patterns, origin)


@given(st.lists(st.sampled_from([0, 0, 1, 0x10, 0xABCD]), min_size=8, max_size=8))
def test_ipv6_as_the_standard_library_writes_it(pieces: list[int]) -> None:
    """Of the spellings of an IPv6 address only the compressed one is well-formed."""
    address = ipaddress.IPv6Address(b"".join(piece.to_bytes(2) for piece in pieces))
    assume(address.ipv4_mapped is None)
    spellings = {address.compressed, address.exploded, ":".join(f"{piece:x}" for piece in pieces)}
    accepted = {spelling for spelling in spellings if naive.is_origin(f"http://[{spelling}]")}
    assert {address.compressed} == accepted


def is_valid(pattern: str) -> bool:
    """Say whether a rule without credentials may list a pattern, which needs neither a flag nor an extra."""
    simple = naive.expansions(pattern)
    return 0 < len(set(simple)) == len(simple) <= 256 and all(map(is_valid_and_simple, simple))


def is_valid_and_simple(pattern: str) -> bool:
    """Say the same of a pattern without alternatives."""
    origin, _, ports = pattern.rpartition(":")
    if ports == "*":
        return has_valid_host(origin)
    lowest, dash, highest = ports.partition("-")
    if not dash or "/" in ports:
        return has_valid_host(pattern)
    are_ports = naive.is_origin(f"app://bundle:{lowest}") and naive.is_origin(f"app://bundle:{highest}")
    return are_ports and int(lowest) < int(highest) and has_valid_host(origin)


def has_valid_host(pattern: str) -> bool:
    """Say whether a pattern with one port at most is an origin, but for its wildcard or the length of its range."""
    scheme, _, host = pattern.partition("://")
    if scheme == "file":
        return False
    if host == "*" or host.startswith("*:"):
        return naive.is_origin(pattern.replace("*", "a", 1))
    if "/" in host:
        return is_valid_range(scheme, host)
    if "*" in host and not host.startswith("*."):
        label, _, suffix = host.partition(".")
        name = f"https://{label.replace('*', 'a', 1)}.{suffix}"
        return suffix not in {"", *REGISTRIES} and "*" not in name and naive.is_origin(name.replace("https", scheme))
    if host.startswith(("*.", "?.")):
        # Whatever the scheme: a label before a number or an address is what https does not allow.
        suffix = host[2:].partition(":")[0]
        names = (f"https://{suffix}", f"https://a.{suffix}", f"{scheme}://a.{host[2:]}")
        return "*" not in host[2:] and all(map(naive.is_origin, names))
    return "*" not in pattern and pattern != "null" and naive.is_origin(pattern)


REGISTRIES = {"com", "org", "co.uk"}
"""What the names of these tests are registered under."""


def is_valid_range(scheme: str, host: str) -> bool:
    """Say whether a host is the first address of a range, its length, and perhaps a port."""
    address, _, rest = host.partition("/")
    length, colon, port = rest.partition(":")
    try:
        ipaddress.ip_network(f"{address.strip('[]')}/{length}")
    except ValueError:
        return False
    is_network = scheme in {"http", "https", "ws", "wss", "ftp"}
    return is_network and naive.is_origin(f"{scheme}://{address}{colon}{port}")


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "*",
        "null",
        "@partners",
        "app.example.com",
        "https://app.example.com/",
        "https://example.com/*",
        "https://APP.example.com",
        "https://b\u00fccher.example",
        "https://user@app.example.com",
        "https://app.example.com:443",
        "{http,https}://app.example.com:80",
        "http://127.1",
        "http://[::0001]",
        "file:///x",
        "file://x",
        "https://*.",
        "https://*:443",
        "https://a*",
        "https://a*.*b.example.com",
        "app://10.0.0.0/8",
        "https://*example.com",
        "https://ex*mple.com",
        "https://a.*.example.com",
        "https://*.*.example.com",
        "https://*.127.0.0.1",
        "https://*.1",
        "app://*.1",
        "app://*.[::1]",
        "https://*.example.com:443",
        "https://*.example.com:0443",
        "http://localhost:-8999",
        "http://localhost:8000-",
        "http://localhost:08000-8999",
        "http://localhost:8999-8000",
        "http://localhost:8000-65536",
        "http://localhost:8000-8999-9999",
        "https://{a,a}.example.com",
        "https://{a,{b,c}}.example.com",
        "https://{a,b.example.com",
        "https://{a,}.example.com:{1,443}",
        "https://" + "{a,b}" * 9 + ".example.com",
    ],
)
def test_not_valid(pattern: str) -> None:
    """The notion of valid by which the strategies are measured refuses what a document may not list."""
    assert not is_valid(pattern)


@given(strategies.exact_origins())
def test_exact_origins(origin: str) -> None:
    """An exact origin is a valid pattern which covers itself."""
    assert is_valid(origin)
    assert naive.covers(origin, origin)


@given(strategies.wildcard_patterns())
def test_wildcard_patterns(pattern: str) -> None:
    """A wildcard pattern is a valid pattern with a wildcard as its first label."""
    assert is_valid(pattern)
    assert pattern.partition("://")[2].startswith(("*.", "?."))


@given(strategies.glob_patterns())
def test_glob_patterns(pattern: str) -> None:
    """A glob is a valid pattern with a star in its first label, which is not all of it."""
    label = pattern.partition("://")[2].partition(".")[0]
    assert is_valid(pattern)
    assert label != "*"
    assert "*" in label


@given(strategies.range_patterns())
def test_range_patterns(pattern: str) -> None:
    """A range is a valid pattern that covers its first address."""
    assert is_valid(pattern)
    assert "/" in pattern.partition("://")[2]


@given(strategies.port_patterns())
def test_port_patterns(pattern: str) -> None:
    """A port pattern is a valid pattern which ends in a wildcard or in a range."""
    port = pattern.rpartition(":")[2]
    assert is_valid(pattern)
    assert port == "*" or all(map(str.isdecimal, port.split("-")))


@given(strategies.alternative_patterns())
def test_alternative_patterns(pattern: str) -> None:
    """A pattern with alternatives is a valid pattern which stands for several."""
    assert is_valid(pattern)
    assert len(naive.expansions(pattern)) > 1


@given(strategies.patterns())
def test_patterns(pattern: str) -> None:
    """Patterns of all kinds together are valid too."""
    assert is_valid(pattern)


@given(strategies.pattern_lists(min_size=2, max_size=3))
def test_pattern_lists(patterns: list[str]) -> None:
    """A list has as many patterns as was asked for, all different and valid."""
    assert len(patterns) in (2, 3)
    assert len(set(patterns)) == len(patterns)
    assert all(map(is_valid, patterns))


def drawn(strategy: SearchStrategy[T], count: int) -> list[T]:
    """Draw examples, the same ones each time."""
    examples: list[T] = []

    @settings(max_examples=count, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    @given(strategy)
    def collect(example: T) -> None:
        examples.append(example)

    collect()
    return examples


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "null",
        "https://app.example.com",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "app://bundle",
        "https://*.example.com",
        "https://?.example.com:8080",
        "http://localhost:*",
        "app://*.bundle:8000-8999",
        "http://localhost:79-81",
        "http{s,}://{*.,}example.{com,org}",
    ],
)
def test_near_misses_on_both_sides(pattern: str) -> None:
    """Of the origins near a pattern, it covers a good part, and as good a part it does not."""
    origins = drawn(strategies.near_misses(pattern), 300)
    share = sum(naive.covers(pattern, origin) for origin in origins) / len(origins)
    assert 0.2 < share < 0.8


@pytest.mark.slow
@pytest.mark.parametrize(
    "is_found",
    [
        lambda origin: origin == "null",
        lambda origin: origin != origin.lower(),
        lambda origin: not origin.isascii(),
        lambda origin: any(byte in origin for byte in "\t\r\n"),
        lambda origin: " " in origin,
        lambda origin: "@" in origin,
        lambda origin: origin.endswith("/"),
        lambda origin: ",https://" in origin,
        lambda origin: any(byte in origin for byte in "\"{}`!~;&'()$="),
        lambda origin: "_" in origin,
        lambda origin: "//-" in origin,
        lambda origin: "//." in origin,
        lambda origin: ".." in origin,
        lambda origin: ".evil.com" in origin,
        lambda origin: origin.startswith("http://"),
        lambda origin: origin.startswith("https://example.com"),
        lambda origin: any(f"{char}example.com" in origin for char in "abcdefgh-"),
        lambda origin: origin.endswith(".com"),
        lambda origin: ".com.:" in origin,
        lambda origin: origin.endswith(":7999"),
        lambda origin: origin.endswith(":9000"),
        lambda origin: origin.endswith(":08000"),
        lambda origin: origin.endswith(":443"),
        lambda origin: origin.endswith(":65536"),
        lambda origin: "://" not in origin,
        lambda origin: len(origin) == 350,
        lambda origin: len(origin) == 351,
    ],
)
def test_near_misses_of_every_kind(is_found: Callable[[str], bool], many_near_misses: list[str]) -> None:
    """Each kind of mutation turns up."""
    assert any(map(is_found, many_near_misses))


@pytest.fixture(scope="module")
def many_near_misses() -> list[str]:
    """Enough origins near one pattern for each mutation to be among them."""
    return drawn(strategies.near_misses("https://*.example.com:8000-8999"), 4000)


@pytest.mark.parametrize("pattern", ["re:https://[a-z]+", "@partners"])
def test_near_misses_of_what_does_not_show(pattern: str) -> None:
    """There are no near misses of a pattern which does not show what it covers."""
    with pytest.raises(ValueError, match="no origins"):
        strategies.near_misses(pattern)


@given(strategies.matching_cases())
def test_matching_cases_are_valid(case: tuple[list[str], str]) -> None:
    """A document loads with the patterns of each case."""
    patterns, _ = case
    assert patterns
    assert len(set(patterns)) == len(patterns)
    assert all(map(is_valid, patterns))


@pytest.mark.slow
def test_matching_cases_on_both_sides() -> None:
    """A good part of the cases is covered, and most of the rest are well-formed."""
    outcomes = Counter(
        (naive.is_origin(origin), naive.any_covers(patterns, origin))
        for patterns, origin in drawn(strategies.matching_cases(), 1000)
    )
    share = outcomes[True, True] / outcomes.total()
    assert 0.2 < share < 0.6
    assert outcomes[True, False] > outcomes[False, False]

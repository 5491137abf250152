"""Tests of the hints that say what to write instead of a refused origin."""

import pytest
from hypothesis import example, given

from cors_service.grammar.wildcard import expand
from cors_service.testing import strategies
from tests.policy.documents import codes_in, mistakes_in, rule, suggested

SUGGESTIONS = {
    "a host alone": ("a.example", "https://a.example"),
    "a host and a path": ("a.example/x", "https://a.example"),
    "a wildcard without a scheme": ("*.a.example", "https://*.a.example"),
    "upper case": ("HTTPS://A.Example:8443", "https://a.example:8443"),
    "a trailing slash": ("https://a.example/", "https://a.example"),
    "a path": ("http://a.example:8080/x/y", "http://a.example:8080"),
    "a query": ("https://a.example?x=1", "https://a.example"),
    "a fragment": ("https://a.example#x", "https://a.example"),
    "a backslash": ("https://a.example\\x", "https://a.example"),
    "a trailing slash behind a wildcard": ("https://?.a.example/", "https://?.a.example"),
    "a trailing slash behind any port": ("http://localhost:*/", "http://localhost:*"),
    "a user": ("https://u:p@a.example", "https://a.example"),
    "the default port": ("https://a.example:443", "https://a.example"),
    "the default port of ws": ("ws://a:80", "ws://a"),
    "the default port and a slash": ("http://a.example:80/", "http://a.example"),
    "a Unicode host": ("https://bücher.example", "https://xn--bcher-kva.example"),
    "a Unicode host in upper case": ("https://BÜCHER.example/", "https://xn--bcher-kva.example"),
    "a Unicode wildcard": ("https://*.bücher.example", "https://*.xn--bcher-kva.example"),
    "one label of a Unicode host": ("https://?.bücher.example", "https://?.xn--bcher-kva.example"),
    "the letter that the standard library gets wrong": ("https://straße.example", "https://xn--strae-oqa.example"),
    "a full stop of another script": ("https://bücher。example", "https://xn--bcher-kva.example"),
    "full-width letters": ("https://ａ.example", "https://a.example"),
    "a short IPv4 address": ("http://127.1:8080", "http://127.0.0.1:8080"),
    "an IPv4 address of more digits than a name may have": (f"http://{'0' * 70}177.1", "http://127.0.0.1"),
    "an IPv4 address as a number": ("http://2130706433", "http://127.0.0.1"),
    "a hexadecimal IPv4 address": ("http://0x7f.0.0.1", "http://127.0.0.1"),
    "an IPv4 address with a trailing dot": ("http://127.0.0.1.", "http://127.0.0.1"),
    "a long IPv6 address": ("http://[0:0:0:0:0:0:0:1]:80", "http://[::1]"),
    "an upper-case IPv6 address": ("http://[FE80::1]/", "http://[fe80::1]"),
    "a mapped IPv4 address": ("http://[::ffff:127.0.0.1]", "http://[::ffff:7f00:1]"),
    "a wildcard for a scheme": ("*://a.example", "{http,https}://a.example"),
    "a name with a prefix of Python's numbers, and a slash": ("https://0o17/", "https://0o17"),
    "a name with a prefix twice, and a slash": ("https://0x0x1/", "https://0x0x1"),
    "an opaque host that looks like a number, and a slash": ("app://127.1/", "app://127.1"),
}


@pytest.mark.parametrize(("pattern", "expected"), SUGGESTIONS.values(), ids=SUGGESTIONS)
def test_suggestion(pattern: str, expected: str) -> None:
    """Where it is clear what the author meant, the hint says what to write, and that is valid."""
    (mistake,) = mistakes_in(rule(pattern))
    assert expected == suggested(mistake)
    assert codes_in(rule(expected)) == []


NO_SUGGESTIONS = {
    "nothing": "",
    "a null in upper case, which is no host": "NULL",
    "a null among alternatives": "{null,https://a.example}",
    "one slash": "https:/a.example",
    "no host": "https://",
    "a blank before": " https://a.example",
    "a blank inside": "https://a b/",
    "two origins in one item": "https://a.example,https://b.example",
    "a scheme with an underscore": "a_b://a",
    "an IPv4 address out of range": "https://1.2.3.256",
    "sub-domains of an address": "https://*.127.1",
    "an IPv6 zone": "https://[fe80::1%25eth0]",
    "an IPv6 address cut off": "https://[::1",
    "a Unicode host that is none": "https://é..a",
    "a Unicode port": "https://a:٣",
    "a Unicode IPv6 address": "https://[::é]/",
    "one label that is not the first": "https://a.?.example",
    "a file": "file:///x",
    "a port that is too large": "https://a:65536",
}


@pytest.mark.parametrize("pattern", NO_SUGGESTIONS.values(), ids=NO_SUGGESTIONS)
def test_no_suggestion(pattern: str) -> None:
    """Where nobody can know what was meant, nothing is suggested."""
    (mistake,) = mistakes_in(rule(pattern))
    assert suggested(mistake) is None


@pytest.mark.parametrize(
    "pattern", ["https://{en,de}.Example.com", "https://{en,de}.example.com/", "{http,https}://127.1"]
)
def test_suggestion_for_alternatives(pattern: str) -> None:
    """A hint for a pattern with alternatives drops none of them."""
    (mistake,) = mistakes_in(rule(pattern))
    instead = suggested(mistake)
    if instead is not None:
        assert len(expand(pattern)) == len(expand(instead))


@given(strategies.patterns().flatmap(strategies.near_misses))
@example("*://a.example/x")
@example("*://*")
@example("*://a.example:80")
@example("https://A*.example/")
def test_suggestion_is_valid(pattern: str) -> None:
    """Whatever a hint says to write is accepted when it is written."""
    for mistake in mistakes_in(rule(pattern)) if not pattern.startswith("@") else []:
        instead = suggested(mistake)
        if instead is not None:
            assert instead != pattern
            assert codes_in(rule(instead)) == []


CONTROLS = ["*://a\n[forged]", "https://a\n[forged]", "a\x1b[2J", "https://\x85é", "A://\u2028", "{\n", "re:(\n"]


@pytest.mark.parametrize("pattern", CONTROLS)
def test_suggestion_forges_a_line(pattern: str) -> None:
    """No control character of an origin gets into what is said about it."""
    (mistake,) = mistakes_in(rule(pattern))
    assert str(mistake).isprintable()

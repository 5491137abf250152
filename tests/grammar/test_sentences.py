"""Tests of what people read of a refused origin or match: the whole sentence, and what it says to write."""

import sys

import pytest

from cors_service.grammar.match import parse_match
from cors_service.grammar.pattern import read_pattern
from cors_service.policy import PolicyError

ALONE = "an origin is scheme, host and port alone."
IPV4 = "has a host that browsers read as an IPv4 address and write as four decimal numbers."
IPV6 = "has an IPv6 address that browsers write differently."
NO_SUBDOMAINS = "asks for the sub-domains of an IP address, which has none."
WILDCARD = (
    'A wildcard is the first label or a part of it, as in "https://*.example.com" and "https://app-*.example.com", '
    'the whole host, as in "https://*", or the port, as in "http://localhost:*". Elsewhere an expression will do: '
    r"'re:https://app\.[a-z0-9-]+\.example\.com'."
)
OPEN = "leaves open the name that somebody registers, so anybody can register a domain that it covers."

# What is written, what is said of it, and the hint.
PATTERNS: dict[str, tuple[str, str, str]] = {
    "nothing": ("", "'' is not an origin, which is scheme://host or scheme://host:port.", ""),
    "a host alone": (
        "a.example",
        "'a.example' is not an origin, which is scheme://host or scheme://host:port.",
        'Write "https://a.example".',
    ),
    "null in upper case": ("NULL", "'NULL' is not an origin, which is scheme://host or scheme://host:port.", ""),
    "a Unicode host": (
        "https://bücher.example",
        r"'https://b\xfccher.example' is not ASCII; browsers send the Punycode form of a host.",
        'Write "https://xn--bcher-kva.example".',
    ),
    "a file": (
        "file:///x",
        "'file:///x' is not an origin: all files have the same one, where they have one at all.",
        'Write "file://".',
    ),
    "an opaque host beyond ASCII": ("app://ü", r"'app://\xfc' is not ASCII, as all origins are.", ""),
    "a wildcard for a scheme": (
        "*://a.example",
        "'*://a.example' has a wildcard in its scheme.",
        'Write "{http,https}://a.example".',
    ),
    "wildcards alone": ("*://*", "'*://*' has a wildcard in its scheme.", 'Write "{http,https}://*".'),
    "a user": (
        "https://u@a.example",
        f"'https://***@a.example' has user information; {ALONE}",
        'Write "https://a.example".',
    ),
    "upper case": (
        "HTTPS://a.example",
        "'HTTPS://a.example' has upper-case letters; browsers send them in lower case.",
        'Write "https://a.example".',
    ),
    "a scheme that is none": (
        "1a://a.example",
        "'1a://a.example' does not begin with a scheme.",
        'Write something like "https://app.example.com".',
    ),
    "a character too many": (
        f"https://{'a' * 343}",
        f"'https://{'a' * 68}... has 351 characters; no origin has more than 350.",
        "",
    ),
    "a trailing slash": (
        "https://a.example/",
        f"'https://a.example/' ends in a slash; {ALONE}",
        'Write "https://a.example".',
    ),
    "a path": ("https://a.example/x", f"'https://a.example/x' has a path; {ALONE}", 'Write "https://a.example".'),
    "a name behind an IPv6 address": (
        "https://[::1]a",
        "'https://[::1]a' has something other than a port after its IPv6 address.",
        "",
    ),
    "no host": ("https://", "'https://' has no host.", ""),
    "a port that is too large": (
        "https://a:65536",
        "'https://a:65536' has no valid port: a number from 0 to 65535, a range such as 8000-8999, or *.",
        "",
    ),
    "a wildcard in a port": (
        "https://a:8*",
        "'https://a:8*' has no valid port: a number from 0 to 65535, a range such as 8000-8999, or *.",
        "",
    ),
    "the default port": (
        "https://a.example:443",
        "'https://a.example:443' writes out the default port of https; browsers leave it out.",
        'Write "https://a.example".',
    ),
    "a wildcard in the wrong place": (
        "https://a.*.example",
        "'https://a.*.example' has a wildcard in the wrong place.",
        WILDCARD,
    ),
    "a wildcard in the name that is registered": (
        "https://a*.com",
        f"'https://a*.com' {OPEN}",
        WILDCARD,
    ),
    "a range that begins within": (
        "http://192.168.0.1/16",
        "'http://192.168.0.1/16' does not begin with the first address of its range, 192.168.0.0.",
        'Write "http://192.168.0.0/16".',
    ),
    "a range that is too long": (
        "http://10.0.0.0/33",
        "'http://10.0.0.0/33' has no valid length after its address: a number from 0 to 32.",
        "",
    ),
    "a range of an address that is short": (
        "http://10.0/8",
        "'http://10.0/8' has an IPv4 address that browsers write differently.",
        'Write "http://10.0.0.0/8".',
    ),
    "a range of an IPv6 address with zeros": (
        "http://[0::]/8",
        "'http://[0::]/8' has an IPv6 address that browsers write differently.",
        'Write "http://[::]/8".',
    ),
    "a range of opaque hosts": (
        "app://10.0.0.0/8",
        "'app://10.0.0.0/8' has a range of addresses; the hosts of its scheme are not addresses.",
        "",
    ),
    "Punycode that is none": (
        "https://xn--a",
        "'https://xn--a' has a label that is not the Punycode of any name, so no browser sends it.",
        'Copy the host from the Origin that a browser sends, such as "https://xn--bcher-kva.example".',
    ),
    "a long IPv6 address": ("https://[0::1]", f"'https://[0::1]' {IPV6}", 'Write "https://[::1]".'),
    "a short IPv4 address": ("https://127.1", f"'https://127.1' {IPV4}", 'Write "https://127.0.0.1".'),
    "sub-domains of an IPv4 address": ("https://*.1.2.3.4", f"'https://*.1.2.3.4' {NO_SUBDOMAINS}", ""),
    "a tilde": (
        "https://a~b.example",
        "'https://a~b.example' has a host that is not made of labels of letters, digits, - and _, joined by dots.",
        "",
    ),
}


@pytest.mark.parametrize(("pattern", "message", "hint"), PATTERNS.values(), ids=PATTERNS)
def test_pattern(pattern: str, message: str, hint: str) -> None:
    """A refused pattern is told what is wrong with it and, where that is clear, what to write."""
    with pytest.raises(PolicyError) as raised:
        read_pattern(pattern)
    assert (message, hint, pattern) == (raised.value.message, raised.value.hint, raised.value.value)


LISTS = (
    'Write each list as {first,second}, without another list in it, such as "https://{en,de}.example.com"; and what '
    'match binds in angle brackets: "https://<tenant>.example.com".'
)
SPLIT = "Split the pattern, or use a wildcard such as https://*.example.com."
ALTERNATIVES: dict[str, tuple[str, str, str]] = {
    "no choice": (
        "https://{a}.example",
        "'https://{a}.example' has braces that are not a list of alternatives.",
        LISTS,
    ),
    "too many": (
        "https://{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        "'https://{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}' stands for 512 origins; at most 256 are allowed.",
        SPLIT,
    ),
    "far too many": (
        "https://" + "{a,b}" * 20,
        f"'https://{'{a,b}' * 13}{{a,... stands for more than 1000000 origins; at most 256 are allowed.",
        SPLIT,
    ),
}


@pytest.mark.parametrize(("pattern", "message", "hint"), ALTERNATIVES.values(), ids=ALTERNATIVES)
def test_alternatives(pattern: str, message: str, hint: str) -> None:
    """Refused alternatives are told how to write a list, or how many there are and may be."""
    with pytest.raises(PolicyError) as raised:
        read_pattern(pattern)
    assert (message, hint, pattern) == (raised.value.message, raised.value.hint, raised.value.value)


EXPRESSIONS: dict[str, tuple[str, str]] = {
    "slashes around it": (r"re:/^https:\/\/a\.example$/", r"Write 're:https://a\.example'."),
    "a slash at its end": (r"re:^https://a\.example/$", r"Write 're:https://a\.example'."),
    "no scheme": (r"re:a\.example", r"Write 're:https://a\.example'."),
    "nothing like a name": (
        "re:[0-9]+",
        r"Let it begin as 're:https://[a-z0-9-]+\.example\.com' does, and end without a slash.",
    ),
}


@pytest.mark.parametrize(("pattern", "hint"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_dead_expression(pattern: str, hint: str) -> None:
    """An expression that covers no origin is told so, and what to write."""
    with pytest.raises(PolicyError) as raised:
        read_pattern(pattern)
    assert raised.value.message.endswith(
        "covers no origin: an expression must match a whole origin, from the scheme on."
    )
    assert (hint, pattern) == (raised.value.hint, raised.value.value)


def test_expression() -> None:
    """A refused expression is named, and not by RE2, which repeats all of it; with what RE2 is known not to have."""
    with pytest.raises(PolicyError) as raised:
        read_pattern("re:https://(?=a)")
    assert raised.value.message == "'re:https://(?=a)' is not a regular expression that RE2 can compile."
    syntax = "RE2 has neither look-around nor back-references: https://github.com/google/re2/wiki/Syntax"
    assert (syntax, "re:https://(?=a)") == (raised.value.hint, raised.value.value)


def test_expression_without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """An expression that nothing can read is named, with what to install."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(PolicyError) as raised:
        read_pattern("re:https://a")
    assert raised.value.message == "'re:https://a' needs RE2, which is not installed."
    install = 'Install it with: pip install "cors-service[regex]"'
    assert (install, "re:https://a") == (raised.value.hint, raised.value.value)


SEGMENT = "that is empty, a dot segment, or has characters other than letters, digits and ._~!$&'()+,=:@-"
HOST = (
    "has no valid host: a lower-case name, an address, * for any host, *.example.com for sub-domains, or "
    "<name>.example.com to bind one label."
)
WILD = "has too many wildcards: * may stand for 3 segments, among the first 8, of 16."
STAR = "a * is a whole segment, or begins the last one, as in *.woff2, with no slash after it."
MATCHES: dict[str, tuple[str, str, str]] = {
    "a scheme": (
        "https://a.example/",
        "'https://a.example/' has a scheme; a match is for both http and https.",
        'Write "a.example/".',
    ),
    "no path": ("a.example", "'a.example' has no path.", 'Write "a.example/".'),
    "no path and no host": ("a b", "'a b' has no path.", ""),
    "no slash at the end": (
        "a.example/x",
        "'a.example/x' does not end in a slash, or in *.ext; a match is a prefix of whole segments.",
        'Write "a.example/x/".',
    ),
    "a blank": ("a.example/a b/", f"'a.example/a b/' has a path segment, 'a b', {SEGMENT}", ""),
    "a port that is too large": (
        "a.example:65536/",
        "'a.example:65536/' has no valid port, a number from 0 to 65535; only */ is for any port.",
        "",
    ),
    "an empty label": ("a..b/", f"'a..b/' {HOST}", ""),
    "upper case": ("A.example/", f"'A.example/' {HOST}", 'Write "a.example/".'),
    "too many segments": ("a/*/*/*/*/", f"'a/*/*/*/*/' {WILD}", ""),
    "a part of a segment": ("a/x*/", f"'a/x*/' has a path segment, 'x*': {STAR}", ""),
    "an ending with a slash": (
        "a/*.js/",
        f"'a/*.js/' has a path segment, '*.js': {STAR}",
        'Write "a/*.js".',
    ),
    "a label alone": (
        "<tenant>/",
        (
            "'<tenant>/' has no valid host: <host> alone is the whole host; any other name is one label, as in "
            "<tenant>.example.com."
        ),
        "",
    ),
    "sub-domains of an address": (
        "*.127.0.0.1/",
        "'*.127.0.0.1/' asks for the sub-domains of an IP address, which has none.",
        "",
    ),
}


@pytest.mark.parametrize(("text", "message", "hint"), MATCHES.values(), ids=MATCHES)
def test_match(text: str, message: str, hint: str) -> None:
    """A refused match is told what is wrong with it and, where that is clear, what to write."""
    with pytest.raises(PolicyError) as raised:
        parse_match(text)
    assert (message, hint, text) == (raised.value.message, raised.value.hint, raised.value.value)

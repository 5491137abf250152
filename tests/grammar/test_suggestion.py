"""Tests of the hints that say what to write instead of a refused origin."""

import re

import pytest
from hypothesis import example, given

from cors_service.grammar.alternatives import expand
from cors_service.testing import strategies
from tests.policy.documents import all_suggested, codes_in, mistakes_in, rule, suggested

SUGGESTIONS = {
    "a host alone": ("a.example", "https://a.example"),
    "localhost and a port": ("localhost:3000", "http://localhost:3000"),
    "below localhost": ("app.localhost:3000", "http://app.localhost:3000"),
    "an address and a port": ("127.0.0.1:5173", "http://127.0.0.1:5173"),
    "an IPv6 address and a port": ("[::1]:5173", "http://[::1]:5173"),
    "localhost and any port": ("localhost:*", "http://localhost:*"),
    "a host and a port": ("a.example:8443", "https://a.example:8443"),
    "no scheme, but slashes": ("//a.example/", "https://a.example"),
    "capitals in a scheme without a network": ("App://Bundle", "app://Bundle"),
    "a slash behind such a scheme": ("app://Bundle/", "app://Bundle"),
    "a match pattern of extensions": ("*://*.a.example/*", "{http,https}://*.a.example"),
    "http with a star": ("http*://a.example", "{http,https}://a.example"),
    "http with a question mark": ("https?://a.example:8080/", "{http,https}://a.example:8080"),
    "ws with a star": ("ws*://a.example", "{ws,wss}://a.example"),
    "one slash": ("https:/a.example", "https://a.example"),
    "no colon": ("http//a.example", "http://a.example"),
    "a semicolon for the colon": ("https;//a.example", "https://a.example"),
    "two backslashes": ("https:\\\\a.example", "https://a.example"),
    "two schemes": ("https://https://a.example", "https://a.example"),
    "a blank before": (" https://a.example", "https://a.example"),
    "a blank behind": ("https://a.example ", "https://a.example"),
    "a comma behind": ("https://a.example,", "https://a.example"),
    "quotes": ('"https://a.example"', "https://a.example"),
    "a list in a string": ('["https://a.example"]', "https://a.example"),
    "capitals of an extension, and a slash": ("moz-extension://AbC/", "moz-extension://AbC"),
    "any extension": ("moz-extension:*", "moz-extension://*"),
    "an extension without a host": ("chrome-extension://", "chrome-extension://*"),
    "an application without a host": ("app://", "app://*"),
    "a star for a path": ("https://a.example*", "https://a.example"),
    "a question mark in a label": ("https://app-?.a.example", "https://app-*.a.example"),
    "ports": ("http://localhost:3000,3001", "http://localhost:{3000,3001}"),
    "an IPv6 address without brackets": ("http://::1", "http://[::1]"),
    "an IPv6 address alone": ("::1", "http://[::1]"),
    "all URLs": ("<all_urls>", "*"),
    "any host and any port": ("*:*", "*"),
    "any host of all sites": ("*://*/*", "{http,https}://*"),
    "a path behind a wildcard": ("https://*.a.example/*", "https://*.a.example"),
    "a path behind any host": ("https://*/*", "https://*"),
    "any extension, and a slash": ("moz-extension://*/", "moz-extension://*"),
    "two stars": ("https://**.a.example", "https://*.a.example"),
    "two labels of stars": ("https://*.*.a.example", "https://*.a.example"),
    "a star without its dot": ("https://*a.com", "https://*.a.com"),
    "a dot first": ("https://.a.example", "https://*.a.example"),
    "a dot first, no scheme": (".a.example", "https://*.a.example"),
    "a range without its scheme": ("192.168.0.0/16", "http://192.168.0.0/16"),
    "a range that begins within": ("http://192.168.0.1/16", "http://192.168.0.0/16"),
    "an IPv6 range that begins within": ("http://[fd00::1]/8:3000", "http://[fd00::]/8:3000"),
    "a range with a mask": ("http://192.168.0.0/255.255.0.0", "http://192.168.0.0/16"),
    "a range with a slash": ("http://192.168.0.0/16/", "http://192.168.0.0/16"),
    "a range with its port first": ("http://192.168.0.0:8080/16", "http://192.168.0.0/16:8080"),
    "a range with a mask, that begins within": ("http://192.168.7.7/255.255.0.0", "http://192.168.0.0/16"),
    "a range with the default port": ("http://10.0.0.0/8:80", "http://10.0.0.0/8"),
    "a range of a short address": ("http://10/8", "http://10.0.0.0/8"),
    "a range in brackets": ("http://[fd00::/8]", "http://[fd00::]/8"),
    "a range of an IPv6 address without brackets": ("fd00::/8", "http://[fd00::]/8"),
    "a range of stars": ("http://192.168.*.*:3000", "http://192.168.0.0/16:3000"),
    "a range of one star": ("192.168.1.*", "http://192.168.1.0/24"),
    "ports in brackets, as Spring has them": ("https://*.a.example:[8080,8081]", "https://*.a.example:{8080,8081}"),
    "any port in brackets": ("https://*.a.example:[*]", "https://*.a.example:*"),
    "a range of ports in brackets": ("http://localhost:[3000-3999]", "http://localhost:3000-3999"),
    "a scheme, as a Content Security Policy has it": ("https:", "https://*"),
    "a range of letters": ("http://192.168.x.x", "http://192.168.0.0/16"),
    "a range of letters, one of them": ("http://192.168.1.xxx:3000", "http://192.168.1.0/24:3000"),
    "a range of letters by https": ("https://10.x.x.x", "https://10.0.0.0/8"),
    "a range of letters in capitals, without a scheme": ("10.0.X.X:*", "http://10.0.0.0/16:*"),
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


SEVERAL = {
    "a comma": "https://a.example,https://b.example",
    "a comma and a blank": "https://a.example, https://b.example",
    "blanks": "https://a.example  https://b.example",
    "a semicolon": "https://a.example;https://b.example;",
    "line ends": "https://a.example\nhttps://b.example\n",
    "paths": "https://a.example/, https://b.example/x",
    "no schemes": "a.example, b.example",
}


@pytest.mark.parametrize("text", SEVERAL.values(), ids=SEVERAL)
def test_several(text: str) -> None:
    """Several origins in one string are each to be a string of their own."""
    (mistake,) = mistakes_in(rule(text))
    assert mistake.hint == 'Write "https://a.example", "https://b.example".'


EXPRESSIONS = {
    "anchors": (r"^https://.*\.example\.com$", r"re:https://.*\.example\.com"),
    "a group": (r"https://(a|b)\.example\.com", r"re:https://(a|b)\.example\.com"),
    "slashes around it": (r"/^https:\/\/a\.example$/", r"re:https://a\.example"),
    "slashes and a flag": (r"/https?:\/\/a\.example/i", r"re:https?://a\.example"),
    "a class": (r"https://pr-[0-9]+.example.com", "re:https://pr-[0-9]+.example.com"),
    "any scheme": (r"https?://.*\.example\.com", r"re:https?://.*\.example\.com"),
    "no scheme": (r".*\.example\.com$", r"re:.*\.example\.com"),
    "anything": (r"https://.*", r"re:https://.*"),
    "as nginx writes one": (r"~^https://.*\.example\.com$", r"re:https://.*\.example\.com"),
    "as Python writes one": (r'r"^https://.*\.example\.com$"', r"re:https://.*\.example\.com"),
    "by another name": (r"regex:https://.*\.example\.com", r"re:https://.*\.example\.com"),
    "capitals": (r"re:https://A\.Example", r"re:https://a\.example"),
    "the end of a name": (r"/\.example\.com$/", r"re:https://[a-z0-9-]+\.example\.com"),
    "re: and a blank": (r"re: https://a\.example", r"re:https://a\.example"),
    "any path": (r"^https://a\.example/.*$", r"re:https://a\.example"),
    "what announces one, within a name": (r"^http://software:8080$", "re:http://software:8080"),
    "two stars together": ("https://a.**.b.example", r"re:https://a\.[a-z0-9-]+\.b\.example"),
    "one label that is not the first": ("https://a.?.b.example", r"re:https://a\.[a-z0-9-]+\.b\.example"),
    "digits": (r"http://localhost:\d+", r"re:http://localhost:\d+"),
    "re: and slashes": (r"re:/^https:\/\/a\.example$/", r"re:https://a\.example"),
    "a label in the middle": ("https://a.*.example.com", r"re:https://a\.[a-z0-9-]+\.example\.com"),
    "two stars in a label": (
        "https://a-*-*.b.example.com:8443",
        r"re:https://a-[a-z0-9-]+-[a-z0-9-]+\.b\.example\.com:8443",
    ),
    "a star in the second label": (
        "https://*.pr-*.b.example.com:*",
        r"re:https://[a-z0-9-]+\.pr-[a-z0-9-]+\.b\.example\.com(:[0-9]+)?",
    ),
}


@pytest.mark.parametrize(("text", "expected"), EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_expression(text: str, expected: str) -> None:
    """What looks like an expression, or can only be written as one, is to be written with `re:`."""
    (mistake,) = mistakes_in(rule(text))
    assert mistake.hint == f"Write '{expected}'."
    assert codes_in(rule(expected)) == []


@pytest.mark.parametrize("text", ["file:///x", "file:x", "FILE://", "file://host", "file://*"])
def test_file(text: str) -> None:
    """All files have one origin, which needs its flag."""
    (mistake,) = mistakes_in(rule(text))
    assert mistake.hint == 'Write "file://".'
    assert codes_in(rule("file://", dangerously_allow=["file-origin"])) == []


PLACEHOLDERS = [
    "{tenant}.a.example",
    "https://{{tenant}}.a.example",
    "https://${tenant}.a.example",
    "https://[tenant].a.example",
    "https://:tenant.a.example",
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholder(text: str) -> None:
    """What other systems have for a label that is not known yet is to be written as the name of one."""
    (mistake,) = mistakes_in(rule(text, match=["<tenant>.b.example/"]))
    assert mistake.hint == 'Write "https://<tenant>.a.example", where match binds <tenant>.'


NO_SUGGESTIONS = {
    "nothing": "",
    "a blank within a name": "https://ex ample.com",
    "a null in upper case, which is no host": "NULL",
    "a null among alternatives": "{null,https://a.example}",
    "a word of other systems": "none",
    "a word in quotes": "'self'",
    "no host, but slashes": "https:///",
    "no host": "https://",
    "a blank inside": "https://a b/",
    "a scheme with an underscore": "a_b://a",
    "an IPv4 address out of range": "https://1.2.3.256",
    "sub-domains of an address": "https://*.127.1",
    "an IPv6 zone": "https://[fe80::1%25eth0]",
    "an IPv6 address cut off": "https://[::1",
    "a Unicode host that is none": "https://é..a",
    "a Unicode port": "https://a:٣",
    "an address with what is no character": "127.\ufffd",
    "a Unicode IPv6 address": "https://[::é]/",
    "a part of a name that anybody can register": "https://a.b-*.co.uk",
    "a part of a name that anybody can register, with a dot at its end": "https://*.*-x.com.",
    "one label that is not the first": "https://a.?.example",
    "a label under what anybody can register, with a dot at its end": "https://a.*.co.uk.",
    "a star in a port": "https://a.b.example:8*",
    "an expression with a quotation mark": r"^https://(a|b')\.example$",
    "an expression of two lines": "^https://(a|\n)b\\.example$",
    "a port that is too large": "https://a:65536",
    "a brace that is not closed": "https://{tenant.a.example",
    "a bracket that is not closed": "https://[tenant.a.example",
    "brackets of two kinds": "https://{tenant].a.example",
    "an expression that could be an origin without its end": r"re://a\.ex%",
}


OTHERWISE = {
    "self": "Remove it: the pages of the service's own origin need no rule.",
    "'self'": "Remove it: the pages of the service's own origin need no rule.",
    "$http_origin": "Write the origin itself: documents have no variables.",
    "${ALLOWED_ORIGIN}": "Write the origin itself: documents have no variables.",
    "https://${HOST}": "Write the origin itself: documents have no variables.",
    "%ORIGIN%": "Write the origin itself: documents have no variables.",
    "{{ origin }}": "Write the origin itself: documents have no variables.",
    "process.env.ORIGIN": "Write the origin itself: documents have no variables.",
    "!https://a.example": "Write a rule before all others, with this origin and refuse = true.",
    "-a.example": "Write a rule before all others, with this origin and refuse = true.",
}


@pytest.mark.parametrize(("pattern", "hint"), OTHERWISE.items(), ids=OTHERWISE)
def test_otherwise(pattern: str, hint: str) -> None:
    """Where no origin will do for what was meant, the hint says how that is said."""
    (mistake,) = mistakes_in(rule(pattern))
    assert hint == mistake.hint


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
@example("https://:tenant.a.example")
def test_suggestion_is_valid(pattern: str) -> None:
    """Whatever a hint says to write is accepted when it is written, in a policy that binds what the hint says."""
    for mistake in mistakes_in(rule(pattern)) if not pattern.startswith("@") else []:
        for instead in all_suggested(mistake):
            assert instead != pattern
            bound = re.search("where match binds (<.+>)", mistake.hint)
            match = {"match": [f"{bound[1]}.b.example/"]} if bound else {}
            assert codes_in(rule(instead, dangerously_allow=["file-origin"], **match)) == []


CONTROLS = ["*://a\n[forged]", "https://a\n[forged]", "a\x1b[2J", "https://\x85é", "A://\u2028", "{\n", "re:(\n"]


@pytest.mark.parametrize("pattern", CONTROLS)
def test_suggestion_forges_a_line(pattern: str) -> None:
    """No control character of an origin gets into what is said about it."""
    (mistake,) = mistakes_in(rule(pattern))
    assert str(mistake).isprintable()

"""Tests of patterns that are regular expressions."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from cors_service.grammar._ending import may_be_strangers
from cors_service.grammar.expression import automaton_of
from cors_service.grammar.single import is_exact
from cors_service.policy import PolicyError
from tests.examples import examples
from tests.policy.documents import codes_in, mistakes_in, rule

PREVIEW = r"re:https://pr-[0-9]+\.preview\.example\.com"


def test_whole_string() -> None:
    """An expression covers an origin as a whole, or not at all."""
    expression = automaton_of([PREVIEW])
    covered = ["https://pr-7.preview.example.com", "https://pr-1234567890.preview.example.com"]
    others = [
        "https://pr-7.preview.example.com.evil.example",
        "https://evil.example/https://pr-7.preview.example.com",
        "https://pr-7.preview.example.com\n",
        "https://pr-.preview.example.com",
        "https://pr-7xpreview.example.com",
    ]
    assert covered == [origin for origin in [*covered, *others] if expression.Match(origin)]


def test_set_of_expressions() -> None:
    """Several expressions are one automaton, which tells all that cover an origin."""
    automaton = automaton_of([PREVIEW, "re:https://a", "re:https://(a|b)"])
    assert sorted(automaton.Match("https://a")) == [1, 2]


MALFORMED = {
    "an open group": "re:(",
    "a back-reference": r"re:(a)\1",
    "look-ahead": "re:https://(?=a)",
    "a repetition of nothing": "re:*",
    "a repetition that is too large": "re:a{100000}",
}


@pytest.mark.parametrize("pattern", MALFORMED.values(), ids=MALFORMED)
def test_malformed(pattern: str) -> None:
    """What RE2 can't read is refused with a code of its own."""
    found = mistakes_in(rule(pattern))
    expected = [("regex-malformed", ("policies", "a", "origins", 0), pattern)]
    assert expected == [(one.code, one.path, one.value) for one in found]


def test_malformed_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 does not write to the standard error what the mistake says."""
    assert codes_in(rule("re:(")) == ["regex-malformed"]
    assert capfd.readouterr() == ("", "")


def test_without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without RE2 an expression is refused, and the hint says what to install; no other engine is used."""
    monkeypatch.setitem(sys.modules, "re2", None)
    (mistake,) = mistakes_in(rule("https://a.example", PREVIEW))
    assert (mistake.code, mistake.value) == ("regex-unavailable", PREVIEW)
    assert "cors-service[regex]" in mistake.hint


def test_first_that_fails() -> None:
    """Of several expressions the first that fails is the one that is named."""
    with pytest.raises(PolicyError) as raised:
        automaton_of([PREVIEW, "re:(", "re:)"])
    assert raised.value.value == "re:("


INSECURE = {
    "http": r"re:http://a\.example",
    "http or https": r"re:https?://a\.example",
    "a choice of schemes": r"re:(http|https)://a\.example",
    "a choice of schemes, https first": r"re:^(?:https|http)://a\.example$",
    "a choice of whole origins": r"re:(http://a\.example|https://b\.example)",
    "any scheme": r"re:[a-z]+://.*",
    "ws": r"re:ws://a\.example",
    "ftp": r"re:ftp://a\.example",
    "a name that begins like a loopback address": r"re:http://127a\.example",
    "an IPv6 address": r"re:http://\[::2\]:8080",
    "a class of characters that looks like a loopback address": r"re:http://[::1]a\.example",
}


@pytest.mark.parametrize("pattern", INSECURE.values(), ids=INSECURE)
def test_insecure(pattern: str) -> None:
    """An expression that is written for origins in clear text needs the flag in a rule with credentials."""
    assert "insecure-origin" in codes_in(rule(pattern, credentials=True))
    flags = ["insecure-origins", "public-suffix-subdomains"]
    assert codes_in(rule(pattern, credentials=True, dangerously_allow=flags)) == []
    assert codes_in(rule(pattern)) == []


SUFFIXES = ("net", "io", "dev", "app", "de", "com.au", "web.app")
SPANNING = {
    "any name under com": r"re:https://.*\.com",
    "any label under com": r"re:https://[^.]+\.com",
    "letters under com": r"re:https://[a-z]+\.com",
    "letters and digits under com": r"re:https://[a-z0-9]+\.com",
    "word characters under com": r"re:https://\w+\.com",
    "any name under another suffix": r"re:https://.*\.org",
    "any name under a suffix of registrars": r"re:https://.*\.co\.uk",
    "any name under a suffix of the private section": r"re:https://.*\.github\.io",
    **{f"any name under {suffix}": rf"re:https://[a-z]+\.{re.escape(suffix)}" for suffix in SUFFIXES},
    "any name under com on a port": r"re:https://.*\.com:8443",
    "any name under com on any port": r"re:https://.*\.com(:[0-9]+)",
    "anything": r"re:https://.*",
    "anything, in a roundabout way": r"re:https://(?:[^c].*|c[^q].*)",
    "a dot that is not escaped": "re:https://app.example.com",
    "the last dot, not escaped": r"re:https://app\.example.com",
    "the first dot, not escaped": r"re:https://.*example\.com",
    "any name under a private suffix": r"re:https://.*\.herokuapp\.com",
    "a name under a private suffix, in part": r"re:https://pr-[0-9]+-app\.herokuapp\.com",
    "a domain that has public suffixes beneath": r"re:https://.*\.amazonaws\.com",
    "one of several alternatives": r"re:https://(?:a\.example\.com|b.example\.com|.*\.b\.net)|https://.*",
    "an alternative within": r"re:https://(?:.*\.example|.*)\.com",
    "a domain that may be left out": r"re:https://[a-z]+(?:\.example\.com)?",
    "a domain that may be repeated by others": r"re:https://(?:[a-z]+\.com)+",
    "anything behind the domain": r"re:https://.*\.example\.com.*",
    "anything for a port": r"re:https://.*\.example\.com(:.*)?",
    "digits behind the domain": r"re:https://.*\.example\.com[0-9]*",
    "digits behind the domain, a colon that may be missing": r"re:https://.*\.example\.com:?[0-9]+",
    "domains of one letter": r"re:https://[a-z]\.com",
    "domains of one of two letters": r"re:https://[ab]\.com",
    "a domain in a class": r"re:https://.*[.example.com]+",
    "addresses": r"re:https://[0-9.]+\.0\.1",
    "addresses of a range": r"re:https://10\.0\.0\.[0-9]+",
    "any case, no digit": r"re:(?i)https://\D+",
    "a class of Unicode": r"re:https://\pL+\.com",
    "so many endings that some are not followed up": (
        f"re:https://(.*|{'|'.join(f'a{number}' for number in range(16))})"
        f"({'|'.join(f'b{number}' for number in range(17))})"
    ),
    "a host that may be repeated": r"re:https://(a\.example\.com|com){1,2}",
    "a dot that is repeated no time, behind a flag": r"re:https://.*\.(?m){0}example\.com",
    "a dot that is repeated no time, behind nothing that is quoted": r"re:https://.*\.\Q\E{0}example\.com",
    "a dot that may be left out": r"re:https://.*\.(?s)?example\.com",
    "a domain that may be left out, behind a flag": r"re:https://.*(?:\.example)(?U)*\.com",
    "too deep": "re:https://" + "(?:" * 60 + "a" + ")" * 60 + r"\.example\.com",
}


@pytest.mark.parametrize("pattern", SPANNING.values(), ids=SPANNING)
def test_spans_registrants(pattern: str) -> None:
    """An expression that covers what anybody can register needs the flag in a rule with credentials."""
    assert codes_in(rule(pattern, credentials=True)) == ["public-suffix-subdomains"]
    assert codes_in(rule(pattern, credentials=True, dangerously_allow=["public-suffix-subdomains"])) == []
    assert codes_in(rule(pattern)) == []


SAFE = {
    "a flag in the middle": r"re:https://.*(?i)\.example\.com",
    "what is quoted": r"re:https://.*\Q.example.com\E",
    "an escape of a code": r"re:https://.*\x2eexample\.com",
    "sub-domains of a domain": PREVIEW,
    "any sub-domain of a domain": r"re:https://.*\.example\.com",
    "a domain with a dot at its end": r"re:https://.*\.example\.com\.",
    "a domain that is there once": r"re:https://[a-z]+(\.example\.com){1}",
    "a domain that is there several times": r"re:https://[a-z]+(\.example\.com)+",
    "anchored": r"re:^https://a\.example\.com$",
    "a choice of hosts": r"re:https://(a|b)\.example\.com",
    "a scheme that ends like one in clear text": r"re:news://a\.example\.com",
    "a loopback address": r"re:http://127\.0\.0\.1:[0-9]+",
    "digits in the host": r"re:https://pr[0-9]{1,6}-\d+\.example\.com",
    "a port": r"re:https://.*\.example\.com:8443",
    "a port or none": r"re:https://.*\.example\.com(?::[0-9]+)?",
    "any port": r"re:https://[a-z0-9-]+\.example\.com(:\d{1,5})?",
    "a domain under a private suffix": r"re:https://.*\.shop\.herokuapp\.com",
    "a domain under a suffix of two labels": r"re:https://[^.]+\.example\.co\.uk",
    "several domains": r"re:https://(?:.*\.example\.com|[a-z]+\.example\.org|c\.example)",
    "several domains in a group with a name": r"re:https://(?P<host>[a-z]+\.example\.(?:com|org))",
    "a dot in a class": r"re:https://[a-z]+[.]example[.]com",
    "a choice of schemes that are encrypted": r"re:(?:https|wss)://[a-z]+\.example\.com",
    "in any case": r"re:(?i)https://[A-Z]+\.EXAMPLE\.com",
    "a label that may be missing": r"re:https://(?:[a-z0-9-]+\.)?example\.com",
    "labels that may be missing": r"re:https://(?:[a-z0-9-]+\.)*example\.com",
    "names under localhost": r"re:https://[a-z]+\.localhost(:[0-9]+)?",
    "a trailing dot": r"re:https://.*\.example\.com\.",
    "a host of one label": r"re:https://intranet(:[0-9]+)?",
    "the IPv6 loopback address": r"re:http://\[::1\]:[0-9]+",
    "localhost on some ports": "re:http://localhost:(3000|3001)",
}


@pytest.mark.parametrize("pattern", SAFE.values(), ids=SAFE)
def test_safe(pattern: str) -> None:
    """An expression that is bound to a domain and to https, or to this machine, needs no flag."""
    assert codes_in(rule(pattern, credentials=True)) == []


HINTS = {
    "dots": ("re:https://app.example.com", r"Write 're:https://app\.example\.com', "),
    "one dot": (r"re:https://.*\.example.com", r"Write 're:https://.*\.example\.com', "),
    "dots, an address": ("re:http://127.0.0.1", r"Write 're:http://127\.0\.0\.1', "),
    "no domain": (
        r"re:https://(?:[^c].*|c[^q].*)",
        r"Let it end as 're:https://[a-z0-9-]+\.example\.com(:[0-9]+)?' does, ",
    ),
    "a public suffix": (r"re:https://.*\.herokuapp\.com", "Let it end as "),
}


@pytest.mark.parametrize(("pattern", "hint"), HINTS.values(), ids=HINTS)
def test_hint(pattern: str, hint: str) -> None:
    """An expression that may cover domains of strangers is refused with what to write in its place."""
    (mistake,) = mistakes_in(rule(pattern, credentials=True))
    assert (mistake.code, mistake.value) == ("public-suffix-subdomains", pattern)
    assert mistake.hint.startswith(hint)
    assert mistake.hint.endswith('or add dangerously_allow = ["public-suffix-subdomains"].')
    if hint.startswith("Write"):
        assert codes_in(rule(hint.split("'")[1], credentials=True)) == []


HEADS = [
    "",
    "a",
    "a-",
    "[a-z]+",
    ".*",
    "[0-9]+",
    r"\d",
    "[^.]+",
    r"[a-z]+\.",
    r"[a-z]*\.?",
    "evil",
    "[ab]",
    r".*\.",
    ".",
]
TAILS = [
    *("", r"\.com", r"\.example\.com", r"example\.com", r".example\.com", r"\.example.com", r"[.]example\.com"),
    *(r"\.herokuapp\.com", r"\.x\.herokuapp\.com", r"\.co\.uk", r"\.example\.co\.uk", r"-example\.com", "[.a-z]+"),
    *(r"(?:\.example)?\.com", r"\.(?:example\.)?com", r"\.(?:example\.){0,2}com", r"\.(?:example|[a-z]+)\.com"),
    *(
        r"\.example\.com.*",
        r"\.example\.com[0-9]*",
        r"\.example\.com.?",
        r"(?:\.example\.com|[a-z]+\.net)",
        r"(?:\.example\.com)*",
    ),
]
PORTS = ["", "(?::[0-9]+)?", r":\d+", ":?[0-9]*", "(?::.*)?", ":8443"]
"""What expressions are made of, right ones and near misses."""

HOSTS = ["example.com", "example.org", "a.example.com", "evilexample.com", "example.co.uk", "a.co.uk", "com", "a.com"]
HOSTS += ["x.herokuapp.com", "example.com.evil.net", "aexample.com", "a1.example.com", "examplexcom", "exampleacom"]
HOSTS += [
    "examplea.com",
    "a-example.com",
    "example.com1",
    "example.coma",
    "a.b.example.com",
    "b.example.org",
    "evil.net",
]
PUBLIC_SUFFIXES = PublicSuffixList()


PARTS = st.tuples(st.sampled_from(HEADS), st.sampled_from(TAILS), st.sampled_from(PORTS)).map("".join)


@examples(1_000)
@given(
    st.lists(PARTS, min_size=1, max_size=2).map(lambda parts: f"https://(?:{'|'.join(parts)})"),
    st.lists(st.sampled_from([*"abcx1-.", "example", "com", "evil", "net"]), max_size=5).map("".join),
)
def test_no_stranger_is_covered(expression: str, host: str) -> None:
    """What needs no flag never covers an origin of a registered domain that does not stand in the expression."""
    try:
        compiled = automaton_of([f"re:{expression}"])
    except PolicyError:
        return
    if may_be_strangers(expression):
        return
    written = {re.sub(r"[\\\[\]^$]", "", text) for text in alternatives(expression)}
    for each in (*HOSTS, host, f"{host}.com", f"{host}.example.com", f"{host}example.com", f"a{host}", f"evil.{host}"):
        for port in ("", ":8443", ":1"):
            if is_exact(f"https://{each}{port}") and compiled.Match(f"https://{each}{port}"):
                domain = PUBLIC_SUFFIXES.privatesuffix(each)
                assert domain is None or any(domain in text for text in written), (expression, each)


def alternatives(expression: str) -> set[str]:
    """The expression without its groups, and without what need not be there."""
    needed = re.sub(r"\(\?:[^()]*\)(?:[?*]|\{0,2\})", "", expression)
    return {re.sub(r"\(\?:|[()]|[*+?]|\{[0-9,]+\}", "", each) for each in (expression, needed)}

"""Tests of patterns that are regular expressions."""

import re
import sys

import pytest

from cors_service.grammar.expression import automaton_of
from cors_service.policy import PolicyError
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
    "an automaton that is too large": r"re:https://\pL{1000}",
    "repetitions that multiply": r"re:((\pL{10}){10}){10}",
}


@pytest.mark.parametrize("pattern", MALFORMED.values(), ids=MALFORMED)
def test_malformed(pattern: str) -> None:
    """What RE2 can't read, or can't compile in bounded memory, is refused with a code of its own."""
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
}


@pytest.mark.parametrize("pattern", SPANNING.values(), ids=SPANNING)
def test_spans_registrants(pattern: str) -> None:
    """An expression that covers what anybody can register needs the flag in a rule with credentials."""
    assert codes_in(rule(pattern, credentials=True)) == ["public-suffix-subdomains"]
    assert codes_in(rule(pattern, credentials=True, dangerously_allow=["public-suffix-subdomains"])) == []
    assert codes_in(rule(pattern)) == []


SAFE = {
    "sub-domains of a domain": PREVIEW,
    "any sub-domain of a domain": r"re:https://.*\.example\.com",
    "anchored": r"re:^https://a\.example\.com$",
    "a choice of hosts": r"re:https://(a|b)\.example\.com",
    "a scheme that ends like one in clear text": r"re:news://a\.example\.com",
    "a loopback address": r"re:http://127\.0\.0\.1:[0-9]+",
    "a loopback address, its dots not escaped": "re:http://127.0.0.1",
    "the IPv6 loopback address": r"re:http://\[::1\]:[0-9]+",
    "localhost on some ports": "re:http://localhost:(3000|3001)",
}


@pytest.mark.parametrize("pattern", SAFE.values(), ids=SAFE)
def test_safe(pattern: str) -> None:
    """An expression that is bound to a domain and to https, or to this machine, needs no flag."""
    assert codes_in(rule(pattern, credentials=True)) == []

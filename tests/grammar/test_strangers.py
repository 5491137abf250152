"""An expression, a glob or a wildcard with credentials is refused with an origin of a stranger that it covers."""

from __future__ import annotations

import re

import pytest
import re2
from hypothesis import given
from publicsuffixlist import PublicSuffixList

from cors_service.grammar._ending import may_be_strangers
from cors_service.grammar._strangers import search
from cors_service.grammar.origin import read_origin
from tests.examples import examples
from tests.grammar.test_regex import PARTS
from tests.policy.documents import codes_in, mistakes_in, rule

SUFFIXES = PublicSuffixList()
STRANGERS = {
    r"re:https://.*example\.com": "https://evilexample.com",
    r"re:https://.*\.vercel\.app": "https://evil.vercel.app",
    r"re:https://app-.*": None,
    r"re:.*\.example\.com.*": None,
    r"re:https://.*": None,
    r"re:https://app.example.com": "https://appxexample.com",
    r"re:https://.*\.amazonaws\.com": None,
    r"re:https://(?:shop\.example\.com|[a-z]+\.com\.au)": None,
    r"re:https://pr-[0-9]+-app\.herokuapp\.com": "https://pr-0-app.herokuapp.com",
    r"re:https://.*\.com:8443": "https://evil.com:8443",
    "https://*.github.io": "https://evil.github.io",
    "https://*.amazonaws.com": None,
    "https://app-*.vercel.app:8443": "https://app-evil.vercel.app:8443",
}


@pytest.mark.parametrize(("pattern", "witness"), STRANGERS.items())
def test_witness(pattern: str, witness: str | None) -> None:
    """The message names an origin that the pattern covers and that belongs to whoever registers its domain."""
    (mistake,) = mistakes_in(rule(pattern, credentials=True))
    assert mistake.code == "public-suffix-subdomains"
    found = re.findall(r"https://[a-z0-9.:-]*[a-z0-9]", mistake.message)[-1]
    assert witness in {None, found}
    origin = read_origin(found)
    assert origin is not None
    assert SUFFIXES.privatesuffix(origin.host) is not None
    if pattern.startswith("re:"):
        assert re2.fullmatch(pattern.removeprefix("re:"), found)


SAFE = (
    r"re:https://pr-[0-9]+\.preview\.example\.com",
    r"re:https://.*\.example\.com(:[0-9]+)?",
    r"re:https://(?:(?:a|b)\.)+example\.com",
    r"re:https://.*\.(?:example|other)\.(?:com|org)",
)


@pytest.mark.parametrize("pattern", SAFE)
def test_safe(pattern: str) -> None:
    """What covers only domains that it names needs no flag."""
    assert codes_in(rule(pattern, credentials=True)) == []


@pytest.mark.parametrize(
    "pattern", [r"re:https://(?:example\.com){1,2}", r"re:https://a{1,3}\.com", r"re:https://a{2,}\.com"]
)
def test_an_open_number(pattern: str) -> None:
    """A repetition with several possible numbers names no domain: `comexample.com` is for sale."""
    assert codes_in(rule(pattern, credentials=True)) == ["public-suffix-subdomains"]


@examples(300, same=True)
@given(PARTS)
def test_search(part: str) -> None:
    """What is found is covered, and what is proven to cover no stranger by its endings has none."""
    expression = f"https://{part}"
    try:
        found = search(expression)
    except re2.error:
        return
    if found.witness:
        assert re2.fullmatch(expression, found.witness)
        origin = read_origin(found.witness)
        assert origin is not None
        assert SUFFIXES.privatesuffix(origin.host.removesuffix(".")) is not None
        assert may_be_strangers(expression)

"""Tests of which labels in Punycode browsers can produce."""

import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar._punycode import has_impossible_label
from tests.policy.documents import codes_in, mistakes_in, rule


def label(text: str) -> str:
    """The Punycode of a label, valid or not."""
    return f"xn--{text.encode('punycode').decode('ascii')}"


POSSIBLE = {
    "no Punycode": "app.example.com",
    "a letter": "xn--bcher-kva.example",
    "two labels": "xn--bcher-kva.xn--bcher-kva",
    "a heart, which IDNA 2008 refuses": "xn--i-7iq.ws",
    "a sharp s": "xn--strae-oqa.example",
    "a hyphen first": f"{label('-é')}.example",
    "an underscore": f"{label('_é')}.example",
    "Hebrew": "xn--4dbrk0ce.example",
    "Arabic, two labels": "xn--mgbh0fb.xn--kgbechtv",
    "Hebrew with digits behind": f"{label('א1')}.example",
    "a joiner between its letters": f"{label('क्‍ष')}.example",
    "a trailing dot": "xn--bcher-kva.example.",
    "xn-- within a label": "axn--a.example",
}
IMPOSSIBLE = {
    "a control character": "xn--a",
    "nothing behind the prefix": "xn--",
    "ASCII alone": "xn--a-",
    "letters and hyphens alone": "xn--abc-def-",
    "digits that are none": "xn--!",
    "a code that breaks off": "xn--bcher-kv",
    "a code beyond Unicode": "xn--99999999",
    "a capital letter": label("Bücher"),
    "a capital letter beyond ASCII": label("É"),
    "a letter of full width": label("ａ"),
    "letters that are not composed": label("e\u0301é"),
    "a combining mark first": label("\u0301a"),
    "what is ignored": label("a\u00adé"),
    "half a character": label("\ud800"),
    "a dot of another script": label("é\u3002a"),
    "a joiner between letters that don't join": label("a\u200db"),
    "Hebrew and Latin in one label": label("אa"),
    "a label that begins with a digit beside a Hebrew one": "1a.xn--4dbrk0ce",
    "one of two": "xn--bcher-kva.xn--a",
}


@pytest.mark.parametrize("host", POSSIBLE.values(), ids=POSSIBLE)
def test_possible(host: str) -> None:
    """A host whose labels in Punycode stand for valid labels may be listed."""
    assert not has_impossible_label(host)
    assert codes_in(rule(f"https://{host}", f"https://*.{host}:*")) == []


@pytest.mark.parametrize("host", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_impossible(host: str) -> None:
    """A host that no browser produces is a mistake, which says where to copy it from."""
    assert has_impossible_label(host)
    if host.isascii() and set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789-."):
        for pattern in (f"https://{host}", f"https://*.{host}", f"http://{host}:*", f"https://a-*.{host}"):
            (mistake,) = mistakes_in(rule(pattern))
            assert (mistake.code, mistake.value) == ("origin-punycode-malformed", pattern)
            assert "xn--bcher-kva.example" in mistake.hint


def test_scheme_without_a_network() -> None:
    """Hosts of schemes without a network are not domains, so nothing in them is Punycode."""
    assert codes_in(rule("app://xn--a")) == []


@given(st.text(min_size=1, max_size=8))
def test_whatever_is_encoded_is_possible(text: str) -> None:
    """The host that the conversion of browsers gives for a name is possible."""
    try:
        host = idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:
        return
    assert not has_impossible_label(host)


@given(st.text(st.sampled_from("abz019-é.א"), max_size=12))
def test_any_host(text: str) -> None:
    """No host makes the check fail."""
    assert has_impossible_label(f"xn--{text}") in {True, False}

"""Tests of what is said about an Origin that is none, and of the origin that is meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cors_service.grammar.flaw import as_browsers_send, flaw_of
from cors_service.grammar.origin import read_origin
from cors_service.testing import strategies

FLAWS: dict[str, tuple[str, str | None]] = {
    "http://localhost:5173/": ("it ends in a slash", "http://localhost:5173"),
    "https://a.example/x?y": ("it has a path", "https://a.example"),
    "https://u:p@a.example": ("it has user information", "https://a.example"),
    "HTTPS://A.example": ("it has upper-case letters", "https://a.example"),
    "https://a.example:443": ("it has the default port of its scheme", "https://a.example"),
    "http://127.1": ("browsers write its address differently", "http://127.0.0.1"),
    "http://[0::1]:8080": ("browsers write its address differently", "http://[::1]:8080"),
    "https://b\u00fccher.example": ("it is not ASCII", "https://xn--bcher-kva.example"),
    "https://a.example, https://b.example": ("it has several origins", None),
    "https://*.example.com:*": ("it is a pattern", None),
    "app://": ("", None),
    "https://*/": ("it ends in a slash", None),
    "localhost:5173": ("it does not have the form scheme://host or scheme://host:port", None),
    "": ("it is empty", None),
    "https://" + "a" * 343: ("it has more than 350 characters", None),
    "https://a.example:99999": ("", None),
    "re:https://a/": ("it ends in a slash", None),
    "https://{a,b}.example/": ("it ends in a slash", None),
}


@pytest.mark.parametrize(
    ("text", "flaw", "meant"), [(text, *said) for text, said in FLAWS.items()], ids=range(len(FLAWS))
)
def test_flaw(text: str, flaw: str, meant: str | None) -> None:
    """What is wrong is said in a few words, and the origin that browsers send is found where it is clear."""
    assert read_origin(text) is None or flaw == "it is a pattern"
    assert (flaw_of(text), as_browsers_send(text)) == (flaw, meant)


@given(st.text(max_size=400) | strategies.exact_origins().flatmap(strategies.near_misses))
def test_any_text(text: str) -> None:
    """Whatever comes, something printable is said about it, and what is meant is an origin."""
    assert flaw_of(text).isprintable()
    meant = as_browsers_send(text)
    assert meant is None or read_origin(meant) is not None

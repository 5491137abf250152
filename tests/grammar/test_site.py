"""Tests of sites: which origins browsers take for the same site."""

from __future__ import annotations

import pytest

from cors_service.grammar.site import same_site, site_of


@pytest.mark.parametrize(
    ("origin", "site"),
    [
        ("https://app.example.com", ("https", "example.com")),
        ("http://a.b.example.co.uk:8080", ("http", "example.co.uk")),
        ("https://shop.github.io", ("https", "shop.github.io")),
        ("https://github.io", ("https", "github.io")),
        ("http://localhost:3000", ("http", "localhost")),
        ("http://127.0.0.1", ("http", "127.0.0.1")),
        ("http://[::1]:8080", ("http", "[::1]")),
        ("https://example.com.", ("https", "example.com")),
        ("chrome-extension://abcdef", ("chrome-extension", "abcdef")),
        ("null", None),
        ("file://", None),
        ("no origin", None),
    ],
)
def test_site(origin: str, site: tuple[str, str] | None) -> None:
    """The site of an origin is its scheme and the domain that somebody has registered, or else its host."""
    assert site_of(origin) == site


@pytest.mark.parametrize(
    ("one", "other", "same", "schemeless"),
    [
        ("https://a.example.com", "https://b.example.com:8443", True, True),
        ("https://a.example.com", "http://b.example.com", False, True),
        ("https://a.example.com", "https://a.example.org", False, False),
        ("https://a.github.io", "https://b.github.io", False, False),
        ("http://127.0.0.1", "http://127.0.0.1:8080", True, True),
        ("http://127.0.0.1", "http://10.0.0.1", False, False),
        ("null", "null", False, False),
    ],
)
def test_same_site(one: str, other: str, same: bool, schemeless: bool) -> None:
    """Two origins are same site if their sites are equal; schemelessly, if their domains are."""
    assert same_site(one, other) == same_site(other, one) == same
    assert same_site(one, other, schemeless=True) == schemeless

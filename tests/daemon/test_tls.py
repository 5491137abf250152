"""Tests of what a start needs TLS for."""

from __future__ import annotations

import sys

import pytest

from cors_service.daemon.settings import Settings
from cors_service.daemon.tls import imports_for, needs_tls


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("tcp:8080:interface=127.0.0.1", False),
        ("tcp6:8080", False),
        ("unix:/run/cors-service.sock:mode=660", False),
        ("haproxy:tcp:8080", False),
        ("systemd:domain=INET:name=cors", False),
        ("https:443:key=service.key:cert=service.crt", True),
        ("ssl:443", True),
        ("tls:/etc/certificates:tcp:443", True),
        ("haproxy:tls:/etc/certificates:tcp:443", True),
        ("txacme:443", True),
        ("", True),
    ],
)
def test_endpoints(endpoint: str, expected: bool) -> None:
    """Endpoints of a kind that is known to do without need none; whatever else there may be does."""
    assert needs_tls(Settings(policies="policies.toml", listen=(endpoint,))) == expected
    others = Settings(policies="policies.toml", listen=("tcp:80",), operator_listen=(endpoint,))
    assert needs_tls(others) == expected


def test_own_store() -> None:
    """A store of somebody's own may ask a server over TLS."""
    assert needs_tls(Settings(store="shop.policies:store"))


@pytest.mark.parametrize(("url", "expected"), [("https://admin.internal", True), ("http://127.0.0.1:8081", False)])
def test_reports(url: str, expected: bool) -> None:
    """Reports may go over TLS."""
    assert needs_tls(Settings(policies="policies.toml", report_to=url)) == expected


def test_what_is_loaded_stays() -> None:
    """Where pyOpenSSL is loaded already, as in these tests, it is left alone."""
    import OpenSSL

    with imports_for(Settings(policies="policies.toml")):
        assert sys.modules["OpenSSL"] is OpenSSL
    assert sys.modules["OpenSSL"] is OpenSSL

"""Where a service is can be written in three ways, and nothing else is taken for one of them."""

from __future__ import annotations

import pytest

from cors_service.asking import Place, parse_place


@pytest.mark.parametrize(
    ("text", "place", "url"),
    [
        ("http://127.0.0.1:8080", Place("127.0.0.1", 8080), "http://127.0.0.1:8080"),
        ("https://cors.internal", Place("cors.internal", is_secure=True), "https://cors.internal"),
        ("http://[::1]:80/", Place("::1", 80), "http://[::1]:80"),
        ("https://a.example/x/y/", Place("a.example", is_secure=True, prefix="/x/y"), "https://a.example/x/y"),
        ("unix:/run/cors.sock", Place("localhost", socket="/run/cors.sock"), "http://localhost"),
        ("unix:cors.sock", Place("localhost", socket="cors.sock"), "http://localhost"),
    ],
)
def test_places(text: str, place: Place, url: str) -> None:
    """Each is read as it is meant."""
    assert parse_place(text) == place
    assert place.url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "a.example:80",
        "ftp://a.example",
        "http:",
        "http://",
        "http:///x",
        "http://a.example:x",
        "http://a.example:99999",
        "http://[::1",
        "http://user@a.example",
        "http://a.example?x",
        "http://a.example#x",
        "http://a.example/a b",
        "http://a.example/\r\nX: 1",
        "http://\u00e4.example",
        "unix:",
        "unix://run/cors.sock",
        "unix:/run/cors.sock?x",
    ],
)
def test_no_places(text: str) -> None:
    """The message says what to write."""
    with pytest.raises(ValueError, match="write http://HOST:PORT, https://HOST or unix:PATH"):
        parse_place(text)

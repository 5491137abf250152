"""Where a service is can be written in three ways, and nothing else is taken for one of them."""

from __future__ import annotations

import pytest

from cors_service.asking.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("http://127.0.0.1:8080", Address("127.0.0.1", 8080), "http://127.0.0.1:8080"),
        ("https://cors.internal", Address("cors.internal", is_secure=True), "https://cors.internal"),
        ("http://[::1]:80/", Address("::1", 80), "http://[::1]:80"),
        ("https://a.example/x/y/", Address("a.example", is_secure=True, prefix="/x/y"), "https://a.example/x/y"),
        ("unix:/run/cors.sock", Address("localhost", socket="/run/cors.sock"), "http://localhost"),
        ("unix:cors.sock", Address("localhost", socket="cors.sock"), "http://localhost"),
    ],
)
def test_addresses(text: str, address: Address, url: str) -> None:
    """Each is read as it is meant."""
    assert parse_address(text) == address
    assert address.url == url


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
        parse_address(text)


def test_no_password_in_the_error() -> None:
    """An address with a password is refused, and the error does not repeat it: it is on its way into a log."""
    with pytest.raises(ValueError, match="is not the address") as caught:
        parse_address("http://user:secret@127.0.0.1:8080")
    assert "secret" not in str(caught.value)

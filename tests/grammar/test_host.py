"""Tests of the hosts that a guard lists."""

import pytest

from cors_service.grammar.host import check_host
from cors_service.grammar.mistakes import PolicyError


@pytest.mark.parametrize(
    "text",
    [
        "tools.example.com",
        "tools.example.com:8443",
        "localhost:*",
        "127.0.0.1",
        "[::1]:*",
        "*.example.com",
        "*.example.com:*",
    ],
)
def test_a_host(text: str) -> None:
    """A name, an address or the sub-domains of a name may be listed, on one port or on any."""
    check_host(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("https://tools.example.com", 'Write "tools.example.com".'),
        ("tools.example.com/mcp", 'Write "tools.example.com".'),
        ("tools.example.com/", 'Write "tools.example.com".'),
        ("Tools.Example.com:8443", 'Write "tools.example.com:8443".'),
        ("tools.example.com.", 'Write "tools.example.com".'),
        ("http://user:password@tools.example.com:80/x", 'Write "tools.example.com:80".'),
    ],
)
def test_a_host_that_can_be_mended(text: str, hint: str) -> None:
    """What is nearly a host gets a hint that loads."""
    with pytest.raises(PolicyError) as raised:
        check_host(text)
    assert (raised.value.code, raised.value.hint) == ("host-malformed", hint)


@pytest.mark.parametrize(
    "text", ["", "*", "*:*", "<host>", "<tenant>.example.com", "127.1", "a:b", "a:*:*", "a:", ":80", "a b", "*.1.2.3.4"]
)
def test_not_a_host(text: str) -> None:
    """What is not one host that can be known is a mistake that says what a host looks like."""
    with pytest.raises(PolicyError) as raised:
        check_host(text)
    assert raised.value.code == "host-malformed"
    assert "localhost:*" in raised.value.hint

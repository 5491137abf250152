"""The URL of a store in etcd."""

from __future__ import annotations

import pytest

from cors_service.etcd.address import Endpoint, read_address
from cors_service.ledger.urls import NoSuchStore


def test_address() -> None:
    """A URL names endpoints, a prefix, and files."""
    address = read_address("etcds://a.example:2379,b.example,[::1]:99/cors/eu/?cacert=ca.crt&credentials=/run/x%20y")
    assert address.endpoints == (Endpoint("a.example", 2379), Endpoint("b.example", 2379), Endpoint("::1", 99))
    assert [*map(str, address.endpoints)] == ["a.example:2379", "b.example:2379", "[::1]:99"]
    assert (address.prefix, address.is_tls) == ("/cors/eu", True)
    assert (address.options, address.credentials) == ({"cacert": "ca.crt"}, "/run/x y")
    assert address.name == "etcds://a.example:2379,b.example,[::1]:99/cors/eu/"


HOW = ". Write it as etcd://HOST:2379,HOST:2379/PREFIX."


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("etcd://a.example", f"etcd://a.example can't be used. It needs a prefix for the keys, such as /cors{HOW}"),
        ("etcd://a.example/", f"etcd://a.example/ can't be used. It needs a prefix for the keys, such as /cors{HOW}"),
        ("etcd:///cors", f"etcd:///cors can't be used. It names no host{HOW}"),
        ("etcd://a,,b/cors", f"etcd://a,,b/cors can't be used. It names no host{HOW}"),
        ("etcd://a:0/cors", f"etcd://a:0/cors can't be used. It names no host{HOW}"),
        ("etcd://a:x/cors", f"etcd://a:x/cors can't be used. A port of it is not a number up to 65535{HOW}"),
        ("etcd://a/cors#b", f"etcd://a/cors can't be used. It has a #{HOW}"),
        ("etcd://a/cors?x", f"etcd://a/cors can't be used. Its options are not NAME=VALUE, joined by &{HOW}"),
        (
            "etcd://a/cors?x=1",
            "etcd://a/cors can't be used. Its options are credentials, cacert, cert, key, and no others.",
        ),
        ("etcds://a/c?cert=1&cert=2", "etcds://a/c can't be used. cert is there twice, or without a file."),
        ("etcds://a/c?cert=", "etcds://a/c can't be used. cert is there twice, or without a file."),
        ("etcds://a/c?key=1", "etcds://a/c can't be used. It names a key without a certificate: add cert=FILE."),
        ("etcd://a/c?cacert=1", "etcd://a/c can't be used. Certificates are for TLS: write etcds://."),
        (
            "etcd://cors:secret@a/cors",
            "in a URL, where the list of processes shows them: name a file with them by ?credentials=FILE.",
        ),
        (
            "etcd://a/c/d/0",
            "etcd://a/c/d/0 can't be used. A store at /c has keys of its own there: choose another prefix.",
        ),
        ("etcd://a/c/d/0/policy/x", "A store at /c has keys of its own there: choose another prefix."),
        ("etcd://a/c/d/d/-x", "A store at /c/d has keys of its own there: choose another prefix."),
        ("etcd://a/c/pieces//x", "A store at /c has keys of its own there: choose another prefix."),
        ("etcd://a/c/x/ledger/9", "A store at /c/x has keys of its own there: choose another prefix."),
        (f"etcd://{','.join(f'h{i}' for i in range(21))}/c", "has more than 20 endpoints."),
    ],
)
def test_wrong_urls(url: str, said: str) -> None:
    """Each mistake is one sentence that says what to write, and repeats nothing secret."""
    with pytest.raises(NoSuchStore) as caught:
        read_address(url)
    assert str(caught.value).endswith(said)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["/c/d", "/c/d/x", "/c/ledger/cors", "/c/pieces/~", "/c/e/0", "/d/0", "/c/head/0"])
def test_stores_below_others(prefix: str) -> None:
    """A store may lie below another one where that has nothing of its own."""
    assert read_address(f"etcd://a.example{prefix}").prefix == prefix

"""Which store a URL names, and what is shown of it."""

from __future__ import annotations

import sys

import pytest

from cors_service.ledger.urls import NoSuchStore, check_url, is_url, open_source, open_store, store_name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://db/cors", "postgresql://db/cors"),
        ("postgresql://user:pass@db:5432/cors?sslmode=verify-full", "postgresql://db:5432/cors"),
        ("postgresql://user@a:1,b:2/cors", "postgresql://a:1,b:2/cors"),
        ("postgresql://user:p/a?s#s@w@db/cors", "postgresql://..."),
        ("postgresql://user:pa/ss@db/cors", "postgresql://db/cors"),
        ("postgresql://db/cors?user=a@b&password=c@d", "postgresql://..."),
        ("postgresql://user:a@b@db/cors?x=c@d", "postgresql://db/cors"),
        ("etcds://root:x@a:2379,b:2379/prefix?credentials=/etc/secret", "etcds://a:2379,b:2379/prefix"),
        ("https://host/path#part", "https://host/path"),
        ("etcd://a/\n\x1b[31m", "etcd://a/\\n\\x1b[31m"),
    ],
)
def test_name(url: str, name: str) -> None:
    """The name of a store has no user, no password, no option, and nothing that a terminal would obey."""
    assert store_name(url) == name


@pytest.mark.parametrize("text", ["policies", "policies.toml", "/etc/a:b//c", "C:\\policies", "", "://a", "1a://b"])
def test_path(text: str) -> None:
    """What has no scheme is a path."""
    assert not is_url(text)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@db/cors",
        "postgresql://:secret@db/cors",
        "postgresql://db/cors?password=secret",
        "postgresql://db/cors?%70assword=secret",
        "postgresql://db/cors?connect_timeout=1&sslpassword=secret",
        "postgresql://db/cors?PASSWORD=secret",
        "etcd://root:secret@a:2379",
        "https://user:secret@host/path",
    ],
)
def test_secret(url: str) -> None:
    """A URL that holds a secret is refused where everybody could read it, in a sentence without the secret."""
    with pytest.raises(NoSuchStore, match="credentials=FILE") as caught:
        check_url(url)
    assert "secret" not in str(caught.value)


def test_password_with_a_question_mark() -> None:
    """What may be the rest of a password is refused as well."""
    with pytest.raises(NoSuchStore, match="%40") as caught:
        check_url("postgresql://user:se?cret@db/cors")
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["postgresql://user@db/cors", "postgresql://db:5432/cors?credentials=/a", "etcds://a:1,b:2/c", "https://a:1/b"],
)
def test_no_secret(url: str) -> None:
    """A port is no password."""
    check_url(url)


def test_unknown_scheme() -> None:
    """A scheme that names no store is refused with those that do; a bundle can't be written."""
    with pytest.raises(NoSuchStore, match=r"^redis:// is not a kind of store; .*postgresql://"):
        open_source("redis://a/b")
    with pytest.raises(NoSuchStore, match=r"^https:// is not a kind of store; "):
        open_store("https://a/b")


def test_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library for a store, the sentence says what to install."""
    for name in [name for name in sys.modules if name.startswith(("psycopg", "cors_service.postgresql"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NoSuchStore, match=r"install cors-service\[postgresql\]"):
        open_source("postgresql://db/cors")

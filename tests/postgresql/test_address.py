"""Tests of URLs of PostgreSQL, without any server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cors_service.ledger.kept import StoreUnavailable
from cors_service.ledger.urls import NoSuchStore, open_source, open_store, prepare_store
from cors_service.postgresql.address import Address

MALFORMED = {
    "no database": ("postgresql://u@127.0.0.1:5432", "names no database"),
    "a slash in a password": ("postgresql://u:h1dden/x@127.0.0.1/cors", "write @ as %40"),
    "an at sign in a password": ("postgresql://u:h1dden@x@127.0.0.1/cors", "write @ as %40"),
    "a question mark in a password": ("postgresql://u:h1dden?x@127.0.0.1/cors", "write @ as %40"),
    "a port": ("postgresql://127.0.0.1:five/cors", "write @ as %40"),
    "an option": ("postgresql://127.0.0.1/cors?sslmod=require", "has no option 'sslmod': did you mean sslmode?"),
    "an option of nothing": ("postgresql://127.0.0.1/cors?wxyz=1", "has no option 'wxyz'."),
    "a percent sign": ("postgresql://u:h1dden%zz@127.0.0.1/cors", "can't be read: write postgresql://"),
}


@pytest.mark.parametrize(("url", "sentence"), MALFORMED.values(), ids=MALFORMED)
def test_malformed(url: str, sentence: str) -> None:
    """A URL that can't be meant so is refused before anything is connected, without what may be secret in it."""
    for make in (open_source, open_store, prepare_store):
        with pytest.raises(NoSuchStore) as found:
            make(url)
        assert sentence in str(found.value)
        assert "h1dden" not in str(found.value)


def test_options() -> None:
    """What the URL says goes before what is usual, and nothing waits for ever."""
    usual = Address.of("postgresql://me@db.internal/cors").conninfo()
    assert (usual["user"], usual["host"], usual["dbname"]) == ("me", "db.internal", "cors")
    assert (usual["connect_timeout"], usual["keepalives_idle"], usual["tcp_user_timeout"]) == (5, 5, 5000)
    other = Address.of("postgres://db.internal/cors?connect_timeout=2&sslmode=verify-full").conninfo()
    assert (other["connect_timeout"], other["sslmode"]) == ("2", "verify-full")


SERVERS = {
    "postgresql://one/cors": (False, False),
    "postgresql://one,other:5433/cors": (True, True),
    "postgresql:///cors?host=one,other": (True, True),
    "postgresql://one,other/cors?target_session_attrs=prefer-standby": (True, False),
}


@pytest.mark.parametrize(("url", "expected"), SERVERS.items(), ids=SERVERS)
def test_servers(url: str, expected: tuple[bool, bool]) -> None:
    """Of several servers, the primary is preferred, unless the URL says which one to choose."""
    address = Address.of(url)
    assert (address.has_several, address.prefers_primary) == expected


def test_credentials(tmp_path: Path) -> None:
    """What is secret is in a file, which is read each time, and never repeated."""
    path = tmp_path / "credentials.toml"
    address = Address.of(f"postgresql://db.internal/cors?credentials={path}")
    assert (address.name, address.credentials) == ("postgresql://db.internal/cors", str(path))
    wrong = {
        None: "can't be read: No such file or directory.",
        "password = h1dden": 'is not TOML: write user = "NAME" and password = "PASSWORD".',
        'passwort = "h1dden"': "has a key other than these: password, sslcert, sslkey, sslpassword, sslrootcert, user.",
        "password = 1": "each value must be a string in quotes.",
    }
    for text, sentence in wrong.items():
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(StoreUnavailable) as found:
            address.conninfo()
        assert str(found.value).endswith(sentence)
        assert "h1dden" not in str(found.value)
    path.write_text('user = "me"\npassword = "h1dden"', encoding="utf-8")
    assert (address.conninfo()["user"], address.conninfo()["password"]) == ("me", "h1dden")


OPEN = """
from cors_service.ledger.urls import NoSuchStore, open_source
try:
    open_source("postgresql://127.0.0.1/cors")
except NoSuchStore as error:
    print(error)
"""
LACKS = {
    "the package": ("import sys; sys.modules['psycopg'] = None", {}, "the package psycopg"),
    # A build of psycopg that is not there stands for a libpq that is not.
    "the library": ("", {"PSYCOPG_IMPL": "c"}, "a library that is not on this machine"),
}


@pytest.mark.parametrize(("before", "environment", "what"), LACKS.values(), ids=LACKS)
def test_not_installed(before: str, environment: dict[str, str], what: str) -> None:
    """Where the extra is not installed, or not all of it, that is a sentence, and not a traceback."""
    program = [sys.executable, "-c", before + OPEN]
    done = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60, env=os.environ | environment)
    assert done.stdout == f"postgresql:// needs {what}: install cors-service[postgresql].\n"

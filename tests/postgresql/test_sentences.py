"""Tests of what is said of a store that can't be used; what real servers say is in tests/e2e."""

from __future__ import annotations

import socket
from contextlib import closing

import psycopg
import pytest
from psycopg import errors

from cors_service.ledger.kept import StoreUnavailable
from cors_service.postgresql import PostgreSQLSource, PostgreSQLStore, prepare_store
from cors_service.postgresql.address import Address
from cors_service.postgresql.sentences import failed, not_connected

ADDRESS = Address.of("postgresql://db.internal/cors")
OPTIONS = {"user": "me", "dbname": "cors", "password": "h1dden", "sslpassword": "h1dden too"}
REFUSED = 'connection to server at "192.0.2.1", port 5432 failed: '

CONNECTING = {
    'FATAL:  no pg_hba.conf entry for host "192.0.2.1"': "does not let user me into cors from here",
    'FATAL:  permission denied for database "cors"': "does not let user me into the database cors: GRANT CONNECT.",
    'FATAL:  role "me" is not permitted to log in': "does not let user me log in",
    "FATAL:  sorry, too many clients already": "has no connection left",
    "FATAL:  the database system is starting up": "is starting or stopping",
    "server does not support SSL, but SSL was required": "does not speak TLS",
    'could not open certificate file "x": No such file': "needs a certificate that can't be read here",
    'server certificate for "a" does not match host name "b"': "shows a certificate for another host",
    "tlsv1 alert unknown ca": "wants another certificate",
    "FATAL:  terminating connection due to administrator command": "has closed the connection. It is asked again.",
    "SSL SYSCALL error": "can't agree with this program on TLS: see",
    "connection timeout expired": "does not answer within 5 seconds",
    "something else with h1dden in it\nand more": "can't be reached: connection to server",
}


@pytest.mark.parametrize(("text", "sentence"), CONNECTING.items(), ids=CONNECTING)
def test_not_connected(text: str, sentence: str) -> None:
    """One line says why there is no connection, and what to do; nothing secret is in it."""
    said = not_connected(ADDRESS, OPTIONS, psycopg.OperationalError(f"{REFUSED}{text}"))
    assert sentence in said
    assert said.startswith("postgresql://db.internal/cors ")
    assert said.endswith(".")
    assert "\n" not in said
    assert "h1dden" not in said


@pytest.mark.parametrize("name", ["pgssl", "timeout", "recovery", "unreachable", "starting up"])
def test_words_in_names(name: str) -> None:
    """A name is no reason, whatever is in it."""
    for text, sentence in {
        f"failed to resolve host '{name}.invalid': [Errno -2] Name or service not known": "has an unknown host",
        f'connection to server on socket "/{name}/.s.PGSQL.5432" failed: No such file or directory': "has no socket",
        f'{REFUSED}FATAL:  database "{name}" does not exist': "has no database cors",
        f'connection to server at "{name}" (192.0.2.1), port 1 failed: something else': "can't be reached: ",
    }.items():
        assert sentence in not_connected(ADDRESS, OPTIONS, psycopg.OperationalError(text))


def test_default_user() -> None:
    """Where the URL names no user, the sentence says that it is about the default one."""
    error = psycopg.OperationalError(f"{REFUSED}fe_sendauth: no password supplied")
    assert "asks the default user for a password: put it" in not_connected(ADDRESS, {"dbname": "cors"}, error)


FAILED = {
    errors.UndefinedTable: "has no schema of cors-service",
    errors.InsufficientPrivilege: "does not let user me do that",
    errors.LockNotAvailable: "is being written by somebody else who does not finish, or waits for a",
    errors.DiskFull: "has no room on its disk",
    errors.ReadOnlySqlTransaction: "takes no changes",
    psycopg.OperationalError: "has closed the connection",
    errors.DivisionByZero: "can't be used: it says (secret).",
}


@pytest.mark.parametrize(("kind", "sentence"), FAILED.items(), ids=lambda one: getattr(one, "__name__", ""))
def test_failed(kind: type[psycopg.Error], sentence: str) -> None:
    """One line says what went wrong with a connection that there is."""
    said = failed(ADDRESS, OPTIONS, kind("it says h1dden"))
    assert sentence in said
    assert said.endswith(".")
    assert "h1dden" not in said


def test_nobody_listens() -> None:
    """Where nobody listens, whoever reads, writes or prepares learns it by the same sentence."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://127.0.0.1:{taken.getsockname()[1]}/cors"
        with closing(PostgreSQLSource(url)) as source, closing(PostgreSQLStore(url)) as store:
            for ask in (
                source.everything,
                source.head,
                store.read,
                lambda: store.entries(0, 1),
                lambda: prepare_store(url),
            ):
                with pytest.raises(StoreUnavailable, match="does not listen there: start it, or correct the host"):
                    ask()
            assert source.wait(0)
            source.wake()
            assert source.wait(60)


def test_closed() -> None:
    """What was closed is not opened again."""
    source = PostgreSQLSource("postgresql://127.0.0.1:1/cors")
    source.close()
    with pytest.raises(StoreUnavailable, match="was closed"):
        source.head()

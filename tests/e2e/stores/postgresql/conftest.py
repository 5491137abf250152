"""A server of PostgreSQL that tests share; each test begins with nothing in it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cors_service.postgresql import prepare_store
from tests.e2e.stores.postgresql.servers import OWNER, PASSWORD, Server, place, server


class Database(NamedTuple):
    """A database with the schema, and nothing in it.

    Attributes:
        server: The server.
        name: Its name.
    """

    server: Server
    name: str

    def url(self, user: str = OWNER, password: str | None = PASSWORD, **options: str) -> str:
        """Its URL."""
        return self.server.url(self.name, user, password, **options)

    def secret_url(self, directory: Path) -> str:
        """Its URL with a file of credentials, as one is given on a command line."""
        credentials = directory / "credentials.toml"
        credentials.write_text(f'user = "{OWNER}"\npassword = "{PASSWORD}"\n', encoding="utf-8")
        return f"postgresql://127.0.0.1:{self.server.port}/{self.name}?credentials={credentials}"

    def sql(self, statement: str, *values: object) -> list[object]:
        """Run a statement as who may do everything, and give its rows."""
        return self.server.sql(self.name, statement, *values)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[Server]:
    """Run a server that no test stops or freezes."""
    with server() as one:
        yield one


@pytest.fixture
def empty_database(shared_server: Server) -> Database:
    """Give a database without anything in it, to which nobody is connected."""
    if not shared_server.sql("postgres", "SELECT 1 FROM pg_database WHERE datname = 'cors'"):
        return new_database(shared_server)
    shared_server.sql("postgres", "ALTER DATABASE cors RESET ALL")
    shared_server.kill_backends()
    shared_server.sql("cors", "DROP SCHEMA IF EXISTS cors CASCADE")
    return Database(shared_server, "cors")


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Give a database that is ready for policies."""
    prepare_store(empty_database.url())
    return empty_database


def new_database(one: Server) -> Database:
    """Make a database without anything in it."""
    one.sql("postgres", "CREATE DATABASE cors")
    return Database(one, "cors")


class Pair(NamedTuple):
    """Two servers of the same database.

    Attributes:
        primary: The one that is written.
        standby: The one that follows it.
        database: The database at the primary.
    """

    primary: Server
    standby: Server
    database: Database

    def both(self, url: str) -> str:
        """Name the standby, too, in a URL that names the primary."""
        port = self.primary.port
        return url.replace(f":{port}/", f":{port},127.0.0.1:{self.standby.port}/")


@contextmanager
def pair() -> Iterator[Pair]:
    """Run a primary with a database that is ready for policies, and its standby; a test may stop both."""
    with place() as directory:
        primary, standby = Server(directory / "primary"), Server(directory / "standby")
        try:
            primary.make()
            primary.start()
            database = new_database(primary)
            prepare_store(database.url())
            standby.copy_of(primary)
            standby.start()
            yield Pair(primary, standby, database)
        finally:
            standby.stop(signal.SIGQUIT)
            primary.stop(signal.SIGQUIT)

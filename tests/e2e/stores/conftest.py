"""Servers that tests of stores share; each test has a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import NamedTuple

import pytest

from cors_service.postgresql import prepare_store
from tests.e2e.stores.postgresql import OWNER, PASSWORD, Server, server

_NUMBERS = count(1)


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
    """Make a database without anything in it."""
    return new_database(shared_server)


@pytest.fixture
def database(empty_database: Database) -> Database:
    """Make a database that is ready for policies."""
    prepare_store(empty_database.url())
    return empty_database


def new_database(one: Server) -> Database:
    """Make a database without anything in it."""
    name = f"cors{next(_NUMBERS)}"
    one.sql("postgres", f"CREATE DATABASE {name}")
    return Database(one, name)

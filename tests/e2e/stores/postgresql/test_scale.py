"""Many policies in PostgreSQL: measured by `make soak`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from cors_service.postgresql import PostgreSQLStore
from tests.e2e.stores.postgresql.conftest import Database
from tests.e2e.stores.scale import measure, soak

FIRST_ANSWER = 10.0


@soak
def test_many_policies(database: Database, tmp_path: Path) -> None:
    """100,000 policies are in force within 10 seconds of a start, and a change of one of them within half a second."""
    with closing(PostgreSQLStore(database.url())) as store:
        measure(store, database.secret_url(tmp_path), tmp_path, FIRST_ANSWER)

"""The admin process with its policies in PostgreSQL: what those who change them are told while something fails."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.daemons import ANY_PORT, TWIST, Answer, Service, wait_for
from tests.e2e.stores.postgresql.conftest import Database
from tests.e2e.test_admin import send

ADMIN = (*TWIST[:-1], "cors-admin", "--data", "data", "--listen", ANY_PORT)
STOPPED = -signal.SIGTERM
ATTEMPTS = 3


@pytest.fixture
def admin(database: Database, tmp_path: Path) -> Iterator[Service]:
    """Give an admin process of a database with nothing in it."""
    process = Service([*ADMIN, "--store", database.secret_url(tmp_path)], tmp_path)
    try:
        yield process
        assert process.stop() == STOPPED
        said = "\n".join(process.out + process.err)
        assert not [word for word in ("Traceback", "Unhandled", "s3cret") if word in said]
    finally:
        process.kill()


def put(admin: Service, number: int, tag: str) -> Answer:
    """Change the policy."""
    value = {"origins": [f"https://{number}.example.com"]}
    return send(admin.port, "PUT", f"policies/shop?reason={number}", value, If_Match=tag)


def test_two_writers(admin: Service, database: Database, tmp_path: Path) -> None:
    """Of two admin processes that change a definition at once, one is told what the other has done."""
    other = Service([*ADMIN[:-3], "data2", "--listen", ANY_PORT, "--store", database.secret_url(tmp_path)], tmp_path)
    try:
        created = send(admin.port, "PUT", "policies/shop", {"origins": ["*"]}, If_None_Match="*")
        assert created.status == 201, created.json
        wait_for(lambda: send(other.port, "GET", "policies/shop").status == 200, "the other process")
        # On a busy machine, one of them may come so late that the other gave up waiting.
        races = (race(database, admin, other, number) for number in range(ATTEMPTS))
        won, lost = next(pair for pair in races if [one.status for one in pair] == [200, 412])
    finally:
        other.kill()
    assert lost.json["entries"][-1]["hash"] == won.json["entry"]["hash"]


def race(database: Database, admin: Service, other: Service, number: int) -> list[Answer]:
    """Have both change the policy at the same moment; give the answers by their status."""
    tag = send(admin.port, "GET", "policies/shop").headers["etag"]
    wait_for(lambda: send(other.port, "GET", "policies/shop").headers["etag"] == tag, "the other process")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with database.server.connect(database.name) as first:
        first.execute("BEGIN")
        first.execute("SELECT FROM cors.head FOR UPDATE")
        with ThreadPoolExecutor() as threads:
            both = [threads.submit(put, one, 2 * number + at, tag) for at, one in enumerate((admin, other))]
            wait_for(lambda: database.sql(waiting) == [2] or any(one.done() for one in both), "both at the lock")
            first.execute("COMMIT")
            return sorted((one.result() for one in both), key=lambda one: one.status)


def test_failures(admin: Service, database: Database) -> None:
    """A writer that hangs, and a database that takes no changes, are a 503 with a sentence; reading goes on."""
    assert send(admin.port, "PUT", "policies/shop", {"origins": ["*"]}, If_None_Match="*").status == 201
    with database.server.connect(database.name) as stuck:
        stuck.execute("BEGIN")
        stuck.execute("UPDATE cors.head SET seq = seq")
        refused = put(admin, 1, "*")
        assert (refused.status, refused.headers["retry-after"]) == (503, "2")
        assert "being written by somebody else" in refused.json["detail"]
    assert put(admin, 2, "*").status == 200
    database.sql("ALTER DATABASE cors SET default_transaction_read_only = on")
    database.server.kill_backends()
    refused = put(admin, 3, "*")
    assert (refused.status, refused.json["detail"].split(": ")[0]) == (
        503,
        f"postgresql://127.0.0.1:{database.server.port}/cors takes no changes",
    )
    assert send(admin.port, "GET", "policies/shop").json == {"origins": ["https://2.example.com"]}
    assert send(admin.port, "GET", "ledger?after=1").status == 200
    database.server.sql("postgres", "ALTER DATABASE cors RESET ALL")
    database.server.kill_backends()
    assert put(admin, 4, "*").status == 200

"""Commands work at PostgreSQL without an admin process, and find out what was tampered with."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.stores.commands import broken_at, check_commands, command
from tests.e2e.stores.postgresql.conftest import Database


def test_commands(database: Database, tmp_path: Path) -> None:
    """A directory is published, read and made a bundle of. Where somebody has changed an entry or a definition by hand,
    `ledger verify` names the entry.
    """
    url = database.secret_url(tmp_path)
    check_commands(url, tmp_path)
    database.sql("""UPDATE cors.document SET body = '{"origins": ["*"]}' WHERE name = 'shop'""")
    [newest] = broken_at(url, tmp_path)
    assert newest == 3
    database.sql("""UPDATE cors.document SET body = '{"origins": ["https://new.example.com"]}' WHERE name = 'shop'""")
    kept = """UPDATE cors.change SET body = '{"origins": ["*"]}' WHERE seq = 3"""
    database.sql(f"SET session_replication_role = replica; {kept}")
    assert broken_at(url, tmp_path) == [3]
    said = command(tmp_path, "store", "init", url)
    assert "Entry 3: What is kept of the policy shop is not what it wrote." in said
    assert "https://new.example.com" in command(tmp_path, "pull", url)
    tampering = "UPDATE cors.ledger SET entry = replace(entry::text, 'the first', 'the last')::json WHERE seq = 2"
    database.sql(f"SET session_replication_role = replica; {tampering}")
    assert set(broken_at(url, tmp_path)) == {2, 3}

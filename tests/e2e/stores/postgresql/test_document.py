"""The lines of the documentation set up a store in PostgreSQL that a fleet can use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from cors_service.ledger.kept import StoreUnavailable
from cors_service.postgresql import PostgreSQLSource, PostgreSQLStore
from tests.e2e.stores.postgresql.servers import OWNER, PASSWORD, Server
from tests.ledger.stores import about, edits, written

PAGE = Path(__file__).parents[4] / "docs" / "fleet.md"
PLACE = "127.0.0.1:5432"


def test_the_lines_of_the_page(shared_server: Server, tmp_path: Path) -> None:
    """Who copies the lines has a store with the policies, a user who writes it, and one who can only read it."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## PostgreSQL\n")[2].partition("\n## ")[0]
    lines, further = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(lines.splitlines()) <= 10
    here = f"127.0.0.1:{shared_server.port}"
    shared_server.sql("postgres", "DROP DATABASE IF EXISTS cors WITH (FORCE)")
    shared_server.sql("postgres", "DROP ROLE IF EXISTS reader, writer, cors_reader, cors_writer")
    written(tmp_path / "policies")
    own = {"PGUSER": OWNER, "PGPASSWORD": PASSWORD, "PGHOST": "127.0.0.1", "PGPORT": str(shared_server.port)}
    done = subprocess.run(
        ["bash", "-e", "-c", lines.replace(PLACE, here)],
        cwd=tmp_path,
        env=os.environ | own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Made the schema cors, version 1." in done.stdout
    urls = [url.replace(PLACE, here) for url in re.findall(r"'(postgresql://[^']+)'", further)]
    reader, writer = (re.sub(r"=(\w+\.toml)", rf"={tmp_path}/\1", url) for url in urls)
    with closing(PostgreSQLSource(reader)) as source:
        assert {key.name for key in source.everything().bodies} == {"shop", "pay", "partners", "old"}
    with closing(PostgreSQLStore(writer)) as store, closing(PostgreSQLStore(reader)) as other:
        plan = store.plan(store.read(), edits(("policy", "old", None)))
        with pytest.raises(StoreUnavailable, match="does not let user reader do that"):
            other.commit(other.plan(other.read(), edits(("policy", "old", None))), about())
        assert store.commit(plan, about()).entry.seq == 3

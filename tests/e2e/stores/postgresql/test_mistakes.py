"""Tests of URLs, users, certificates and schemas that are wrong: one sentence each, which says what to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from cors_service.ledger.kept import StoreUnavailable
from cors_service.postgresql import PostgreSQLSource, PostgreSQLStore, prepare_store
from tests.certificates import Authority
from tests.e2e.stores.postgresql.conftest import Database, new_database
from tests.e2e.stores.postgresql.servers import OWNER, PASSWORD, Server, binaries, place
from tests.ledger.stores import about, change, edits

SECRET = "h1dden/@:?"
SHOP = {"origins": ["https://shop.example.com"]}


def problem_of(read: Callable[[], object]) -> str:
    """What is said of a store that can't be read: one sentence or two, with nothing secret."""
    with pytest.raises(StoreUnavailable) as found:
        read()
    said = str(found.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert not [secret for secret in (SECRET, "h1dden", PASSWORD, "s3cret") if secret in said]
    return said


def read_from(url: str) -> object:
    """Read a store."""
    with closing(PostgreSQLSource(url)) as source:
        return source.everything()


def test_wrong_ways_in(database: Database, tmp_path: Path) -> None:
    """A wrong user, password, database, port, file or certificate is named, with what to do about it."""
    port = database.server.port
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("Somebody else").certificate)
    missing, wrong = tmp_path / "missing.toml", tmp_path / "wrong.toml"
    wrong.write_text(f"password = {SECRET}", encoding="utf-8")
    verified = {"sslmode": "verify-full", "sslrootcert": str(other)}
    sentences = {
        database.url(password=SECRET): f"refuses the password of user {OWNER}",
        database.url("nobody-else", SECRET): "refuses the password of user nobody-else",
        database.url(password=None): f"asks user {OWNER} for a password: put it into the file that ?credentials=FILE",
        database.server.url("other"): "has no database other: create it",
        database.url().replace(f":{port}/", ":1/"): "does not listen there: start it, or correct the host and the port",
        database.url().replace("127.0.0.1", "nowhere.invalid"): "has an unknown host: correct its name",
        database.url(credentials=str(missing)): f"'{missing}' can't be read: No such file or directory",
        database.url(credentials=str(wrong)): f"'{wrong}' is not TOML: write user",
        database.url(**verified): "certificate that can't be verified: name the file of its authority",
        database.url(
            sslmode="verify-full", sslrootcert=str(missing)
        ): "can't be verified: name the file of its authority",
    }
    for url, sentence in sentences.items():
        assert sentence in problem_of(partial(read_from, url))


def test_schemas(empty_database: Database) -> None:
    """A schema that is missing, older or newer is named, and `store init` makes or mends what it can."""
    url = empty_database.url()
    assert "has no schema of cors-service in this database: run `cors-service store init URL`" in problem_of(
        lambda: read_from(url)
    )
    done = prepare_store(url)
    assert done[:2] == ["Made the schema cors, version 1.", "Began the ledger: there are no policies yet."]
    assert re.match("(Made|Gave rights here to) the roles cors_reader and cors_writer: grant them", done[2])
    assert prepare_store(url)[0] == "The schema cors is there already, in version 1."
    empty_database.sql("UPDATE cors.version SET version = 0")
    assert "an older cors-service: run `cors-service store init URL`" in problem_of(lambda: read_from(url))
    assert prepare_store(url)[0] == "Brought the schema cors from version 0 to version 1."
    read_from(url)
    empty_database.sql("UPDATE cors.version SET version = 2")
    for do in (lambda: read_from(url), lambda: prepare_store(url), lambda: PostgreSQLStore(url).read()):
        assert "a newer cors-service: update this program" in problem_of(do)
    empty_database.sql("UPDATE cors.version SET version = 1")
    empty_database.sql("UPDATE cors.head SET format = 2")
    assert "has policies that a newer cors-service wrote: update this one" in problem_of(lambda: read_from(url))


def test_roles(database: Database) -> None:
    """Who has the role of a reader reads, and writes nothing; who has that of a writer writes, and makes no schema."""
    make = "CREATE ROLE {0} LOGIN PASSWORD '{0}'; GRANT cors_{0} TO {0}"
    for name in ("reader", "writer"):
        database.sql(f"DROP ROLE IF EXISTS {name}")
        database.sql(make.format(name))
    reader, writer = (database.url(name, name) for name in ("reader", "writer"))
    with closing(PostgreSQLStore(reader)) as one, closing(PostgreSQLStore(writer)) as other:
        change(other, ("policy", "shop", SHOP))
        plan = one.plan(one.read(), edits(("policy", "shop", None), ("policy", "new", SHOP)))
        assert "does not let user reader do that: grant it cors_reader to read, or cors_writer" in problem_of(
            lambda: one.commit(plan, about())
        )
    with closing(PostgreSQLSource(reader)) as source:
        assert source.head() == source.everything().head
        assert source.everything().origin is not None
    database.sql("UPDATE cors.version SET version = 0")
    assert "does not let this user make a schema" in problem_of(lambda: prepare_store(writer))


def test_credentials_are_read_anew(database: Database, tmp_path: Path) -> None:
    """A password that is changed in the file counts from the next connection on."""
    with closing(PostgreSQLSource(database.secret_url(tmp_path))) as source:
        head = source.head()
        credentials = tmp_path / "credentials.toml"
        good = credentials.read_text(encoding="utf-8")
        credentials.write_text(good.replace(PASSWORD, SECRET), encoding="utf-8")
        database.server.kill_backends()
        assert "refuses the password" in problem_of(source.head)
        credentials.write_text(good, encoding="utf-8")
        assert source.head() == head


@contextmanager
def small_disk() -> Iterator[Path]:
    """Give a disk of 64 MiB, where this user may have one."""
    with place() as directory:
        disk = directory / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=755", "tmpfs", str(disk)]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a file system")
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def test_full_disk() -> None:
    """While the disk is full, nothing is written, which is said, and what is there is read; with room, it goes on."""
    binaries()
    with small_disk() as disk:
        one = Server(disk / "one", {"wal_level": "minimal", "max_wal_senders": "0", "wal_recycle": "off"})
        try:
            one.make()
            one.start()
            database = new_database(one)
            prepare_store(database.url())
            with closing(PostgreSQLStore(database.url())) as store, closing(PostgreSQLSource(database.url())) as source:
                head = change(store, ("policy", "shop", SHOP)).head
                rest = disk / "rest"
                with rest.open("wb") as file:
                    file.truncate(0)
                    os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - (1 << 16))
                many = edits(*(("policy", f"p{number}", SHOP) for number in range(3000)))
                plan = store.plan(store.read(), many)
                assert "has no room on its disk" in problem_of(lambda: store.commit(plan, about()))
                assert source.everything().head == source.head() == store.read().head == head
                rest.unlink()
                assert store.commit(plan, about()).entry.seq == head.seq + 1
        finally:
            one.stop()

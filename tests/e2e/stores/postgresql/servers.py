"""Starts PostgreSQL for a test, on a free port and with a directory of its own, and does to it what tests are about."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psycopg

from tests.answering import free_port
from tests.certificates import Authority
from tests.e2e.daemons import wait_for
from tests.e2e.requirements import need

OWNER: Final = "owner"
PASSWORD: Final = "s3cret/of:owner@"
_BIN: Final = "/usr/lib/postgresql"
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "lc_messages": "C",
    # A crash of the server loses nothing that the system has: only a crash of the machine would.
    "fsync": "off",
    # A crash would lose what was confirmed in the last moments, if the store did not see to it.
    "synchronous_commit": "off",
    "wal_level": "replica",
    "max_wal_senders": "4",
    "autovacuum": "off",
    "hot_standby": "on",
    "ssl": "on",
    "wal_receiver_status_interval": "1",
}


def binaries() -> Path:
    """Find the programs of the newest PostgreSQL on this machine, or end the test."""
    need("pg_ctlcluster")
    return max(Path(_BIN).glob("*/bin"), key=lambda path: int(path.parent.name))


class Server:
    """A PostgreSQL server.

    Attributes:
        port: Where it listens on 127.0.0.1.
        directory: What it keeps; the data are beneath it.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str] = {}) -> None:
        self.directory = directory
        self.data = directory / "data"
        self._binaries = binaries()
        self._settings = {**_SETTINGS, **settings}
        self._popen: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")

    def make(self) -> None:
        """Make its data, with one user who may do everything, and has a password."""
        secret = self.directory / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        secret.chmod(0o644)
        self.run(
            "initdb",
            f"--pgdata={self.data}",
            f"--username={OWNER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        certified = Authority("Databases").sign("server").both
        for name in ("server.crt", "server.key"):
            self._give(self.data / name, certified)
        with (self.data / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("host replication all 127.0.0.1/32 scram-sha-256\n")

    def copy_of(self, primary: Server) -> None:
        """Make its data those of a standby."""
        self.run(
            "pg_basebackup",
            f"--pgdata={self.data}",
            f"--dbname={primary.url('postgres')}",
            "--checkpoint=fast",
            "--wal-method=stream",
            "--write-recovery-conf",
            "--no-sync",
        )

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.directory / "log").open("ab") as log:
            self._popen = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    "-D",
                    self.data,
                    f"--port={self.port}",
                    f"--unix_socket_directories={self.directory}",
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                user=_user(),
                group=_user(),
            )
        wait_for(self.is_ready, "PostgreSQL")

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        assert self._popen is not None
        assert self._popen.poll() is None, (self.directory / "log").read_text(encoding="utf-8")
        try:
            with self.connect("postgres"):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stop it, and wait for its end; SIGQUIT is a crash."""
        if self._popen is not None:
            self.let_go()
            self._popen.send_signal(number)
            self._popen.wait(30)
            self._popen = None

    def freeze(self) -> None:
        """Have it, and all that it has started, stand still: it stays there and says nothing."""
        self._signal(signal.SIGSTOP)

    def let_go(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def promote(self) -> None:
        """Make a primary of a standby."""
        self.run("pg_ctl", "promote", f"--pgdata={self.data}", "--wait")

    def url(self, database: str, user: str = OWNER, password: str | None = PASSWORD, **options: str) -> str:
        """The URL of a database."""
        who = quote(user) if password is None else f"{quote(user)}:{quote(password, safe='')}"
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in options.items())
        return f"postgresql://{who}@127.0.0.1:{self.port}/{database}{f'?{query}' if query else ''}"

    @contextmanager
    def connect(self, database: str) -> Iterator[psycopg.Connection[Any]]:
        """Connect as who may do everything."""
        connection = psycopg.connect(self.url(database), autocommit=True, connect_timeout=10)
        try:
            yield connection
        finally:
            connection.close()

    def sql(self, database: str, statement: str, *values: object) -> list[Any]:
        """Run a statement as who may do everything, and give its rows."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return [row[0] if len(row) == 1 else row for row in cursor.fetchall()] if cursor.description else []

    def kill_backends(self) -> int:
        """End every other connection, and give their number."""
        killed = self.sql(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cors-service'",
        )
        return len(killed)

    def run(self, program: str, *arguments: str) -> None:
        """Run a program of PostgreSQL."""
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, cwd="/", user=_user(), group=_user(), check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def _give(self, path: Path, content: bytes) -> None:
        """Write a file that the server alone may read."""
        path.write_bytes(content)
        path.chmod(0o600)
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")

    def _signal(self, number: signal.Signals) -> None:
        assert self._popen is not None
        children = Path(f"/proc/{self._popen.pid}/task/{self._popen.pid}/children").read_text(encoding="utf-8").split()
        os.kill(self._popen.pid, number)
        for child in children:
            # What serves a client that has gone ends by itself.
            with suppress(ProcessLookupError):
                os.kill(int(child), number)


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """Run a new server."""
    with place() as directory:
        one = Server(directory / "one", settings)
        one.make()
        try:
            one.start()
            yield one
        finally:
            one.stop(signal.SIGQUIT)


POOL: Final = """\
[databases]
* = host=127.0.0.1 port={server} user={user} password='{password}'
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_tls_sslmode = prefer
"""


@contextmanager
def pool(one: Server) -> Iterator[int]:
    """Run a pool before a server, which gives each transaction any connection; give its port."""
    [program] = need("pgbouncer")
    port = free_port()
    with place() as directory:
        settings = directory / "pool.ini"
        text = POOL.format(server=one.port, port=port, user=OWNER, password=PASSWORD)
        settings.write_text(text, encoding="utf-8")
        settings.chmod(0o644)
        popen = subprocess.Popen(
            [program, "-q", settings], stdin=subprocess.DEVNULL, cwd="/", user=_user(), group=_user()
        )
        try:
            wait_for(lambda: _listens(port), "the pool")
            yield port
        finally:
            popen.terminate()
            popen.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def place() -> Iterator[Path]:
    """Give a directory that others may go through, with a path that is short enough for a socket."""
    directory = Path(tempfile.mkdtemp(prefix="cors-pg-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _user() -> str | None:
    """Who it runs as: it refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None

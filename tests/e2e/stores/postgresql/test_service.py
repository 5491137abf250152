"""The service with its policies in PostgreSQL, as operators start it: what a replica shows while something fails."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cors_service.ledger.entry import Signed
from cors_service.postgresql import PostgreSQLStore
from tests.e2e.daemons import ANY_PORT, TWIST, Service, allows, ask, wait_for
from tests.e2e.stores.postgresql.conftest import Database, pair
from tests.e2e.stores.postgresql.servers import PASSWORD, Server
from tests.e2e.stores.postgresql.test_store import write_by_hand
from tests.ledger.stores import change

STOPPED = -signal.SIGTERM
WRONG_USE = 64
QUICKLY = ("--confirm-interval", "0.3")


@pytest.fixture
def store(database: Database) -> Iterator[PostgreSQLStore]:
    """Give who writes, and has written a policy."""
    with closing(PostgreSQLStore(database.url())) as one:
        publish(one, 0)
        yield one


def publish(store: PostgreSQLStore, number: int) -> Signed:
    """Make a change."""
    return change(store, ("policy", "shop", {"origins": [f"https://{number}.example.com"]}))


@contextmanager
def served(url: str, directory: Path, *options: str) -> Iterator[Service]:
    """Run a service; what it says has no traceback, and nothing secret."""
    service = Service([*TWIST, "--policies", url, "--listen", ANY_PORT, *QUICKLY, *options], directory)
    try:
        yield service
        assert service.stop() == STOPPED
        said = "\n".join(service.out + service.err)
        assert not [word for word in ("Traceback", "Unhandled", PASSWORD, "s3cret") if word in said]
    finally:
        service.kill()


def status(service: Service) -> dict[str, Any]:
    """What it says of its store."""
    found: dict[str, Any] = ask(service.port, "/v1/status").json["store"]
    return found


def shows(service: Service, what: str, condition: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Wait until what it says of its store is as it should be."""
    found: dict[str, Any] = {}

    def look() -> bool:
        found.clear()
        found.update(status(service))
        return bool(condition(found))

    try:
        wait_for(look, what)
    except AssertionError as error:
        raise AssertionError(f"{error}: {found}, {service.out[-9:]}") from None
    return found


def has_confirmed(service: Service, signed: Signed) -> dict[str, Any]:
    """Wait until it serves a change, and the store has confirmed that there is nothing newer."""
    seq = signed.entry.seq

    def is_confirmed(found: dict[str, Any]) -> bool:
        numbers = (found["seq"], found["head_seq"], found["behind_since"], found["problem"])
        return numbers == (seq, seq, None, None) and found["confirmed_at"] is not None

    return shows(service, f"change {seq}", is_confirmed)


def has_problem(service: Service, code: str) -> str:
    """Wait until it has a problem, and give what it says of it."""
    found = shows(service, code, lambda found: (found["problem"] or {}).get("code") == code)
    message: str = found["problem"]["message"]
    return message


def serves(service: Service, number: int) -> bool:
    """Whether it decides by the policies of a change that `publish` made."""
    return allows(service.port, "shop", f"https://{number}.example.com") is True


def test_followed(database: Database, store: PostgreSQLStore, tmp_path: Path) -> None:
    """Two workers serve what the store has, over one connection to it, which anybody may kill."""
    with served(database.secret_url(tmp_path), tmp_path, "--workers", "2") as service:
        for number in range(1, 6):
            if number % 2:
                database.server.kill_backends()
            has_confirmed(service, publish(store, number))
            wait_for(partial(serves, service, number), "the new policies")
        store.close()
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cors-service'"
        wait_for(lambda: database.sql(count) == [1], "one connection")
        check_processes(service)


def check_processes(service: Service) -> None:
    """Nobody sees anything secret in the list of its processes, nor in their environments."""
    seen: list[bytes] = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            session = int((path / "stat").read_text(errors="replace").rpartition(")")[2].split()[3])
            if session == service.pid:
                seen.append((path / "cmdline").read_bytes() + (path / "environ").read_bytes())
    assert len(seen) == 4
    assert any(b"cors_service.follow" in one and b"credentials.toml" in one for one in seen)
    assert not any(b"s3cret" in one for one in seen)


def test_what_the_store_has_wrong(database: Database, store: PostgreSQLStore, tmp_path: Path) -> None:
    """Whatever is wrong with what the store has, the last good policies stay, and each replica says what it is."""
    with served(database.secret_url(tmp_path), tmp_path) as service:
        has_confirmed(service, publish(store, 1))
        write_by_hand(database, "shop", '{"origins": ["nonsense"]}')
        assert "nonsense" in has_problem(service, "store-does-not-load")
        assert serves(service, 1)
        write_by_hand(database, "shop", '{"origins": ["*"]}')
        assert "change 5" in has_problem(service, "store-revision-differs")
        assert serves(service, 1)
        assert not serves(service, 2)
        good = database.sql("SELECT entry ->> 'revision' FROM cors.ledger WHERE seq = 3")
        write_by_hand(database, "shop", '{"origins": ["https://1.example.com"]}', str(good[0]))
        shows(service, "the end of that", lambda found: found["problem"] is None)
        assert serves(service, 1)
        service.said("store-does-not-load")
        service.said("store-revision-differs")
        service.said("is followed again")


def test_tampered(database: Database, store: PostgreSQLStore, tmp_path: Path) -> None:
    """Whoever changes an entry of the ledger is found out by each replica, which names it, and by `ledger verify`."""
    url = database.secret_url(tmp_path)
    with served(url, tmp_path) as service:
        has_confirmed(service, publish(store, 1))
        tamper = "UPDATE cors.ledger SET entry = replace(entry::text, 'because', 'why')::json WHERE seq = 2"
        database.sql(f"SET session_replication_role = replica; {tamper}")
        database.server.kill_backends()
        assert has_problem(service, "store-ledger-broken").startswith("Entry 2 of the ledger")
        assert serves(service, 1)
        done = command("ledger", "verify", url)
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        2,
        "2: The entry was changed: its hash is not that of its content.",
    )


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command."""
    program = str(Path(TWIST[0]).with_name("cors-service"))
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


def test_failures_of_servers(tmp_path: Path) -> None:
    """A server that stands still, stops, or loses commits in a failover never makes a replica forget or widen."""
    with pair() as two:
        primary, standby, database = two
        url = two.both(database.secret_url(tmp_path))
        credentials = str(tmp_path / "credentials.toml")
        with closing(PostgreSQLStore(database.url())) as store:
            publish(store, 0)
            check_standby(standby.url(database.name, password=None, credentials=credentials), store, tmp_path)
            with served(url, tmp_path, "--snapshot", "snapshot") as service:
                check_standing_still(primary, store, service)
                check_failover(primary, standby, database, service, store)
            check_restart(standby, url, tmp_path)


def check_standby(url: str, store: PostgreSQLStore, directory: Path) -> None:
    """A replica that can only reach a standby follows it, and says that it can't know what is newest."""
    with served(url, directory) as service:
        assert "is a standby, so it may lack the newest change" in has_problem(service, "store-unreachable")
        publish(store, 7)
        wait_for(lambda: serves(service, 7), "the new policies")
        found = status(service)
        assert (found["seq"], found["confirmed_at"], found["confirmed_age_seconds"]) == (3, None, None)


def check_standing_still(primary: Server, store: PostgreSQLStore, service: Service) -> None:
    """A server that says nothing is given up, and followed again when it goes on."""
    has_confirmed(service, publish(store, 1))
    primary.freeze()
    assert "does not answer" in has_problem(service, "store-unreachable")
    assert serves(service, 1)
    primary.let_go()
    has_confirmed(service, publish(store, 2))
    service.said("is followed again, at change")


def check_failover(
    primary: Server, standby: Server, database: Database, service: Service, store: PostgreSQLStore
) -> None:
    """What was lost with the old primary stays in force until there is something newer, and it is said why."""
    wait_for(lambda: standby.sql(database.name, "SELECT seq FROM cors.head") == [5], "the standby")
    standby.stop()
    has_confirmed(service, publish(store, 3))
    primary.stop(signal.SIGQUIT)
    has_problem(service, "store-unreachable")
    standby.start()
    standby.promote()
    message = has_problem(service, "store-went-back")
    shows(service, "what is left", lambda found: (found["seq"], found["head_seq"]) == (6, 5))
    assert "is at change 5" in message
    assert "change 6 is served" in message
    assert serves(service, 3)
    with closing(PostgreSQLStore(standby.url(database.name))) as other:
        publish(other, 4)
        # The same number is another change now.
        shows(service, "the new 6", lambda found: (found["seq"], found["head_seq"]) == (6, 6))
        has_problem(service, "store-went-back")
        assert serves(service, 3)
        has_confirmed(service, publish(other, 5))
    assert serves(service, 5)
    assert not serves(service, 3)


def check_restart(server: Server, url: str, directory: Path) -> None:
    """A start without the store serves the snapshot, says so, and goes on when the store is there."""
    server.stop(signal.SIGQUIT)
    with served(url, directory, "--snapshot", "snapshot") as service:
        message = has_problem(service, "store-unreachable")
        assert "does not listen there" in message
        assert serves(service, 5)
        assert status(service)["seq"] == 7
        server.start()
        shows(service, "the store", lambda found: found["problem"] is None and found["confirmed_at"])


def test_refused_starts(database: Database, tmp_path: Path) -> None:
    """A start that can't work ends with one sentence, which says what to do, and a status that is not 0."""
    url = database.secret_url(tmp_path)
    sentences = {
        url: (1, "There are no policies."),
        database.url(): (WRONG_USE, "--policies: .* has a password, which everybody can see in the list of processes"),
        url.replace("/cors?", "/other?"): (1, "has no database other: create it, or name another in the URL."),
    }
    for wrong, (exit_status, sentence) in sentences.items():
        done = subprocess.run(
            [*TWIST, "--policies", wrong, "--listen", ANY_PORT],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            cwd=tmp_path,
        )
        said = done.stdout + done.stderr
        assert done.returncode == exit_status, said
        assert [line for line in said.splitlines() if line and re.search(sentence, line)], said
        assert "Traceback" not in said
        assert "s3cret" not in said
    assert json.loads(command("store", "init", url, "--json").stdout)["done"] == [
        "The schema cors is there already, in version 1.",
        "The roles cors_reader and cors_writer are there already.",
    ]
